"""Which time it is for all nodes: our clock where others agree with it, theirs where they do not (RC-21).

Codes, tokens, sessions and counters end by `clock.now`. On a machine whose clock was stepped they would live too long,
or end at once. So a process reads its clock no oftener than it compares it with PostgreSQL's and Redis's; in between,
time goes on by the ticks of the machine, which nobody steps.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from statistics import median_low

from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from idp import clock, logs, metrics
from idp.db import db
from idp.state import StateDown, state
from idp.state_redis import RedisStore

# Seconds. Between two looks at the others' clocks, and by how much ours may differ before theirs is taken.
_EVERY, _TOO_FAR = 5.0, 2.0
DATABASE = "PostgreSQL"

log = logs.get_logger()


def measure_skews(read: Callable[[], float] = clock.wall) -> Iterator[tuple[str, float]]:
    """Yield each store's name and by how many seconds its clock is ahead of ``read``, half the round trip taken off."""
    if db.engine.dialect.name == "postgresql":
        with suppress(SQLAlchemyError), db.engine.connect() as connection:
            connection.execute(text("SELECT 1"))
            started = time.perf_counter()
            theirs = float(connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one())
            yield DATABASE, theirs + (time.perf_counter() - started) / 2 - read()
    if isinstance(state.store, RedisStore):
        with suppress(StateDown):
            state.store.ping()
            started = time.perf_counter()
            told = state.store.tell()
            half = (time.perf_counter() - started) / 2
            ours = read()
            yield from ((f"Redis ({where})", one.time + half - ours) for where, one in told.items() if one.time)


def judge_skews(skews: Mapping[str, float]) -> float:
    """Return how many seconds our own clock is behind the time that is right.

    The middle one of all clocks, so that one wrong clock, ours or a store's, is outvoted. Of two that differ nobody
    knows which is wrong: then it is the database's, because all nodes have that one in common.
    """
    if len(skews) < 2:
        return skews.get(DATABASE, 0.0)
    return median_low([0.0, *skews.values()])


class SteadyTime:
    """The time as it was at the last look, and the ticks since."""

    def __init__(self, wall: Callable[[], float], ticks: Callable[[], float]) -> None:
        self._wall, self._ticks = wall, ticks
        # One tuple, replaced as a whole: other threads read it.
        self._anchor = wall(), ticks()
        self.skew = 0.0

    def now(self) -> datetime:
        """Return the present moment."""
        moment, tick = self._anchor
        return datetime.fromtimestamp(moment + self._ticks() - tick, UTC)

    def look(self, skews: Mapping[str, float]) -> None:
        """Set ourselves by our clock, or by the others' where ours is too far off; by nothing while none answers."""
        if not skews:
            return
        self.skew = judge_skews(skews)
        correction = self.skew if abs(self.skew) > _TOO_FAR else 0.0
        self._anchor = self._wall() + correction, self._ticks()


def keep_time(app: Flask) -> None:
    """Let this process live by the common time, from now on. With SQLite there is one machine, and one clock."""
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            return
    steady = SteadyTime(clock.wall, clock.ticks)
    _look(app, steady)
    clock.set_source(steady.now)
    threading.Thread(target=_keep, args=(app, steady), name="clock", daemon=True).start()


def _keep(app: Flask, steady: SteadyTime) -> None:
    # An event that nobody sets, not `time.sleep`: that one waits until a moment of an absolute clock, which is refused
    # where clocks are tampered with (libfaketime). Whoever keeps the time must not die of it.
    never = threading.Event()
    while not never.wait(_EVERY):
        _look(app, steady)


def _look(app: Flask, steady: SteadyTime) -> None:
    was_off = abs(steady.skew) > _TOO_FAR
    with app.app_context():
        steady.look(dict(measure_skews()))
    metrics.CLOCK_SKEW.set(abs(steady.skew))
    is_off = abs(steady.skew) > _TOO_FAR
    if is_off and not was_off:
        log.error("clock-wrong", seconds=round(-steady.skew, 1))
    if was_off and not is_off:
        log.info("clock-right")
