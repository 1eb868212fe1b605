"""The only place that reads the time; tests step it by giving another source."""

import time
from collections.abc import Callable
from datetime import UTC, datetime


def _system_time() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _system_time


def now() -> datetime:
    """Return the present moment as an aware UTC datetime."""
    return _source()


def wall() -> float:
    """Return the epoch second by this machine's own clock, whatever the source says."""
    return time.time()


def ticks() -> float:
    """Return seconds that nobody steps, those included in which the machine was suspended, where that is known."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def set_source(source: Callable[[], datetime] | None) -> None:
    """Let ``source`` tell the time in this process, or the system again when it is ``None``."""
    global _source
    _source = source or _system_time
