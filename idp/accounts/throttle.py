"""Decides when a password may be tried: few tries for an account on unknown devices, then pauses (R7, design §4).

Everything counts under the blind index of the NIR, whether or not it has an account, so a stranger sees the same
pauses for both (AC-57). Unknown devices share one lane per account; each recognised device has its own, and neither
the address nor the spraying limit touches it (AC-54). A try is counted before its hash is compared, by one
compare-and-set: fifty tries at once are five comparisons, not fifty.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from idp import crypto, ratelimit
from idp.accounts.passwords import LONGEST_BYTES
from idp.ratelimit import Window
from idp.settings import settings
from idp.state import Space, state

Reason = Literal["account", "address", "same-password"]

UNKNOWN_DEVICE: Final = "unknown"
# NIST SP 800-63B-4 §3.2.2: no more than 100 wrong passwords in a row. From there on two tries a day are left to
# unknown devices, not none: nobody may lock a stranger out for good (R7).
_TOO_MANY: Final = 100
_LONGEST_PAUSE: Final = timedelta(hours=12)


@dataclass(frozen=True)
class Tries:
    """Wrong passwords in a row in one lane (a try under way counts as wrong), and until when it pauses."""

    count: int
    until: datetime | None = None


@dataclass(frozen=True)
class Seen:
    """That one wrong password was tried on one account."""


@dataclass(frozen=True)
class Attempt:
    """A try that may be compared now; `tries_left` and `pause_until` say what follows if it is wrong."""

    tries_left: int
    pause_until: datetime | None
    pause: timedelta


@dataclass(frozen=True)
class Pause:
    """No password is compared before `until`; `reason` is for our records, not for the page."""

    until: datetime
    reason: Reason


TRIES = Space("password-tries", Tries)
SEEN = Space("password-seen", Seen)


def spend_attempt(*, nir_index: str, device: str | None, address: str, password: str, now: datetime) -> Attempt | Pause:
    """Count one try, or say until when none is accepted; `device` is the lane of a recognised device (`find_lane`)."""
    if device is None and (pause := _find_shared_pause(address, password, now)) is not None:
        return pause
    lane = _lane(nir_index, device)
    while True:
        first = _after_one_more(Tries(0), now)
        if state.add(TRIES, lane, first, ttl=_memory()):
            return _attempt(first)
        changed = state.change(TRIES, lane, lambda old: _one_more(old, now), ttl=_memory())
        if changed is not None:
            return _attempt(changed)
        paused = state.get(TRIES, lane)
        # Neither changed nor paused: the lane was cleared between two looks; begin again.
        if paused is not None and paused.until is not None and now < paused.until:
            return Pause(paused.until, "account")


def find_pause(*, nir_index: str, device: str | None, now: datetime) -> datetime | None:
    """Return until when this lane accepts no password, if it pauses."""
    tries = state.get(TRIES, _lane(nir_index, device))
    return tries.until if tries is not None and tries.until is not None and now < tries.until else None


def lift_pause(*, nir_index: str, device: str | None) -> bool:
    """Forget the wrong passwords of a lane, its pause with them; tell whether there was one."""
    had = state.take(TRIES, _lane(nir_index, device))
    return had is not None and had.until is not None


def give_back_attempt(*, nir_index: str, device: str | None) -> None:
    """Undo `spend_attempt` for a try that was never compared (every hashing lane was taken)."""
    state.change(TRIES, _lane(nir_index, device), lambda old: Tries(max(old.count - 1, 0)), ttl=_memory())


def count_wrong_password(*, nir_index: str, device: str | None, address: str, password: str, now: datetime) -> None:
    """Remember a wrong password against its address, and against itself when it is tried on many accounts (AC-52)."""
    if device is not None:
        return
    limits = settings.throttle
    ratelimit.spend("password-address", address, windows=_address_windows(), now=now)
    sprayed = _spray_key(password)
    # The same person repeating the same mistake is one account, not many.
    if state.add(SEEN, f"{sprayed}:{nir_index}", Seen(), ttl=limits.same_password_window):
        ratelimit.spend("password-spray", sprayed, windows=_spray_windows(), now=now)


def clear_wrong_passwords(*, nir_index: str, device: str | None) -> None:
    """Forget the wrong passwords of one lane after a right one; a stranger's count in the other lane stays."""
    state.delete(TRIES, _lane(nir_index, device))


def pause_after(count: int) -> timedelta | None:
    """The pause that follows the `count`th wrong password in a row."""
    limits = settings.throttle
    if count >= _TOO_MANY:
        return _LONGEST_PAUSE
    if count < limits.password_tries or not limits.password_pauses:
        return None
    return limits.password_pauses[min(count - limits.password_tries, len(limits.password_pauses) - 1)]


def _one_more(old: Tries, now: datetime) -> Tries | None:
    return None if old.until is not None and now < old.until else _after_one_more(old, now)


def _after_one_more(old: Tries, now: datetime) -> Tries:
    pause = pause_after(old.count + 1)
    return Tries(old.count + 1, None if pause is None else now + pause)


def _attempt(tries: Tries) -> Attempt:
    allowed = settings.throttle.password_tries
    coming = pause_after(max(tries.count + 1, allowed))
    return Attempt(max(allowed - tries.count, 0), tries.until, coming or timedelta(0))


def _find_shared_pause(address: str, password: str, now: datetime) -> Pause | None:
    by_address = ratelimit.peek("password-address", address, windows=_address_windows(), now=now)
    if by_address.retry_at is not None:
        return Pause(by_address.retry_at, "address")
    by_password = ratelimit.peek("password-spray", _spray_key(password), windows=_spray_windows(), now=now)
    if by_password.retry_at is not None:
        return Pause(by_password.retry_at, "same-password")
    return None


def _address_windows() -> tuple[Window, ...]:
    return (Window(settings.throttle.address_failures, settings.throttle.address_window),)


def _spray_windows() -> tuple[Window, ...]:
    return (Window(settings.throttle.same_password_failures, settings.throttle.same_password_window),)


def _spray_key(password: str) -> str:
    # Half of a keyed hash, kept for minutes, is enough to see one password come back, and useless to find it.
    # The cut keeps megabytes cheap; no password is longer (AC-59).
    return crypto.keyed("spray", password[:LONGEST_BYTES]).hex()[:32]


def _lane(nir_index: str, device: str | None) -> str:
    return f"{nir_index}:{device or UNKNOWN_DEVICE}"


def _memory() -> timedelta:
    # Runs from the last try, and always outlives the pause: else waiting it out would give five fresh tries.
    return max(settings.throttle.forget_after, 2 * _LONGEST_PAUSE)
