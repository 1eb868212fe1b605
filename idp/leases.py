"""Rows that are work for one worker at a time: taken under a lease, taken back when the worker died with them (R12).

The outbox and the list of who is told of a sign-out are such tables. Whoever asks the one that claims names what is
due; how many workers there are, and whether one of them is killed in between, makes no difference to what gets done.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, Row, Select, String, and_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Moment, db

QUEUED, SENDING = "queued", "sending"
WAITING = (QUEUED, SENDING)
CHANGED_AT_ONCE = 500
# Rows are changed behind the session's back; nobody keeps them as objects.
BLIND: dict[str, Any] = {"synchronize_session": False}


class Leased(Base):
    """A row that waits, is under way with one worker, or has met its fate; the states beyond are each table's own."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    changed_at: Mapped[datetime] = mapped_column(Moment, index=True)
    not_before: Mapped[datetime] = mapped_column(Moment)
    locked_until: Mapped[datetime | None] = mapped_column(Moment)
    claimed_by: Mapped[str | None] = mapped_column(String(80))
    answer_class: Mapped[str | None] = mapped_column(String(20))


def claim(
    table: type[Leased], due: Select[int], *, worker: str, limit: int, lease: timedelta, now: datetime
) -> Sequence[Row[Any]]:
    """Take up to ``limit`` of the rows that ``due`` selects by id, and return them whole; the caller commits.

    Call `take_back_abandoned` before: what a dead worker had claimed is due again.
    """
    taken = (
        update(table)
        .where(picked(table, due, limit))
        .values(state=SENDING, attempts=table.attempts + 1, claimed_by=worker, locked_until=now + lease, changed_at=now)
        .returning(*table.__table__.columns)
        .execution_options(**BLIND)
    )
    return db.session.execute(taken).all()


def is_held(table: type[Leased], *, row_id: int, worker: str, attempt: int) -> ColumnElement[bool]:
    """Say in SQL that this worker's claim still stands: an answer that comes too late changes nothing."""
    return and_(
        table.id == row_id, table.state.in_(WAITING), table.claimed_by == worker, table.attempts == attempt
    )  # fmt: skip


def take_back_abandoned(table: type[Leased], now: datetime) -> int:
    """Queue again what dead workers had claimed: their lease has ended. Some hundreds at once; return how many."""
    abandoned = select(table.id).where(table.state == SENDING, table.locked_until <= now)
    return len(change(table, picked(table, abandoned, CHANGED_AT_ONCE), state=QUEUED, locked_until=None))


def change(table: type[Leased], which: ColumnElement[bool], **values: Any) -> Sequence[int]:
    """Set columns of some rows; return their ids. The caller commits."""
    statement = update(table).where(which).values(**values).returning(table.id)
    return db.session.execute(statement.execution_options(**BLIND)).scalars().all()


def picked(table: type[Leased], which: Select[int], limit: int) -> ColumnElement[bool]:
    """Say in SQL that a row is among the first ``limit`` of ``which`` that no other transaction works on."""
    # PostgreSQL evaluates a CTE with row locks once; as a sub-select it might lock more rows than `limit`.
    # SQLite has no row locks: BEGIN IMMEDIATE keeps every other writer out.
    rows = which.limit(limit).with_for_update(skip_locked=True, of=table).cte("picked")
    return table.id.in_(select(rows.c.id))
