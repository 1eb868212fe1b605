"""How long this machine takes to compare with a usual hash of each family: what imports and doctors advise by."""

import time
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from idp.accounts.legacy_hashes import matches

# Usual costs of 2026: a dearer hash takes longer, and the operator who has them knows.
_USUAL: Final = {
    "bcrypt": "$2b$10$abcdefghijklmnopqrstuuqXAnzyWVjDkmkXmzDZ0oY5hUgFAcC9K",
    "pbkdf2": "$pbkdf2-sha256$600000$c2FsdHNhbHQ$" + "A" * 43,
    "sha512-crypt": "$6$saltsaltsalt$" + "a" * 86,
    "ssha": "{SSHA}" + "A" * 32,
}


def measure(name: str) -> float:
    """Return the seconds of one comparison."""
    return _time(_USUAL[name])


def measure_hashes(canonical: Iterable[str]) -> float:
    """Return the seconds of the dearest of these hashes; one of each family and cost is compared with."""
    return max(map(_time, {_kind_of(one): one for one in canonical}.values()), default=0.0)


def least_refusal(dearest: float) -> timedelta:
    """Return for how long refusals have to take, so that a comparison of ``dearest`` seconds does not stand out."""
    return timedelta(seconds=round(dearest * 1.5 + 0.05, 2))


def _kind_of(canonical: str) -> tuple[str, ...]:
    # Family and rounds stand in the first two parts of every spelling.
    return tuple(canonical.split("$")[:3])


def _time(canonical: str) -> float:
    started = time.perf_counter()
    matches(canonical, "a password that is wrong")
    return time.perf_counter() - started
