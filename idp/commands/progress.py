"""How a long command says how far it is: a bar where somebody looks, plain lines where a file or a journal listens."""

import sys
import time
from datetime import timedelta
from typing import TextIO

_BAR = 24
_ON_TERMINAL, _ELSEWHERE = 0.2, 10.0


class Progress:
    """Says share, count, rate and time left; rate and time are of this run, what was done before is not counted."""

    def __init__(self, what: str, total: int, *, begin: int = 0, out: TextIO | None = None) -> None:
        self._what, self._total, self._begin = what, max(total, 1), begin
        self._out = out or sys.stderr
        self._is_terminal = self._out.isatty()
        self._started = time.monotonic()
        self._said: float | None = None

    def at(self, reached: int, count: int) -> None:
        """Say that ``reached`` of the total is done, in which ``count`` lines were handled by this run."""
        moment = time.monotonic()
        pause = _ON_TERMINAL if self._is_terminal else _ELSEWHERE
        if moment - (self._started if self._said is None else self._said) >= pause:
            self._said = moment
            self._write(self._sentence(reached, count, moment - self._started))

    def done(self, count: int) -> None:
        """Say that all is done."""
        self._write(self._sentence(self._total, count, time.monotonic() - self._started))
        if self._is_terminal:
            self._out.write("\n")
            self._out.flush()

    def _sentence(self, reached: int, count: int, took: float) -> str:
        share = min(1.0, reached / self._total)
        rate = count / took if took > 0 else 0.0
        moved = reached - self._begin
        left = timedelta(seconds=round(took * (self._total - reached) / moved)) if moved > 0 else None
        bar = ""
        if self._is_terminal:
            full = round(share * _BAR)
            bar = f"[{'#' * full}{'.' * (_BAR - full)}] "
        remaining = f"in {timedelta(seconds=round(took))}" if reached >= self._total else f"{left or '?'} left"
        return f"{self._what} {bar}{share:6.1%}  {count:,} lines  {rate:,.0f}/s  {remaining}"

    def _write(self, sentence: str) -> None:
        self._out.write(f"\r\x1b[2K{sentence}" if self._is_terminal else f"{sentence}\n")
        self._out.flush()
