"""What a restored database must not bring back to life, and how each of it is ended.

A backup knows nothing of what was used, rotated or revoked after it was made: a spent refresh token is the living one
again, a used recovery code is unused, a change of address that its owner took back waits for its hour. Nobody can tell
which rows are concerned, so all of their kind end. Short-lived state is emptied whole: it knows sessions and codes that
the restored tables have never heard of, or have heard to be over.

What stays as the backup had it, because ending it would shut everybody out: passwords, passkeys, authenticator apps,
contact points, clients and their secrets, administrators. `docs/howto/backup.md` says how to find what was done to them
since; every step here may be repeated.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, cast

from sqlalchemy import CursorResult, delete, func, select, update

from idp import audit, session_clients
from idp.accounts import contact_changes
from idp.accounts.contact_changes import ContactChange
from idp.admin import data_events as events
from idp.admin.administrators import Administrator
from idp.admin.tokens import AdminToken
from idp.audit.chain import find_chain
from idp.audit.sealing import seal_all
from idp.audit.trail import AuditEvent, spell
from idp.db import db
from idp.messages import outbox
from idp.mfa.recovery_codes import RecoveryCode
from idp.oidc.initial_access import InitialAccessToken
from idp.oidc.refresh import RefreshFamily
from idp.oidc.self_registrations import SelfRegistration
from idp.session import SessionRecord
from idp.state import state

_SESSIONS_AT_ONCE = 1000


def _sessions(now: datetime) -> int:
    """End every session, a thousand a transaction; services that know one are told."""
    ended = 0
    living = select(SessionRecord.sid).where(SessionRecord.ended_at.is_(None)).limit(_SESSIONS_AT_ONCE)
    while sids := list(db.session.scalars(living)):
        session_clients.end_sessions(sids, now)
        _change(update(SessionRecord).where(SessionRecord.sid.in_(sids)).values(ended_at=now))
        db.session.commit()
        ended += len(sids)
    return ended


def _refresh_families(now: datetime) -> int:
    living = update(RefreshFamily).where(RefreshFamily.revoked_at.is_(None))
    return _change(living.values(revoked_at=now, revoked_for="restored"))


def _recovery_codes(now: datetime) -> int:
    """Make every sheet worthless: which of its codes were used since the backup, nobody knows."""
    return _change(delete(RecoveryCode))


def _contact_changes(now: datetime) -> int:
    """End changes of address that wait: an owner may have taken one back since."""
    waiting = update(ContactChange).where(ContactChange.applied_at.is_(None), ContactChange.ended_at.is_(None))
    return _change(waiting.values(ended_at=now, ending=contact_changes.RESTORED))


def _messages(now: datetime) -> int:
    """Leave unsent what waited when the backup was made: it was sent, or it is too late."""
    return outbox.leave_unsent(now, reason="restored")


def _admin_tokens(now: datetime) -> int:
    return _change(update(AdminToken).where(AdminToken.revoked_at.is_(None)).values(revoked_at=now))


def _enrolments(now: datetime) -> int:
    """End passwords that enrol an administrator's first passkey: one that was used would enrol a second."""
    return _change(update(Administrator).where(Administrator.password_hash.is_not(None)).values(password_hash=None))


def _initial_access_tokens(now: datetime) -> int:
    return _change(update(InitialAccessToken).where(InitialAccessToken.revoked_at.is_(None)).values(revoked_at=now))


def _registration_access_tokens(now: datetime) -> int:
    """No SHA-256 is empty: the token of a client that registered itself fits no more."""
    return _change(update(SelfRegistration).where(SelfRegistration.fingerprint != "").values(fingerprint=""))


# What ends, by the name under which it is counted.
ENDED: Final[dict[str, Callable[[datetime], int]]] = {
    "sessions": _sessions,
    "refresh_families": _refresh_families,
    "recovery_codes": _recovery_codes,
    "contact_changes": _contact_changes,
    "messages": _messages,
    "admin_tokens": _admin_tokens,
    "enrolments": _enrolments,
    "initial_access_tokens": _initial_access_tokens,
    "registration_access_tokens": _registration_access_tokens,
}


def finish_restore(*, by: str, now: datetime) -> dict[str, int]:
    """End everything that was issued before, and write down where the audit trail was cut; return how many. Commits.

    No node and no worker may run meanwhile. The state goes first: should this be interrupted, what is left of sessions
    and codes is already worth nothing.
    """
    state.store.empty()
    seal_all(now)
    chain = find_chain()
    position = chain.position if chain else 0
    last = db.session.scalar(select(func.max(AuditEvent.at)))
    counts = {}
    for name, end in ENDED.items():
        counts[name] = end(now)
        db.session.commit()
    events.database_restored(
        administrator=by,
        position=position,
        last_event_at=None if last is None else spell(last),
        sessions=counts["sessions"],
        refresh_families=counts["refresh_families"],
    )
    audit.flush()
    seal_all(now)
    return {"position": position, **counts}


def _change(statement: Any) -> int:
    done = cast("CursorResult[Any]", db.session.execute(statement.execution_options(synchronize_session=False)))
    return done.rowcount
