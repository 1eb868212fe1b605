"""Decides how a password is turned into what we store, and whether a typed one is right; nothing else hashes.

Argon2id over an HMAC with the pepper, which lives outside the database: a stolen table cannot be tried offline
(security.md §5 AC-65, NIST SP 800-63B-4 §3.1.1.2). Few hashes run at once: each takes memory and a processor, and
a burst of sign-ins must make people wait a moment, not bring the machine down.
"""

import base64
import functools
import os
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from idp import crypto, entropy, metrics
from idp.accounts.new_passwords import PasswordFault, check_new_password
from idp.settings import settings

# Where a password is checked, the rule for new ones is expected too.
__all__ = ["HashingBusy", "PasswordCheck", "PasswordFault", "check_new_password", "check_password", "hash_password"]

LONGEST_BYTES: Final = 1024
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


class HashingBusy(Exception):
    """Every lane is taken and stayed so for `settings.passwords.wait`: answer 503, count nothing."""


@dataclass(frozen=True)
class PasswordCheck:
    """Whether the password was right, and whether its stored hash is of an older strength."""

    ok: bool
    needs_rehash: bool = False


def hash_password(password: str) -> str:
    """The encoded Argon2id hash to store, its parameters within it."""
    if not is_usable(password):
        raise ValueError("a password without NUL and of at most 1024 bytes was expected")
    hasher = _current_hasher()
    with _timed_lane():
        return hasher.hash(_peppered(password), salt=entropy.random_bytes(_SALT_BYTES))


def check_password(stored: str | None, password: str) -> PasswordCheck:
    """Compare; without a stored hash (no such account, never activated) the same work is done for nothing (R8)."""
    # Such a password can be nobody's; it is refused alike for all, before any work (AC-59, AC-61).
    if not is_usable(password):
        return PasswordCheck(ok=False)
    hasher = _current_hasher()
    is_ours = stored is not None and stored.startswith("$argon2id$")
    compared = stored if stored is not None and is_ours else _nobodys_hash(hasher)
    peppered = _peppered(password)
    with _timed_lane():
        try:
            hasher.verify(compared, peppered)
        except (VerificationError, InvalidHashError):
            return PasswordCheck(ok=False)
    return PasswordCheck(ok=is_ours, needs_rehash=is_ours and hasher.check_needs_rehash(compared))


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
def _lanes(size: int) -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(size)


@contextmanager
def _timed_lane() -> Iterator[None]:
    lanes = _lanes(settings.passwords.lanes or len(os.sched_getaffinity(0)))
    with metrics.PASSWORD_HASH.time():
        if not lanes.acquire(timeout=settings.passwords.wait.total_seconds()):
            raise HashingBusy
        try:
            yield
        finally:
            lanes.release()
