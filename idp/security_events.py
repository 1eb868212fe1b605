"""What happened to a person's account that services want to know at once: kept until each of them was told.

Written in the transaction of the act itself, for whoever it concerns: the worker finds out which services know the
person and asked for such events (`oidc/security_event_delivery.py`). A row per service is then the log of its delivery.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import JSON, Index, String, delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp import entropy, leases
from idp.db import Moment, db
from idp.leases import BLIND, QUEUED
from idp.notices import Notice

Kind = Literal["account-disabled", "account-enabled", "credential-change", "session-revoked"]
_RISC = "https://schemas.openid.net/secevent/risc/event-type"
_CAEP = "https://schemas.openid.net/secevent/caep/event-type"
# What there is to register for, and what it is called on the wire (RISC 1.0 §2, CAEP 1.0 §3).
EVENT_TYPES: Final[dict[Kind, str]] = {
    "account-disabled": f"{_RISC}/account-disabled",
    "account-enabled": f"{_RISC}/account-enabled",
    "credential-change": f"{_CAEP}/credential-change",
    "session-revoked": f"{_CAEP}/session-revoked",
}
State = Literal["queued", "sending", "told", "refused", "failed", "closed"]
CLOSED = "closed"
FINISHED = ("told", "refused", "failed", CLOSED)
# Instead of a client: for every service that knows the person.
EVERYBODY: Final = ""
PURGED_AT_ONCE = 1000


class SecurityEvent(Notice):
    """One event, for one service or not yet addressed."""

    __tablename__ = "security_events"
    __table_args__ = (
        Index("ix_security_events_due", "state", "not_before"),
        Index("ix_security_events_log", "client_id", "happened_at"),
    )

    # The `jti` of its token, the same at each attempt: who gets it twice knows it.
    jti: Mapped[str] = mapped_column(String(22))
    kind: Mapped[str] = mapped_column(String(20))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON)
    # What this client calls the session, where the event is of one.
    their_sid: Mapped[str | None] = mapped_column(String(22), default=None)
    happened_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True, slots=True)
class Happening:
    """An event that one worker alone may deliver, until its lease ends."""

    id: int
    account_id: str
    client_id: str
    jti: str
    kind: Kind
    facts: Mapping[str, Any]
    their_sid: str | None
    happened_at: datetime
    attempt: int
    worker: str


def note(account_id: str, kind: Kind, *, now: datetime, **facts: str) -> None:
    """Have every service that knows a person and asked for it told of an event. The caller commits."""
    _write([_row(account_id, EVERYBODY, kind, facts, None, now)])


def note_sessions(ended: Sequence[tuple[str, str, str]], now: datetime) -> None:
    """Have services told of revoked sessions: account, client, and what the client calls each. The caller commits."""
    _write([_row(account, client, "session-revoked", {}, their_sid, now) for account, client, their_sid in ended])


def address(happening: Happening, clients: Sequence[str], now: datetime) -> None:
    """Replace an event for everybody by one for each of ``clients``. The caller commits."""
    _write([_row(happening.account_id, one, happening.kind, happening.facts, None, now, happening) for one in clients])
    db.session.execute(delete(SecurityEvent).where(SecurityEvent.id == happening.id).execution_options(**BLIND))


def claim(*, worker: str, limit: int, lease: timedelta, now: datetime) -> list[Happening]:
    """Take up to ``limit`` events that are to be delivered, the oldest first; the caller commits."""
    due = select(SecurityEvent.id).where(SecurityEvent.state == QUEUED, SecurityEvent.not_before <= now)
    rows = leases.claim(
        SecurityEvent, due.order_by(SecurityEvent.not_before), worker=worker, limit=limit, lease=lease, now=now
    )
    return [
        Happening(
            row.id, row.account_id, row.client_id, row.jti, row.kind, row.facts, row.their_sid, row.happened_at,
            row.attempts, worker,
        )
        for row in rows
    ]  # fmt: skip


def give_up(happened_before: datetime, now: datetime) -> list[tuple[str, str, str]]:
    """End what has waited too long, some hundreds at once; return client, account and kind. The caller commits."""
    due = select(SecurityEvent.id).where(SecurityEvent.state == QUEUED, SecurityEvent.happened_at <= happened_before)
    ended = (
        update(SecurityEvent)
        .where(leases.picked(SecurityEvent, due, leases.CHANGED_AT_ONCE))
        .values(state="failed", changed_at=now)
        .returning(SecurityEvent.client_id, SecurityEvent.account_id, SecurityEvent.kind)
        .execution_options(**BLIND)
    )
    return [(row[0], row[1], row[2]) for row in db.session.execute(ended).all()]


def log_of(client_id: str, limit: int) -> list[SecurityEvent]:
    """Return what telling a client came to, the latest first."""
    told = select(SecurityEvent).where(SecurityEvent.client_id == client_id, SecurityEvent.state != CLOSED)
    return list(
        db.session.scalars(told.order_by(SecurityEvent.happened_at.desc(), SecurityEvent.id.desc()).limit(limit))
    )


def purge(*, keep: timedelta, now: datetime) -> int:
    """Delete what was finished longer ago than ``keep``; up to a thousand at once. The caller commits."""
    old = select(SecurityEvent.id).where(SecurityEvent.state.in_(FINISHED), SecurityEvent.changed_at <= now - keep)
    old = old.order_by(SecurityEvent.changed_at).limit(PURGED_AT_ONCE)
    gone = delete(SecurityEvent).where(SecurityEvent.id.in_(old)).returning(SecurityEvent.id)
    return len(db.session.execute(gone.execution_options(**BLIND)).all())


def _row(
    account_id: str, client_id: str, kind: Kind, facts: Mapping[str, Any], their_sid: str | None, now: datetime,
    of: Happening | None = None,
) -> dict[str, Any]:  # fmt: skip
    return {
        "account_id": account_id, "client_id": client_id, "jti": entropy.identifier(), "kind": kind,
        "facts": dict(facts), "their_sid": their_sid, "happened_at": of.happened_at if of else now,
        "state": QUEUED, "attempts": 0, "changed_at": now, "not_before": now,
    }  # fmt: skip


def _write(rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        db.session.execute(insert(SecurityEvent), list(rows))
