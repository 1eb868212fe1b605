"""How often a browser that is signed in comes from one relying party: too often in too short a time is a loop (U20)."""

from datetime import timedelta

from idp.oidc.clients import Client
from idp.session import Session
from idp.state import state

_MOST = 8
_WITHIN = timedelta(seconds=10)


def is_one_too_many(session: Session, client: Client) -> bool:
    """Count a visit, and tell whether it is one too many."""
    return state.bump("bounces", f"{session.sid}:{client.client_id}", ttl=_WITHIN) > _MOST


def forget(session: Session, client: Client) -> None:
    """Begin to count anew."""
    state.clear("bounces", f"{session.sid}:{client.client_id}")
