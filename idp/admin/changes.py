"""Every change of an administrator, as it was before and after: proposals that wait, and the history of what was done.

Rows are added and decided, never edited or removed: the database's word on who changed what (AC-199). No secret is
ever in one: what is shown once is made when the change is applied, and kept nowhere.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import JSON, CheckConstraint, Index, String, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Moment, db

State = Literal["waiting", "applied", "refused", "withdrawn", "outdated"]
STATES: tuple[State, ...] = ("waiting", "applied", "refused", "withdrawn", "outdated")


class AdminChange(Base):
    """One change: who wants it, on which version of what, and what became of it."""

    __tablename__ = "admin_changes"
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'applied', 'refused', 'withdrawn', 'outdated')", name="state"),
        Index("ix_admin_changes_target", "target", "created_at"),
        Index("ix_admin_changes_state", "state", "created_at"),
    )

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    act: Mapped[str] = mapped_column(String(40))
    target: Mapped[str] = mapped_column(String(80))
    base_version: Mapped[int]
    before: Mapped[dict[str, Any]] = mapped_column(JSON)
    after: Mapped[dict[str, Any]] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(String(500))
    state: Mapped[State] = mapped_column(String(10))
    # Applied by one person alone though it needed two; `reviewed_by` is who looked at it afterwards.
    emergency: Mapped[bool]
    created_by: Mapped[str] = mapped_column(String(60))
    surface: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(Moment)
    decided_by: Mapped[str | None] = mapped_column(String(60), default=None)
    decided_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    reviewed_by: Mapped[str | None] = mapped_column(String(60), default=None)

    @property
    def differences(self) -> list[tuple[str, Any, Any]]:
        """What differs, field by field; a picture is told by its name."""
        return [one for one in diff(self.before, self.after) if one[0] != "content"]


def find_change(change_id: str) -> AdminChange | None:
    """Return a change as the database has it now."""
    return db.session.get(AdminChange, change_id, populate_existing=True) if len(change_id) <= 22 else None


def list_changes(
    *, state: str | None = None, target: str | None = None, acts: str = "", limit: int = 50, after: str | None = None
) -> list[AdminChange]:
    """Return changes, the latest first; ``after`` is the id of the last one of the page before."""
    query = select(AdminChange)
    for column, wanted in ((AdminChange.state, state), (AdminChange.target, target)):
        query = query if wanted is None else query.where(column == wanted)
    if acts:
        query = query.where(AdminChange.act.startswith(f"{acts}.", autoescape=True))
    last = find_change(after) if after else None
    if last is not None:
        query = query.where(
            (AdminChange.created_at < last.created_at)
            | ((AdminChange.created_at == last.created_at) & (AdminChange.id < last.id))
        )
    return list(db.session.scalars(query.order_by(AdminChange.created_at.desc(), AdminChange.id.desc()).limit(limit)))


def count_waiting() -> int:
    """Return how many changes wait for a second person."""
    query = select(func.count()).select_from(AdminChange).where(AdminChange.state == "waiting")
    return db.session.execute(query).scalar_one()


def unreviewed_emergencies() -> list[AdminChange]:
    """Return what one person did alone and nobody has looked at yet."""
    query = select(AdminChange).where(AdminChange.emergency, AdminChange.reviewed_by.is_(None))
    return list(db.session.scalars(query.order_by(AdminChange.created_at.desc()).limit(20)))


def settle(change_id: str, state: State, *, by: str, now: datetime) -> bool:
    """End the waiting of a change; of two who decide at once, one does."""
    settled = db.session.execute(
        update(AdminChange)
        .where(AdminChange.id == change_id, AdminChange.state == "waiting")
        .values(state=state, decided_by=by, decided_at=now)
        .returning(AdminChange.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return settled is not None


def mark_outdated(change_id: str) -> None:
    """Say of a change that was written as applied that it came to nothing."""
    here = update(AdminChange).where(AdminChange.id == change_id)
    db.session.execute(here.values(state="outdated").execution_options(synchronize_session=False))


def diff(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return what differs, as (field, old, new); lists of a few words are told as they are."""
    names = sorted(before.keys() | after.keys())
    return [(one, before.get(one), after.get(one)) for one in names if before.get(one) != after.get(one)]


def describe_change(change: AdminChange) -> dict[str, Any]:
    """Return what every surface shows of a change."""
    return {
        "id": change.id,
        "act": change.act,
        "target": change.target,
        "state": change.state,
        "reason": change.reason,
        "emergency": change.emergency,
        "created_by": change.created_by,
        "created_at": change.created_at,
        "surface": change.surface,
        "decided_by": change.decided_by,
        "decided_at": change.decided_at,
        "reviewed_by": change.reviewed_by,
        "base_version": change.base_version,
        "diff": [{"field": name, "before": old, "after": new} for name, old, new in change.differences],
    }
