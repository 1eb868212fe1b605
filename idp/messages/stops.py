"""The stop keys of our messages: nine letters to type at `/stop` by whoever did not do what the message tells of.

Drawn anew for each message, good for a day or, in an alert, for a week. Kept under a keyed hash: the store does not
tell them, and whoever reads the store cannot stop anybody.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from idp import crypto, entropy
from idp.settings import settings
from idp.state import Space, state

_LENGTH = 9
_LIVES_ON_AFTER_USE = timedelta(hours=1)


@dataclass(frozen=True)
class Stop:
    """What a stop key ends: one sign-in by its challenge, or some sessions, or all of them."""

    account_id: str
    challenge_id: str | None = None
    sids: tuple[str, ...] | None = None
    used_at: datetime | None = None


STOPS = Space("stop", Stop)


def issue_stop(stop: Stop, *, ttl: timedelta | None = None) -> str:
    """Draw a key for ``stop``, such as ``7KQ-4MX-CDF``, and keep what it ends."""
    while True:
        letters = entropy.letters(entropy.SPOKEN, _LENGTH)
        if state.add(STOPS, _name(letters), stop, ttl=ttl or settings.messages.stop_lifetime):
            return "-".join(letters[at : at + 3] for at in range(0, _LENGTH, 3))


def parse_stop(typed: str) -> str | None:
    """Return the nine letters of a typed key, however they are spaced, or ``None`` for anything else."""
    letters = "".join(character for character in typed[:80].upper() if character.isalnum())
    return letters if len(letters) == _LENGTH and set(letters) <= set(entropy.SPOKEN) else None


def find_stop(letters: str) -> Stop | None:
    """Return what a key ends, also after it was used: pressing the button twice is no error."""
    return state.get(STOPS, _name(letters))


def use_stop(letters: str, now: datetime) -> Stop | None:
    """Use a key up: of many callers one gets what it ends."""

    def _once(stop: Stop) -> Stop | None:
        return None if stop.used_at else replace(stop, used_at=now)

    return state.change(STOPS, _name(letters), _once, ttl=_LIVES_ON_AFTER_USE)


def stop_address() -> str:
    """Return the address at which people type the key; no scheme, for it is nothing to click on."""
    return settings.messages.stop_address or f"{settings.issuer_host}/stop"


def _name(letters: str) -> str:
    # Nine letters could be tried out against a bare hash.
    return crypto.keyed("stop", letters).hex()
