"""Looking events up: by reference, person, client, administrator, name and time; the newest first, page by page."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from idp.audit.trail import AuditEvent
from idp.db import db


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for; an empty field is not asked about."""

    reference: str = ""
    account_id: str = ""
    client_id: str = ""
    administrator: str = ""
    event: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def fields(self) -> str:
        """Name what was asked, never its value."""
        return " ".join(name for name in self.__slots__ if getattr(self, name))


def search(wanted: Wanted, *, before: int | None = None, limit: int = 50) -> Sequence[AuditEvent]:
    """Return up to ``limit`` events that fit, older than the id ``before``."""
    found = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit)
    for name in ("reference", "account_id", "client_id", "administrator", "event"):
        if getattr(wanted, name):
            found = found.where(getattr(AuditEvent, name) == getattr(wanted, name))
    if wanted.since is not None:
        found = found.where(AuditEvent.at >= wanted.since)
    if wanted.until is not None:
        found = found.where(AuditEvent.at < wanted.until)
    if before is not None:
        found = found.where(AuditEvent.id < before)
    return db.session.scalars(found).all()


def describe(event: AuditEvent) -> dict[str, object]:
    """Return an event as the command line and the interfaces show it."""
    return {
        "id": event.id,
        "at": event.at.isoformat(timespec="milliseconds"),
        "event": event.event,
        "outcome": event.outcome,
        "reason": event.reason,
        "account_id": event.account_id,
        "client_id": event.client_id,
        "administrator": event.administrator,
        "reference": event.reference,
        "facts": event.facts,
    }
