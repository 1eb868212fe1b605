"""What happened, for auditors and for the support desk: events without personal data, kept in SQL.

Events are gathered while a request runs and written in one transaction at its end, whether it was answered or
refused; when they cannot be written, the request fails (`web.py`).
"""

from datetime import datetime
from typing import Any

from flask import g, has_request_context
from sqlalchemy import JSON, BigInteger, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from idp import clock
from idp.db import Base, Moment, db


class AuditEvent(Base):
    """One event; who it concerns is an opaque id, never a name, number or address."""

    __tablename__ = "audit_events"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    at: Mapped[datetime] = mapped_column(Moment, index=True)
    event: Mapped[str] = mapped_column(String(60), index=True)
    outcome: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str | None] = mapped_column(String(80), default=None)
    account_id: Mapped[str | None] = mapped_column(String(36), index=True, default=None)
    client_id: Mapped[str | None] = mapped_column(String(80), index=True, default=None)
    reference: Mapped[str | None] = mapped_column(String(8), index=True, default=None)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)


def record(
    event: str,
    *,
    outcome: str = "ok",
    account_id: str | None = None,
    client_id: str | None = None,
    reason: str | None = None,
    **facts: str | int | bool | None,
) -> None:
    """Keep one event for `flush`."""
    _waiting().append(
        AuditEvent(
            at=clock.now(),
            event=event,
            outcome=outcome,
            reason=reason,
            account_id=account_id,
            client_id=client_id,
            reference=g.get("reference") if has_request_context() else None,
            facts=facts,
        )
    )


def flush() -> None:
    """Write the events that wait; what the request left uncommitted in ``db.session`` is abandoned first."""
    waiting = _waiting()
    if not waiting:
        return
    db.session.rollback()
    db.session.add_all(waiting)
    g.audit_events = []
    db.session.commit()


def _waiting() -> list[AuditEvent]:
    if "audit_events" not in g:
        g.audit_events = []
    events: list[AuditEvent] = g.audit_events
    return events
