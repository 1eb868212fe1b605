"""How lines are judged and sealed on several processors at once, and come back in their order."""

import itertools
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from flask import Flask, current_app

from idp.accounts.import_lines import Line
from idp.accounts.import_rows import Person, row_of
from idp.accounts.import_survey import Refusal, judge

T = TypeVar("T")
Judged = tuple[Line, Person | Refusal]
Prepared = tuple[Line, Refusal | tuple[Person, dict[str, Any]]]
Chunk = list[Line]

# Lines that travel to a process together: small enough to hold many, large enough that travelling costs little.
CHUNK = 1000
# Set before the processes are forked, so that nothing of the settings travels between them.
_inherited: list[Flask] = []


def judge_chunk(lines: Chunk) -> list[Judged]:
    """Judge lines."""
    return [(line, judge(line)) for line in lines]


def prepare_chunk(lines: Chunk, now: datetime) -> list[Prepared]:
    """Judge lines and seal what is good into rows."""
    return [
        (line, person if isinstance(person, Refusal) else (person, row_of(person, now)))
        for line, person in judge_chunk(lines)
    ]


def in_order(act: Callable[..., list[T]], lines: Iterable[Line], *about: Any, processes: int) -> Iterator[list[T]]:
    """Yield what ``act`` makes of each chunk of lines, in the order of the file."""
    chunks = _chunks(lines)
    if processes <= 1:
        for chunk in chunks:
            yield act(chunk, *about)
        return
    _inherited[:] = [current_app._get_current_object()]  # type: ignore[attr-defined]
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("fork"), initializer=_enter) as executor:
        waiting: deque[Future[list[T]]] = deque()
        for chunk in chunks:
            waiting.append(executor.submit(act, chunk, *about))
            # Never more than these in memory, however slow the database is.
            if len(waiting) >= 3 * processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _chunks(lines: Iterable[Line]) -> Iterator[Chunk]:
    feed = iter(lines)
    while chunk := list(itertools.islice(feed, CHUNK)):
        yield chunk


def _enter() -> None:
    # Only for the settings: nothing here asks the database.
    _inherited[0].app_context().push()
