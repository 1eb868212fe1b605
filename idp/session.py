"""The browser session: what one browser has proved so far, under a cookie that changes whenever the level rises.

The session itself is short-lived state, found by the SHA-256 of the cookie. A row per signed-in session is the
per-account index, so that all sessions of a person can be listed and ended. However a session ends, but by time, the
same goes with it: its relying parties are told (`session_clients.py`), and what was granted in it is
worth nothing any more (`session_handles.py`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import String, delete, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto, entropy, session_clients
from idp.db import Base, Moment, db
from idp.session_handles import Ended, end_handles
from idp.settings import settings
from idp.state import Space, state

# Renewing the idle end at every request would make every read a write.
_TOUCH_AFTER = timedelta(seconds=60)
_KEPT_INTERACTIONS = 12
_SESSIONS_PER_ACCOUNT = 50
PURGED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Proof:
    """One thing that the visitor has proved, and when: ``pwd``, ``email``, ``sms``, ``passkey``."""

    name: str
    at: datetime


@dataclass(frozen=True)
class Session:
    """What one browser has proved; ``account_id`` is set only by a complete sign-in."""

    csrf: str
    started_at: datetime
    last_seen_at: datetime
    ends_at: datetime
    interactions: tuple[str, ...] = ()
    account_id: str | None = None
    sid: str | None = None
    proofs: tuple[Proof, ...] = ()
    acr: str | None = None
    amr: tuple[str, ...] = ()
    auth_time: datetime | None = None
    clients: tuple[str, ...] = ()

    def with_interaction(self, interaction_id: str) -> "Session":
        """Return the session holding one more interaction; the oldest ones give way."""
        others = tuple(known for known in self.interactions if known != interaction_id)
        return replace(self, interactions=(*others, interaction_id)[-_KEPT_INTERACTIONS:])

    def with_client(self, client_id: str) -> "Session":
        """Return the session knowing one more relying party to sign out of."""
        return self if client_id in self.clients else replace(self, clients=(*self.clients, client_id))


SESSIONS = Space("session", Session, once=True)


class SessionRecord(Base):
    """The index of signed-in sessions: durable, so that ending them survives every restart."""

    __tablename__ = "session_records"

    sid: Mapped[str] = mapped_column(String(22), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(36), index=True)
    state_key: Mapped[str] = mapped_column(String(64))
    device_label: Mapped[str] = mapped_column(String(80), default="")
    acr: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment, index=True)
    ended_at: Mapped[datetime | None] = mapped_column(Moment, default=None)


def find_session(cookie: str | None, now: datetime) -> Session | None:
    """Return the living session of ``cookie`` and move its idle end, or ``None``."""
    if not cookie or len(cookie) > 64:
        return None
    key = crypto.fingerprint(cookie)
    session = state.get(SESSIONS, key) or _take_over(key, now)
    if session is None or now >= session.ends_at:
        return None
    if now - session.last_seen_at >= _TOUCH_AFTER:
        return (
            state.change(SESSIONS, key, lambda old: replace(old, last_seen_at=now), ttl=_idle(session, now)) or session
        )
    return session


def open_session(now: datetime) -> tuple[str, Session]:
    """Start an anonymous session; return its cookie and itself."""
    session = Session(
        csrf=entropy.identifier(),
        started_at=now,
        last_seen_at=now,
        ends_at=now + settings.lifetimes.session_absolute,
    )
    return _keep(session, now), session


def change_session(cookie: str, fn: Callable[[Session], Session]) -> Session | None:
    """Replace the session by ``fn`` of it, safely against the browser's other tabs; ``None`` when it has ended."""
    return state.change(SESSIONS, crypto.fingerprint(cookie), fn)


def renew_session(cookie: str, now: datetime) -> tuple[str, Session] | None:
    """Give the session a new id and kill the old one: a planted cookie is worth nothing after this (AC-21)."""
    session = state.take(SESSIONS, crypto.fingerprint(cookie))
    if session is None:
        return None
    renewed = replace(session, last_seen_at=now)
    new_cookie = _keep(renewed, now)
    if renewed.sid is not None:
        _point_record(renewed.sid, new_cookie)
    return new_cookie, renewed


def sign_in_session(
    cookie: str | None,
    *,
    account_id: str,
    proofs: tuple[Proof, ...],
    acr: str,
    amr: tuple[str, ...],
    device_label: str,
    now: datetime,
) -> tuple[str, Session]:
    """Raise the browser to a complete sign-in under a new id; another account's session in it ends.

    The record is added to ``db.session`` and committed by the caller.
    """
    old = state.take(SESSIONS, crypto.fingerprint(cookie)) if cookie else None
    stays = old is not None and old.account_id == account_id
    if old is not None and not stays:
        _end(old, now)
    session = Session(
        csrf=entropy.identifier(),
        started_at=now,
        last_seen_at=now,
        ends_at=min(proof.at for proof in proofs) + settings.lifetimes.session_absolute,
        interactions=old.interactions if old else (),
        account_id=account_id,
        sid=(old.sid if stays and old else None) or entropy.identifier(),
        proofs=proofs,
        acr=acr,
        amr=amr,
        auth_time=max(proof.at for proof in proofs),
        clients=old.clients if stays and old else (),
    )
    new_cookie = _keep(session, now)
    _write_record(session, new_cookie, device_label, now, is_new=not stays)
    return new_cookie, session


def undo_sign_in(cookie: str | None, *, before: tuple[str | None, Session | None], account_id: str) -> bool:
    """Take a `sign_in_session` back whose transaction failed; false when what it ended cannot be had again.

    The browser has the session that it had, under the id that it knows: nothing more was earned, and nothing less.
    """
    old_cookie, old = before
    if cookie and cookie != old_cookie:
        state.delete(SESSIONS, crypto.fingerprint(cookie))
    if old is None or old_cookie is None or old.account_id not in (None, account_id):
        return False
    state.put(SESSIONS, crypto.fingerprint(old_cookie), old, ttl=_idle(old, old.last_seen_at))
    return True


def end_session(cookie: str, now: datetime) -> Session | None:
    """End the session of ``cookie``; return it as it last was. The caller commits."""
    session = state.take(SESSIONS, crypto.fingerprint(cookie))
    if session is not None:
        _end(session, now)
    return session


def end_sessions_of(account_id: str, now: datetime, *, except_sid: str | None = None) -> int:
    """End every session of a person, as after a change of password; return how many. The caller commits.

    Services that know the person from a session that is over by time are told as well.
    """
    records = [record for record in _living_records(account_id, now) if record.sid != except_sid]
    for record in records:
        _end_elsewhere(record, now, offline_too=True)
    session_clients.end_all_of(account_id, now, except_sid=except_sid)
    return len(records)


def end_session_by_id(sid: str, now: datetime) -> bool:
    """End one session, whichever browser has it, and the grants that outlive it; the caller commits."""
    record = db.session.get(SessionRecord, sid, populate_existing=True)
    if record is None or record.ended_at is not None:
        return False
    _end_elsewhere(record, now, offline_too=True)
    return True


def end_idle_session(sid: str, now: datetime) -> tuple[str, ...]:
    """End a session that only time had ended; return the clients that it had reached. The caller commits.

    One that a browser still has is not ended this way: whoever asks is not in that browser.
    """
    record = db.session.get(SessionRecord, sid, populate_existing=True)
    if record is None or record.ended_at is not None or _is_held(record):
        return ()
    return _end_elsewhere(record, now)


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A signed-in browser, as its owner may recognise it."""

    sid: str
    device_label: str
    acr: str
    created_at: datetime
    last_seen_at: datetime


def list_sessions(account_id: str, now: datetime) -> list[OpenSession]:
    """Return the browsers in which a person is signed in now, the latest seen first."""
    records = _living_records(account_id, now)
    wanted = ((SESSIONS, record.state_key) for record in records)
    held = state.get_together(*wanted, even_lapsed=True) if records else ()
    found = [
        OpenSession(record.sid, record.device_label, record.acr, record.created_at, session.last_seen_at)
        for record, session in zip(records, held, strict=True)
        # One that time has ended is nothing to sign out of.
        if session is not None and session.sid == record.sid
    ]
    return sorted(found, key=lambda one: one.last_seen_at, reverse=True)


def last_records(account_id: str, limit: int) -> list[SessionRecord]:
    """Return the last complete sign-ins of a person, the latest first, those that are over too."""
    query = select(SessionRecord).where(SessionRecord.account_id == account_id)
    return list(db.session.scalars(query.order_by(SessionRecord.created_at.desc()).limit(limit)))


def end_session_of(account_id: str, sid: str, now: datetime) -> bool:
    """End one session of a person from another browser; false when it is not theirs, or over. The caller commits."""
    record = next((one for one in _living_records(account_id, now) if one.sid == sid), None)
    if record is None:
        return False
    _end_elsewhere(record, now)
    return True


def purge_records(now: datetime) -> int:
    """Forget sessions that nothing refers to any more: no refresh token can be of one. The caller commits."""
    over = select(SessionRecord.sid).where(SessionRecord.ends_at <= now - settings.lifetimes.refresh_absolute)
    gone = delete(SessionRecord).where(SessionRecord.sid.in_(over.limit(PURGED_AT_ONCE))).returning(SessionRecord.sid)
    return len(db.session.execute(gone.execution_options(synchronize_session=False)).all())


def _end(session: Session, now: datetime) -> None:
    """Let everything end with a session that was taken out of the state."""
    if session.sid is None:
        return
    end_handles(session.sid, session.clients, Ended(now))
    session_clients.end_sessions([session.sid], now)
    db.session.execute(
        update(SessionRecord)
        .where(SessionRecord.sid == session.sid, SessionRecord.ended_at.is_(None))
        .values(ended_at=now)
    )


def _end_elsewhere(record: SessionRecord, now: datetime, *, offline_too: bool = False) -> tuple[str, ...]:
    """End a session by its record, whichever browser has it; return the clients that it had reached."""
    taken = state.take(SESSIONS, record.state_key, even_lapsed=True)
    if taken is not None and taken.sid == record.sid:
        end_handles(record.sid, taken.clients, Ended(now, offline_too))
    record.ended_at = now
    return session_clients.end_sessions([record.sid], now)


def _take_over(key: str, now: datetime) -> Session | None:
    """Return a session that was kept on a server that is no more, if its record says that it was not ended (RC-06).

    What that server had not told this one may be that it was ended, or that the browser has a newer id.
    """
    session = state.get(SESSIONS, key, even_lapsed=True)
    if session is None or session.sid is None:
        return None
    record = db.session.get(SessionRecord, session.sid, populate_existing=True)
    if record is None or record.ended_at is not None or record.state_key != key:
        return None
    state.put(SESSIONS, key, session, ttl=_idle(session, now))
    return session


def _is_held(record: SessionRecord) -> bool:
    return state.get(SESSIONS, record.state_key, even_lapsed=True) is not None


def _keep(session: Session, now: datetime) -> str:
    cookie = entropy.token()
    state.put(SESSIONS, crypto.fingerprint(cookie), session, ttl=_idle(session, now))
    return cookie


def _idle(session: Session, now: datetime) -> timedelta:
    # Nobody is signed in yet: the session lives as long as the interactions that it holds.
    idle = settings.lifetimes.session_idle if session.account_id else settings.lifetimes.interaction
    return max(min(idle, session.ends_at - now), timedelta(seconds=1))


def _living_records(account_id: str, now: datetime) -> list[SessionRecord]:
    query = select(SessionRecord).where(
        SessionRecord.account_id == account_id, SessionRecord.ended_at.is_(None), SessionRecord.ends_at > now
    )
    return list(db.session.scalars(query.order_by(SessionRecord.created_at)))


def _write_record(session: Session, cookie: str, device_label: str, now: datetime, *, is_new: bool) -> None:
    if session.sid is None or session.account_id is None or session.acr is None:
        raise ValueError("only a complete sign-in has a record")
    record = None if is_new else db.session.get(SessionRecord, session.sid)
    if record is None:
        living = _living_records(session.account_id, now)
        for oldest in living[: max(0, len(living) - _SESSIONS_PER_ACCOUNT + 1)]:
            _end_elsewhere(oldest, now)
        record = SessionRecord(sid=session.sid, account_id=session.account_id, created_at=now)
        db.session.add(record)
    record.state_key = crypto.fingerprint(cookie)
    record.acr = session.acr
    record.ends_at = session.ends_at
    record.device_label = device_label[:80]


def _point_record(sid: str, cookie: str) -> None:
    db.session.execute(
        update(SessionRecord).where(SessionRecord.sid == sid).values(state_key=crypto.fingerprint(cookie))
    )
