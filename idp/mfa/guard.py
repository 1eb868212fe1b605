"""How many wrong codes an account bears before it pauses: counted in SQL, before the comparison, per lane (R7, §4).

Unknown devices share one lane; a recognised device has its own, so that nobody can shut an owner out. Counting first
means that two hundred tries at once are still ten. Only a complete sign-in clears a lane: a new code, another channel,
another address or a restart do not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Integer, String, Table, Update, and_, bindparam, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Moment, db
from idp.prepared import Prepared
from idp.settings import settings

UNKNOWN_DEVICES = "unknown"
# A try is settled within this time, or its process was killed.
_SETTLED_WITHIN = timedelta(seconds=10)


class CodeGuard(Base):
    """The wrong codes of one account in one lane since its last complete sign-in."""

    __tablename__ = "code_guards"

    account_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    lane: Mapped[str] = mapped_column(String(64), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    pauses: Mapped[int] = mapped_column(default=0)
    paused_until: Mapped[datetime | None] = mapped_column(Moment, default=None)
    updated_at: Mapped[datetime] = mapped_column(Moment)


_guards: Table = CodeGuard.__table__  # type: ignore[assignment]
_ACCOUNT = bindparam("of_account", type_=_guards.c.account_id.type)
_LANE = bindparam("in_lane", type_=_guards.c.lane.type)
_NOW = bindparam("now", type_=_guards.c.updated_at.type)


def _counting(insert: Callable[[Table], Any]) -> Prepared:
    """One more wrong code, unless the lane is in a pause or owes one."""
    return Prepared(
        insert(_guards)
        .values(account_id=_ACCOUNT, lane=_LANE, failures=1, pauses=0, paused_until=None, updated_at=_NOW)
        .on_conflict_do_update(
            index_elements=[_guards.c.account_id, _guards.c.lane],
            set_={"failures": _guards.c.failures + 1, "updated_at": _NOW},
            where=and_(
                or_(_guards.c.paused_until.is_(None), _guards.c.paused_until <= _NOW),
                _guards.c.failures < bindparam("limit", type_=Integer()) * (_guards.c.pauses + 1),
                _guards.c.failures < bindparam("stop", type_=Integer()),
            ),
        )
        .returning(_guards.c.failures, _guards.c.pauses)
    )


_COUNT = {"sqlite": _counting(sqlite_insert), "postgresql": _counting(postgres_insert)}
_GIVE_BACK = Prepared(
    update(_guards)
    .where(_guards.c.account_id == _ACCOUNT, _guards.c.lane == _LANE, _guards.c.failures > 0)
    .values(failures=_guards.c.failures - 1)
    .returning(_guards.c.failures)
)


@dataclass(frozen=True, slots=True)
class Counted:
    """A try that may be compared; ``is_last`` when a wrong one begins a pause."""

    pauses: int
    is_last: bool


@dataclass(frozen=True, slots=True)
class Busy:
    """As many tries as may be wrong are under way at this moment; whether they are is not known yet."""


@dataclass(frozen=True, slots=True)
class CodePause:
    """No code is compared before ``until``; ``None`` means until support lifts it."""

    until: datetime | None


def find_pause(account_id: str, lane: str, now: datetime) -> CodePause | None:
    """Return the pause that this lane is in, if any."""
    guard = db.session.execute(
        select(CodeGuard.failures, CodeGuard.paused_until).where(
            CodeGuard.account_id == account_id, CodeGuard.lane == lane
        )
    ).one_or_none()
    return None if guard is None else pause_of(guard.failures, guard.paused_until, now)


def pause_of(failures: int, paused_until: datetime | None, now: datetime) -> CodePause | None:
    """Return the pause of a lane in which so many wrong codes were counted, if any."""
    if failures >= settings.code.account_failures_stop:
        return CodePause(None)
    return CodePause(paused_until) if paused_until and paused_until > now else None


def count_try(account_id: str, lane: str, now: datetime) -> Counted | Busy | CodePause:
    """Count one try before it is compared, or say why none is; commits at once."""
    limits = {"limit": settings.code.account_failures, "stop": settings.code.account_failures_stop}
    row = _COUNT[db.engine.dialect.name].run({"of_account": account_id, "in_lane": lane, "now": now, **limits})
    if row is None:
        return find_pause(account_id, lane, now) or _wait_or_begin_pause(account_id, lane, now)
    return Counted(row.pauses, is_last=row.failures == settings.code.account_failures * (row.pauses + 1))


def _wait_or_begin_pause(account_id: str, lane: str, now: datetime) -> Busy | CodePause:
    """Answer a lane whose tries are all taken and that is in no pause."""
    guard = db.session.execute(
        select(CodeGuard.pauses, CodeGuard.updated_at).where(CodeGuard.account_id == account_id, CodeGuard.lane == lane)
    ).one_or_none()
    # The right code typed fifty times at once is no guessing: it must not begin a pause.
    if guard is None or now - guard.updated_at < _SETTLED_WITHIN:
        return Busy()
    # Whoever took the last try was killed before the pause that it owed.
    return begin_pause(account_id, lane, guard.pauses, now)


def begin_pause(account_id: str, lane: str, pauses: int, now: datetime) -> CodePause:
    """Begin the pause after the ``pauses`` that were before, once however many ask; commits at once."""
    until = now + min(settings.code.first_pause * 2**pauses, settings.code.longest_pause)
    db.session.execute(
        _of(account_id, lane).where(CodeGuard.pauses == pauses).values(pauses=pauses + 1, paused_until=until)
    )
    db.session.commit()
    return find_pause(account_id, lane, now) or CodePause(until)


def give_back_try(account_id: str, lane: str) -> None:
    """Uncount a try that was right, or was never compared; commits at once."""
    _GIVE_BACK.run({"of_account": account_id, "in_lane": lane})


def clear_guard(account_id: str, *lanes: str) -> None:
    """Forget the wrong codes of some lanes after a complete sign-in; the caller commits."""
    db.session.execute(delete(CodeGuard).where(CodeGuard.account_id == account_id, CodeGuard.lane.in_(lanes)))


def clear_guards(account_id: str) -> int:
    """Forget the wrong codes of every lane, as support may; return how many lanes had any. The caller commits."""
    gone = delete(CodeGuard).where(CodeGuard.account_id == account_id).returning(CodeGuard.lane)
    return len(db.session.execute(gone).all())


def _of(account_id: str, lane: str) -> Update:
    return update(CodeGuard).where(CodeGuard.account_id == account_id, CodeGuard.lane == lane)
