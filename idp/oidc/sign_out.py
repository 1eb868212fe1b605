"""What ends with a session, beside the session itself: grants, and the sessions that services hold for it.

`session.py` ends what belongs to the session and queues the notices in one transaction; here is what only the protocol
knows. The functions here commit; then `outbox.wake` has the worker tell the services at once.
"""

from dataclasses import dataclass
from datetime import datetime

from idp import session, session_clients
from idp.db import db
from idp.oidc import events
from idp.oidc.clients import Client
from idp.oidc.hints import Hint, is_about
from idp.oidc.refresh import revoke_families_of, revoke_families_of_session
from idp.session import Session


@dataclass(frozen=True, slots=True)
class Farewell:
    """A session that was signed out of, and the clients that it had reached."""

    sid: str
    clients: tuple[str, ...]


def sign_out(ended: Session, now: datetime) -> Farewell | None:
    """End what was granted in a session that a browser gave up, and write down who left; commits."""
    db.session.commit()
    if ended.sid is None:
        return None
    revoke_families_of_session(ended.sid, now)
    events.signed_out(account_id=ended.account_id, clients=len(ended.clients))
    return Farewell(ended.sid, ended.clients)


def sign_out_of_idle(hint: Hint, client: Client, now: datetime) -> Farewell | None:
    """End the session that a hint is from, if only time had ended it here: services go on for longer than we do.

    RP-Initiated Logout §2 lets us accept ID tokens of "a recent session". One that lives in another browser is not
    ended: whoever asks here holds an ID token, and has not shown that browser's cookie. Commits.
    """
    found = session_clients.find_session(client_id=client.client_id, their_sid=hint.sid) if hint.sid else None
    if found is None or not is_about(hint, found[1], client):
        return None
    sid, account_id = found
    clients = session.end_idle_session(sid, now)
    db.session.commit()
    if not clients:
        return None
    revoke_families_of_session(sid, now)
    events.signed_out(account_id=account_id, reason="idle", clients=len(clients))
    return Farewell(sid, clients)


def sign_out_elsewhere(account_id: str, sid: str, now: datetime) -> bool:
    """End one session that a person has in another browser; false when it is not theirs, or over. Commits."""
    if not session.end_session_of(account_id, sid, now):
        return False
    db.session.commit()
    revoke_families_of_session(sid, now)
    events.signed_out(account_id=account_id, reason="elsewhere")
    return True


def sign_out_everywhere(account_id: str, now: datetime, *, reason: str, except_sid: str | None = None) -> int:
    """End every session of a person, every grant, offline ones too, and tell every service (AC-171, ASVS 7.4.3).

    Returns how many sessions ended. ``except_sid`` keeps the session in which the person asked for it; refresh tokens
    end in it too: which of them is on the phone that was lost, nobody can tell. Commits.
    """
    ended = session.end_sessions_of(account_id, now, except_sid=except_sid)
    db.session.commit()
    revoke_families_of(account_id, now, reason=reason)
    events.signed_out_everywhere(account_id=account_id, reason=reason, sessions=ended)
    return ended
