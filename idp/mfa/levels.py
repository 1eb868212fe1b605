"""What a set of proofs is worth, told honestly (R5): the one table behind policy, discovery and tokens."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Level:
    """An `acr` value, the proofs that reach it, and the `amr` values (RFC 8176) that go with them."""

    acr: str
    proofs: frozenset[str]
    amr: tuple[str, ...]


# Weakest first. `mfa` never stands beside an e-mailed code: a mailbox is not something one has (CNIL 2025-019).
LEVELS: tuple[Level, ...] = (
    Level("urn:sesame:acr:2sv", frozenset({"pwd", "email"}), ("pwd", "otp")),
    # A code over the channel by which the password had just been replaced: the same thing twice, whatever it is.
    Level("urn:sesame:acr:2sv", frozenset({"pwd", "reset-channel"}), ("pwd", "otp")),
    # A sheet of paper that may lie anywhere: it gets its owner in and is told no better than a mailbox.
    Level("urn:sesame:acr:2sv", frozenset({"pwd", "recovery"}), ("pwd", "otp")),
    Level("urn:sesame:acr:mfa", frozenset({"pwd", "totp"}), ("pwd", "otp", "mfa")),
    Level("urn:sesame:acr:mfa", frozenset({"pwd", "sms"}), ("pwd", "otp", "sms", "mfa")),
    # "phishing-resistant" of the OpenID EAP ACR values. A passkey with its person verified is two factors in one; `pop`
    # and not `hwk` or `swk`, for without attestation nobody knows where the key is kept (ADR 0007).
    Level("phr", frozenset({"passkey"}), ("pop", "user", "mfa")),
    Level("phr", frozenset({"pwd", "passkey"}), ("pwd", "pop", "user", "mfa")),
)
# Several sets of proofs may reach one level.
ACR_VALUES: tuple[str, ...] = tuple(dict.fromkeys(level.acr for level in LEVELS))


# Those that factors of plug-ins reach, by the factor's name; filled at the start, never later.
_REGISTERED: dict[str, Level] = {}


def register_level(level: Level) -> None:
    """Let the proof of a plug-in reach a level that there is; it stands behind those of the same level here."""
    (proof,) = level.proofs - {"pwd"}
    if level.acr not in ACR_VALUES or any(proof in known.proofs for known in LEVELS):
        raise ValueError(f"no level for {proof}")
    _REGISTERED[proof] = level


def all_levels() -> tuple[Level, ...]:
    """Return every level, weakest first, with those of plug-ins."""
    return tuple(sorted((*LEVELS, *_REGISTERED.values()), key=lambda level: ACR_VALUES.index(level.acr)))


def level_of(proofs: Iterable[str]) -> Level | None:
    """Return the strongest level that ``proofs`` reach, or ``None`` for an unfinished sign-in."""
    proved = set(proofs)
    return next((level for level in reversed(all_levels()) if level.proofs <= proved), None)


def find_level(acr: str) -> Level | None:
    """Return the level called ``acr``."""
    return next((level for level in LEVELS if level.acr == acr), None)


def is_at_least(acr: str | None, wanted: str) -> bool:
    """Tell whether a sign-in at ``acr`` also satisfies whoever asked for ``wanted``."""
    return acr in ACR_VALUES and wanted in ACR_VALUES and ACR_VALUES.index(acr) >= ACR_VALUES.index(wanted)


def reaches(acr: str | None, wanted: Iterable[str]) -> bool:
    """Tell whether ``acr`` satisfies one of the ``wanted`` levels; nobody wanting anything is satisfied by any."""
    asked = tuple(wanted)
    return not asked or any(is_at_least(acr, level) for level in asked)
