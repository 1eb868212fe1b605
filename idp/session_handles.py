"""How what was granted in a session ends with it: it begins with the session's handle, and ended handles are known.

Codes and tokens tell their handle themselves, so the question whether their session was ended is asked together with
the question what they stand for: no round trip more, and no list of what was issued.
"""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from idp import crypto
from idp.settings import settings
from idp.state import Space, state


@dataclass(frozen=True)
class Ended:
    """A session was ended; ``offline_too``: with it ended what may go on without the person."""

    at: datetime
    offline_too: bool = False


# By handle, for as long as a code or an access token could outlive the session.
ENDED = Space("ended-session", Ended)
HANDLE = 11


def handle_of(sid: str, client_id: str) -> str:
    """Return the 66 bits with which everything begins that a client is granted in a session.

    Each client gets another one: two of them cannot find out that they serve one person (AC-217).
    """
    return base64.urlsafe_b64encode(crypto.keyed("grant", "session", sid, client_id)).decode()[:HANDLE]


def end_handles(sid: str, clients: Iterable[str], ended: Ended) -> None:
    """Make worthless what these clients were granted in a session."""
    ttl = max(settings.lifetimes.access_token, settings.lifetimes.authorization_code)
    for client_id in clients:
        state.put(ENDED, handle_of(sid, client_id), ended, ttl=ttl)
