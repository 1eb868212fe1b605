"""What is good for one answer: a pushed request (RFC 9126 §7.3), and a request object by its `jti` (design §4).

Looking uses nothing up: who reloads before signing in sees the page again (FAPI 2.0 §5.3.2.2, note 3).
"""

from dataclasses import dataclass
from datetime import datetime

from idp.settings import settings
from idp.state import Space, state


@dataclass(frozen=True)
class UsedRequest:
    """A request that was answered."""

    at: datetime


USED = Space("used-request", UsedRequest)


def is_used(key: str) -> bool:
    """Tell whether the request was answered before."""
    return state.get(USED, key) is not None


def use_up(key: str, now: datetime) -> bool:
    """Use a request up: of many answers to it, one is given (P-74)."""
    # A visitor may take the whole of an interaction, and another after it, to come to the answer.
    return state.add(USED, key, UsedRequest(now), ttl=settings.lifetimes.restart)
