"""How long this machine takes to compare with a usual hash of each family: what imports and doctors advise by."""

import time
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
    started = time.perf_counter()
    matches(_USUAL[name], "a password that is wrong")
    return time.perf_counter() - started
