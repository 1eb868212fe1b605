"""Decides how a password is turned into what we store, and whether a typed one is right; nothing else hashes.

Argon2id over an HMAC with the pepper, which lives outside the database: a stolen table cannot be tried offline
(security.md §5 AC-65, NIST SP 800-63B-4 §3.1.1.2). Few hashes run at once: each takes memory and a processor, and
a burst of sign-ins must make people wait a moment, not bring the machine down.

A hash taken over from another system (`legacy_hashes.py`) is kept sealed, for it has no pepper, and is compared until
its owner signs in; then it is ours.
"""

import base64
import functools
import os
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from idp import crypto, entropy, logs, metrics
from idp.accounts.hashing_lane import FairLane, HashingBusy
from idp.accounts.legacy_hashes import matches, read_legacy
from idp.accounts.new_passwords import PasswordFault, check_new_password
from idp.settings import settings

# Where a password is checked, the rule for new ones is expected too.
__all__ = [
    "HashingBusy",
    "PasswordCheck",
    "PasswordFault",
    "check_new_password",
    "check_password",
    "check_room",
    "hash_password",
]

LONGEST_BYTES: Final = 1024
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32
# Of a process whose server does not say.
_THREADS: Final = 8
_LEGACY: Final = "$legacy$"
_LEGACY_CONTEXT: Final = "legacy-password"

log = logs.get_logger()


@dataclass(frozen=True)
class PasswordCheck:
    """Whether the password was right, and whether its stored hash is of an older strength."""

    ok: bool
    needs_rehash: bool = False


def hash_password(password: str, *, whose: str = "", patient: bool = False, can_wait: bool = True) -> str:
    """The encoded Argon2id hash to store, its parameters within it; ``whose`` and ``patient`` as for a check.

    What nobody waits for (``can_wait`` is false) is done where a lane is free, or raises `HashingBusy` at once.
    """
    if not is_usable(password):
        raise ValueError("a password without NUL and of at most 1024 bytes was expected")
    hasher = _current_hasher()
    with _timed_lane(whose, patient=patient, can_wait=can_wait):
        return hasher.hash(_peppered(password), salt=entropy.random_bytes(_SALT_BYTES))


def check_password(stored: str | None, password: str, *, whose: str = "", patient: bool = False) -> PasswordCheck:
    """Compare; without a stored hash (no such account, never activated) the same work is done for nothing (R8).

    ``whose`` is the address that asks, which shares the lane with the others; who is ``patient`` has waited before.
    """
    # Such a password can be nobody's; it is refused alike for all, before any work (AC-59, AC-61).
    if not is_usable(password):
        return PasswordCheck(ok=False)
    try:
        legacy = open_legacy(stored)
    except crypto.Unreadable:
        # A key that is not configured here: nobody's password, and the log says why.
        log.error("legacy-hash-unreadable")
        stored = legacy = None
    hasher = _current_hasher()
    is_ours = legacy is None and stored is not None and stored.startswith("$argon2id$")
    compared = stored if stored is not None and is_ours else _nobodys_hash(hasher)
    typed = unicodedata.normalize("NFC", password)
    with _timed_lane(whose, patient=patient):
        started = time.perf_counter()
        ok = matches(legacy, typed) if legacy is not None else _verify(hasher, compared, _peppered(password))
    if not ok or not (is_ours or legacy):
        _even_out(started)
        return PasswordCheck(ok=False)
    return PasswordCheck(ok=True, needs_rehash=legacy is not None or hasher.check_needs_rehash(compared))


def measure_hash() -> float:
    """Return how many seconds a hash takes now, with today's cost, in no lane: for sizing machines."""
    hasher = _current_hasher()
    started = time.perf_counter()
    _verify(hasher, _nobodys_hash(hasher), b"nobody's password")
    return time.perf_counter() - started


def _verify(hasher: PasswordHasher, stored: str, peppered: bytes) -> bool:
    try:
        return hasher.verify(stored, peppered)
    except (VerificationError, InvalidHashError):
        return False


def _even_out(started: float) -> None:
    """Make a refusal take as long whichever family of hashes was compared, with or without an account (R8)."""
    left = settings.passwords.refuse_after.total_seconds() - (time.perf_counter() - started)
    if left > 0:
        time.sleep(left)


def keep_legacy(text: str) -> str:
    """Return what is stored of another system's hash, sealed: a stolen table cannot be tried. Raises `LegacyFault`."""
    return _LEGACY + base64.b64encode(crypto.seal(read_legacy(text), context=_LEGACY_CONTEXT)).decode()


def open_legacy(stored: str | None) -> str | None:
    """Return the hash that `keep_legacy` sealed, or None for one of ours."""
    if stored is None or not stored.startswith(_LEGACY):
        return None
    return crypto.unseal(base64.b64decode(stored.removeprefix(_LEGACY)), context=_LEGACY_CONTEXT)


def is_usable(password: str) -> bool:
    """Whether it could be anybody's password: no NUL (other systems cut there), and a length that costs nothing."""
    # 1024 characters are at least 1024 bytes: the cheap question first.
    return len(password) <= LONGEST_BYTES and "\0" not in password and len(_normalised(password)) <= LONGEST_BYTES


def usable_form(password: str) -> str:
    """Return a password in the form in which another system may be asked about it; empty if it is nobody's."""
    # Half of a surrogate pair is no character; other systems would choke on it.
    is_text = not any("\ud800" <= character <= "\udfff" for character in password[:LONGEST_BYTES])
    return unicodedata.normalize("NFC", password) if is_text and is_usable(password) else ""


def _normalised(password: str) -> bytes:
    # NIST SP 800-63B-4 §3.1.1.2: one Unicode form, so that "é" from a phone and from a keyboard are one letter.
    # NFC and not NFKC: no two passwords become one that look different to the person.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def _peppered(password: str) -> bytes:
    return crypto.keyed("pepper", unicodedata.normalize("NFC", password))


def _current_hasher() -> PasswordHasher:
    wanted = settings.passwords
    return _hasher(wanted.time_cost, wanted.memory_kib, wanted.parallelism)


@functools.cache
def _hasher(time_cost: int, memory_kib: int, parallelism: int) -> PasswordHasher:
    return PasswordHasher(
        time_cost=time_cost,
        memory_cost=memory_kib,
        parallelism=parallelism,
        hash_len=_HASH_BYTES,
        salt_len=_SALT_BYTES,
    )


@functools.cache
def _nobodys_hash(hasher: PasswordHasher) -> str:
    # The hash of no password, in today's parameters: written down rather than computed, so that not even the first
    # unknown NIR after a start takes longer than the others.
    salt, digest = (
        base64.b64encode(entropy.random_bytes(size)).decode().rstrip("=") for size in (_SALT_BYTES, _HASH_BYTES)
    )
    return f"$argon2id$v=19$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}${salt}${digest}"


@functools.cache
def _lane(size: int, queue: int) -> FairLane:
    return FairLane(size, queue)


def current_lane() -> FairLane:
    """Return the lane of this process.

    Half of its threads at most hash or wait to: the other half is for what needs no password.
    """
    wanted, fleet = settings.passwords, settings.fleet
    size = wanted.lanes or max(1, len(os.sched_getaffinity(0)) // max(fleet.web_processes, 1))
    return _lane(size, wanted.queue or max(size, (fleet.web_threads or _THREADS) // 2 - size))


def check_room(whose: str, *, patient: bool = False) -> None:
    """Raise `HashingBusy` if a password from the address ``whose`` would not be looked at now."""
    current_lane().check_room(whose, patient=patient)


@contextmanager
def _timed_lane(whose: str = "", *, patient: bool = False, can_wait: bool = True) -> Iterator[None]:
    wait = settings.passwords.wait.total_seconds() if can_wait else 0
    with metrics.PASSWORD_HASH.time(), current_lane().place(whose, within=wait, patient=patient):
        yield
