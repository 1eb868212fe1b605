"""The trail: one row per event, who it concerns by opaque ids alone, with a keyed digest made when it was written.

Events are gathered while a request runs and written in one transaction at its end, whether it was answered or
refused; when they cannot be written, the request fails (`web.py`). A row is never changed afterwards: its place in the
chain stands in a table of its own (`chain.py`), so that no sign-in waits for another one's place.
"""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from flask import g, has_request_context
from sqlalchemy import JSON, BigInteger, Integer, LargeBinary, String, bindparam, insert
from sqlalchemy.orm import Mapped, mapped_column

from idp import clock, crypto, entropy, logs
from idp.db import Base, Moment, db
from idp.per_app import context
from idp.prepared import Prepared

Fact = str | int | bool | None
# An event before it is written: its columns by name.
Row = dict[str, Any]
LONGEST_REASON = 80
_LONGEST_OUTCOME = 40


class AuditEvent(Base):
    """One event; who it concerns is an opaque id, never a name, number or address."""

    __tablename__ = "audit_events"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    # Makes every event unlike every other, so that a copy of one is known as a copy.
    uid: Mapped[str] = mapped_column(String(22))
    at: Mapped[datetime] = mapped_column(Moment, index=True)
    event: Mapped[str] = mapped_column(String(60), index=True)
    outcome: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str | None] = mapped_column(String(LONGEST_REASON), default=None)
    account_id: Mapped[str | None] = mapped_column(String(36), index=True, default=None)
    client_id: Mapped[str | None] = mapped_column(String(80), index=True, default=None)
    administrator: Mapped[str | None] = mapped_column(String(60), index=True, default=None)
    reference: Mapped[str | None] = mapped_column(String(8), index=True, default=None)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    # What only this provider can compute of the columns above: a row that somebody else wrote has a wrong one.
    mac: Mapped[bytes] = mapped_column(LargeBinary(32))


# The columns that say what happened, in the order in which `canonical` takes them.
CONTENT = (
    AuditEvent.uid, AuditEvent.at, AuditEvent.event, AuditEvent.outcome, AuditEvent.reason, AuditEvent.account_id,
    AuditEvent.client_id, AuditEvent.administrator, AuditEvent.reference, AuditEvent.facts,
)  # fmt: skip
NAMES = tuple(column.key for column in CONTENT)
_ALL = (*NAMES, "mac")
_WRITE = Prepared(
    insert(AuditEvent)
    .values({name: bindparam(name, type_=getattr(AuditEvent, name).type) for name in _ALL})
    .returning(AuditEvent.id)
)


def canonical(values: Sequence[Any]) -> bytes:
    """Return the one spelling of an event's `CONTENT` that is digested: JSON, keys in order, moments in UTC."""
    named = dict(zip(NAMES, values, strict=True))
    named["at"] = spell(named["at"])
    return json.dumps(named, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def spell(at: datetime) -> str:
    """Return a moment as the chain and the export spell it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def digest_of(text: bytes) -> bytes:
    """Return what the chain holds of an event; anybody can compute it from an export."""
    return hashlib.sha256(text).digest()


def mac_of(text: bytes) -> bytes:
    """Return what shows that this provider wrote an event; computed with a key outside the database."""
    return crypto.keyed("audit", text.decode())


def record(
    event: str,
    *,
    outcome: str = "ok",
    account_id: str | None = None,
    client_id: str | None = None,
    administrator: str | None = None,
    reason: str | None = None,
    **facts: Fact,
) -> None:
    """Keep one event for `flush`; what looks like a NIR, an address, a number or a token is blotted out."""
    content = (
        entropy.identifier(),
        clock.now(),
        event,
        outcome[:_LONGEST_OUTCOME],
        None if reason is None else logs.clean(reason)[:LONGEST_REASON],
        account_id,
        client_id,
        administrator,
        g.get("reference") if has_request_context() else None,
        {name: logs.clean(value) for name, value in facts.items()},
    )
    waiting().append(dict(zip(_ALL, (*content, mac_of(canonical(content))), strict=True)))


def flush() -> None:
    """Write the events that wait; what the request left uncommitted in ``db.session`` is abandoned first."""
    events = context().g.get("audit_events")
    if not events:
        return
    if db.session.registry.has():
        db.session.rollback()
    g.audit_events = []
    if len(events) == 1:
        # The usual case, at every token of a machine: one statement, which is a transaction of its own.
        _WRITE.run(events[0])
        return
    db.session.execute(insert(AuditEvent), events)
    db.session.commit()


def waiting() -> list[Row]:
    """Return the events that `flush` will write."""
    events: list[Row] = g.setdefault("audit_events", [])
    return events
