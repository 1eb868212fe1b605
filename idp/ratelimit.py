"""How often something may happen: exact sliding windows, kept in state and spent by compare-and-set."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from idp.per_app import PerApp
from idp.state import Space, state


@dataclass(frozen=True, slots=True)
class Window:
    """At most ``limit`` times in any stretch of ``per``."""

    limit: int
    per: timedelta


@dataclass(frozen=True, slots=True)
class Spend:
    """Whether it may happen, how often still in the tightest window, and from when again if not."""

    allowed: bool
    left: int
    retry_at: datetime | None = None


@dataclass(frozen=True)
class Happened:
    """The moments, in epoch seconds, at which something happened; oldest first."""

    at: tuple[float, ...]


_CLEAR_FOR = timedelta(seconds=1)
_MOST_CLEAR = 5_000
_clear: PerApp[dict[str, datetime]] = PerApp(dict)
HAPPENED = Space("happened", Happened)


def spend(name: str, key: str, *, windows: Sequence[Window], now: datetime) -> Spend:
    """Let it happen once more and remember that, or say when it may; a race never gains one more."""
    longest = max(window.per for window in windows)
    full = f"{name}:{key}"
    _clear().pop(full, None)
    verdict = Spend(allowed=True, left=0)

    def _one_more(past: Happened) -> Happened | None:
        nonlocal verdict
        verdict = _judge(past.at, windows, now)
        if not verdict.allowed:
            return None
        living = tuple(at for at in past.at if at > (now - longest).timestamp())
        return Happened((*living, now.timestamp()))

    while True:
        if state.add(HAPPENED, full, Happened((now.timestamp(),)), ttl=longest):
            return replace(_judge((now.timestamp(),), windows, now), allowed=True, retry_at=None)
        if state.change(HAPPENED, full, _one_more, ttl=longest) is not None:
            return replace(verdict, left=verdict.left - 1)
        if not verdict.allowed:
            return verdict


def peek(name: str, key: str, *, windows: Sequence[Window], now: datetime) -> Spend:
    """Say what `spend` would answer, without spending."""
    past = state.get(HAPPENED, f"{name}:{key}")
    return _judge(past.at if past else (), windows, now)


def is_spent(name: str, key: str, *, windows: Sequence[Window], now: datetime) -> bool:
    """Tell whether `spend` would refuse; that it would not is remembered for a second, unless this process spends.

    For what nearly always goes well, at every request: another node's failures are seen a second late.
    """
    full = f"{name}:{key}"
    until = _clear().get(full)
    if until is not None and now < until:
        return False
    if peek(name, key, windows=windows, now=now).retry_at is not None:
        return True
    clear = _clear()
    if len(clear) >= _MOST_CLEAR:
        clear.clear()
    clear[full] = now + _CLEAR_FOR
    return False


def _judge(at: tuple[float, ...], windows: Sequence[Window], now: datetime) -> Spend:
    left = min(window.limit - _within(at, window, now) for window in windows)
    if left > 0:
        return Spend(allowed=True, left=left)
    full = [window for window in windows if _within(at, window, now) >= window.limit]
    # A window opens again when the oldest of its last `limit` moments leaves it.
    retry = max(sorted(at)[-window.limit] + window.per.total_seconds() for window in full)
    return Spend(allowed=False, left=0, retry_at=datetime.fromtimestamp(retry, UTC))


def _within(at: tuple[float, ...], window: Window, now: datetime) -> int:
    return sum(1 for moment in at if moment > (now - window.per).timestamp())
