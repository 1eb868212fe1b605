"""How lines are read, judged and sealed on several processors at once, and come back in their order."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from flask import Flask, current_app

from idp.accounts.import_lines import Chunk, Source, lines_of
from idp.accounts.import_rows import row_of
from idp.accounts.import_survey import Claim, Refusal, claim_of, judge
from idp.accounts.importing import Row, spell

T = TypeVar("T")

# Set before the processes are forked, so that nothing of the settings travels between them.
_inherited: list[Flask] = []


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a chunk holds, ready for the table; every row with the number of its line."""

    count: int
    rows: list[tuple[int, Row]]
    # Line, previous NIR, NIR, the row if neither is known yet.
    moves: list[tuple[int, str, str, Row]]


def judge_chunk(chunk: Chunk, source: Source) -> list[Claim | Refusal]:
    """Judge lines; what comes back is as little as the survey needs."""
    return [
        person if isinstance(person, Refusal) else claim_of(line.number, person)
        for line in lines_of(source, chunk)
        for person in (judge(line),)
    ]


def prepare_chunk(chunk: Chunk, source: Source, now: datetime) -> Prepared:
    """Judge lines and seal what is good into rows."""
    count, rows, moves = 0, [], []
    for line in lines_of(source, chunk):
        count += 1
        person = judge(line)
        if isinstance(person, Refusal):
            continue
        row = spell(row_of(person, now))
        if person.previous_nir is None:
            rows.append((line.number, row))
        else:
            moves.append((line.number, person.previous_nir, person.nir, row))
    return Prepared(count, rows, moves)


def in_order(act: Callable[..., T], chunks: Iterable[Chunk], *about: Any, processes: int) -> Iterator[tuple[Chunk, T]]:
    """Yield what ``act`` makes of each chunk, in the order of the file."""
    if processes <= 1:
        for chunk in chunks:
            yield chunk, act(chunk, *about)
        return
    _inherited[:] = [current_app._get_current_object()]  # type: ignore[attr-defined]
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("fork"), initializer=_enter) as executor:
        waiting: deque[tuple[Chunk, Future[T]]] = deque()
        for chunk in chunks:
            waiting.append((chunk, executor.submit(act, chunk, *about)))
            # Never more than these in memory, however slow the database is.
            if len(waiting) >= 3 * processes:
                first, future = waiting.popleft()
                yield first, future.result()
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()


def _enter() -> None:
    # Only for the settings: nothing here asks the database.
    _inherited[0].app_context().push()
