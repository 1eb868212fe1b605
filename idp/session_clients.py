"""Which relying parties a session has reached, and what became of telling them that it ended.

One row per session and client: written when the client gets its first code, work for the worker from the moment the
session ends (in the same transaction), and the log of that delivery afterwards. It is durable, so that services learn
of a sign-out even where the session itself has long gone from the short-lived state: a person who was away for an hour
and signs out of one service is signed out of all, and a new password reaches every service.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Index,
    String,
    UniqueConstraint,
    case,
    delete,
    literal,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from idp import leases, notices, security_events
from idp.db import Moment, db
from idp.leases import BLIND, QUEUED
from idp.notices import Notice

# `open`: the session lives. `closed`: it ended, and this client did not ask to be told.
State = Literal["open", "closed", "queued", "sending", "told", "refused", "failed"]
OPEN, CLOSED = "open", "closed"
FINISHED = (CLOSED, "told", "refused", "failed")
PURGED_AT_ONCE = 1000
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class SessionClient(Notice):
    """One relying party of one session."""

    __tablename__ = "session_clients"
    __table_args__ = (
        UniqueConstraint("sid", "client_id", name="uq_session_clients_sid"),
        Index("ix_session_clients_due", "state", "not_before"),
        Index("ix_session_clients_hint", "client_id", "their_sid"),
        Index("ix_session_clients_log", "client_id", "ended_at"),
    )

    sid: Mapped[str] = mapped_column(String(22))
    # What this client calls the session: the `sid` of its ID tokens.
    their_sid: Mapped[str] = mapped_column(String(22))
    wants_notice: Mapped[bool] = mapped_column(Boolean)
    # Whether it asked for the security event that a session of its was revoked.
    wants_event: Mapped[bool] = mapped_column(Boolean)
    joined_at: Mapped[datetime] = mapped_column(Moment)
    ended_at: Mapped[datetime | None] = mapped_column(Moment, default=None)


@dataclass(frozen=True, slots=True)
class Departure:
    """A client that one worker alone may tell, until its lease ends."""

    id: int
    sid: str
    account_id: str
    client_id: str
    their_sid: str
    ended_at: datetime
    attempt: int
    worker: str


def join(
    *, sid: str, account_id: str, client_id: str, their_sid: str, wants_notice: bool, wants_event: bool, now: datetime
) -> None:
    """Write down that a session has reached a client; twice is once. The caller commits."""
    row = {
        "sid": sid, "account_id": account_id, "client_id": client_id, "their_sid": their_sid,
        "wants_notice": wants_notice, "wants_event": wants_event, "joined_at": now, "state": OPEN, "attempts": 0,
        "changed_at": now, "not_before": now,
    }  # fmt: skip
    insert = _INSERT[db.session.get_bind().dialect.name]
    db.session.execute(insert(SessionClient).values(row).on_conflict_do_nothing())


def end_sessions(sids: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Have the clients of these sessions told that they ended; return the clients. The caller commits."""
    return _end(SessionClient.sid.in_(sids), now)


def end_all_of(account_id: str, now: datetime, *, except_sid: str | None = None) -> tuple[str, ...]:
    """Have every client told that has known a person, were the session at ours long over. The caller commits."""
    return _end((SessionClient.account_id == account_id) & (SessionClient.sid != (except_sid or "")), now)


def open_clients_of(account_id: str) -> tuple[str, ...]:
    """Return the clients that still know a person from a session."""
    known = select(SessionClient.client_id).where(SessionClient.account_id == account_id, SessionClient.state == OPEN)
    return tuple(db.session.scalars(known.distinct()))


def find_session(*, client_id: str, their_sid: str) -> tuple[str, str] | None:
    """Return session and account of what a client calls ``their_sid``, if that has not been ended."""
    found = select(SessionClient.sid, SessionClient.account_id).where(
        SessionClient.client_id == client_id, SessionClient.their_sid == their_sid, SessionClient.state == OPEN
    )
    row = db.session.execute(found.limit(1)).one_or_none()
    return None if row is None else (row.sid, row.account_id)


def claim(*, worker: str, limit: int, lease: timedelta, now: datetime) -> list[Departure]:
    """Take up to ``limit`` clients that are to be told, those that have waited longest first; the caller commits."""
    due = select(SessionClient.id).where(SessionClient.state == QUEUED, SessionClient.not_before <= now)
    rows = leases.claim(
        SessionClient, due.order_by(SessionClient.not_before), worker=worker, limit=limit, lease=lease, now=now
    )
    return [
        Departure(row.id, row.sid, row.account_id, row.client_id, row.their_sid, row.ended_at, row.attempts, worker)
        for row in rows
    ]


def record(departure: Departure, *, state: State, answer_class: str, retry_at: datetime | None, now: datetime) -> bool:
    """Write down what telling a client came to; false when the departure is another worker's by now."""
    return notices.record(
        SessionClient, row_id=departure.id, worker=departure.worker, attempt=departure.attempt, state=state,
        answer_class=answer_class, retry_at=retry_at, now=now,
    )  # fmt: skip


def give_up(ended_before: datetime, now: datetime) -> list[tuple[str, str]]:
    """End what has waited too long, some hundreds at once; return client and account of each. The caller commits."""
    due = select(SessionClient.id).where(SessionClient.state == QUEUED, SessionClient.ended_at <= ended_before)
    ended = (
        update(SessionClient)
        .where(leases.picked(SessionClient, due, leases.CHANGED_AT_ONCE))
        .values(state="failed", changed_at=now)
        .returning(SessionClient.client_id, SessionClient.account_id)
        .execution_options(**BLIND)
    )
    return [(row[0], row[1]) for row in db.session.execute(ended).all()]


def log_of(client_id: str, limit: int) -> list[SessionClient]:
    """Return what telling a client came to, the latest first."""
    ended = select(SessionClient).where(SessionClient.client_id == client_id, SessionClient.ended_at.is_not(None))
    ended = ended.where(SessionClient.state != CLOSED).order_by(SessionClient.ended_at.desc(), SessionClient.id.desc())
    return list(db.session.scalars(ended.limit(limit)))


def purge(*, keep: timedelta, now: datetime) -> int:
    """Delete what was finished, or joined and never ended, longer ago than ``keep``; up to a thousand at once."""
    old = select(SessionClient.id).where(SessionClient.state.in_((OPEN, *FINISHED)))
    old = old.where(SessionClient.changed_at <= now - keep).order_by(SessionClient.changed_at).limit(PURGED_AT_ONCE)
    gone = delete(SessionClient).where(SessionClient.id.in_(old)).returning(SessionClient.id)
    return len(db.session.execute(gone.execution_options(**BLIND)).all())


def _end(which: ColumnElement[bool], now: datetime) -> tuple[str, ...]:
    state = case((SessionClient.wants_notice, literal(QUEUED)), else_=literal(CLOSED))
    ended = (
        update(SessionClient)
        .where(which, SessionClient.state == OPEN)
        .values(state=state, ended_at=now, not_before=now, changed_at=now)
        .returning(
            SessionClient.client_id, SessionClient.account_id, SessionClient.their_sid, SessionClient.wants_event
        )
        .execution_options(**BLIND)
    )
    rows = db.session.execute(ended).all()
    security_events.note_sessions(
        [(row.account_id, row.client_id, row.their_sid) for row in rows if row.wants_event], now
    )
    return tuple(dict.fromkeys(row.client_id for row in rows))
