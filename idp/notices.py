"""Notices to relying parties: rows that say what a client's server is to be told, and what became of telling it.

Sign-outs and security events are such rows, in tables of their own; how they are put off, recorded and counted is one.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import String, func, select
from sqlalchemy.orm import Mapped, mapped_column

from idp import leases
from idp.db import db
from idp.leases import QUEUED, Leased


class Notice(Leased):
    """Something that one client is to be told of one person."""

    __abstract__ = True

    account_id: Mapped[str] = mapped_column(String(36), index=True)
    client_id: Mapped[str] = mapped_column(String(80))


def record(
    table: type[Notice], *, row_id: int, worker: str, attempt: int, state: str, answer_class: str,
    retry_at: datetime | None, now: datetime,
) -> bool:  # fmt: skip
    """Write down what telling a client came to; false when the row is another worker's by now."""
    held = leases.is_held(table, row_id=row_id, worker=worker, attempt=attempt)
    values: dict[str, Any] = {"not_before": retry_at} if retry_at else {}
    return bool(
        leases.change(
            table, held, state=state, answer_class=answer_class[:20], changed_at=now, locked_until=None, **values
        )
    )


def let_alone(table: type[Notice], client_id: str, until: datetime) -> None:
    """Put off whatever waits for a client that does not answer: it must not fill the lanes of the others."""
    waits = (table.client_id == client_id) & (table.state == QUEUED) & (table.not_before < until)
    leases.change(table, waits, not_before=until)


def count_waiting(table: type[Notice]) -> int:
    """Return how many clients are still to be told."""
    waiting = select(func.count()).select_from(table).where(table.state.in_(leases.WAITING))
    return int(db.session.execute(waiting).scalar_one())
