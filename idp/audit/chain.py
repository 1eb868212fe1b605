"""The chain: each event gets a position and a link that follows from the one before, seconds after it was written.

Sign-ins write their events beside each other, on any number of nodes, and wait for nobody. One worker at a time,
whoever holds the row of `audit_chain` locked, links what is new. An event whose transaction ended late gets a later
position than its id suggests; none is left out (docs/adr/0017).
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Integer, LargeBinary, Row, exists, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from idp import metrics
from idp.audit.trail import CONTENT, AuditEvent, canonical, digest_of
from idp.db import Base, Moment, db

AT_ONCE = 1000
# Writing an event takes milliseconds: what is still not there after this long did not come from this provider.
SETTLES_WITHIN = timedelta(minutes=5)
# How often to look for events whose transaction ended after that of a later one.
_LATE_EVERY = timedelta(seconds=30)
_ONLY = 1
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


class AuditLink(Base):
    """The place of one event in the chain."""

    __tablename__ = "audit_links"

    position: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False
    )
    event_id: Mapped[int] = mapped_column(BigInteger, unique=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    link: Mapped[bytes] = mapped_column(LargeBinary(32))


class AuditChain(Base):
    """How far the chain goes: one row, whose lock is the right to make it longer."""

    __tablename__ = "audit_chain"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    # Events up to this id were written before there was a chain.
    begins_after: Mapped[int] = mapped_column(BigInteger, default=0)
    position: Mapped[int] = mapped_column(BigInteger, default=0)
    link: Mapped[bytes] = mapped_column(LargeBinary(32))
    highest_id: Mapped[int] = mapped_column(BigInteger, default=0)
    # Up to `settled_id` nothing late is looked for; `settling_id` becomes it after `SETTLES_WITHIN`.
    settled_id: Mapped[int] = mapped_column(BigInteger, default=0)
    settling_id: Mapped[int] = mapped_column(BigInteger, default=0)
    settling_since: Mapped[datetime | None] = mapped_column(Moment, default=None)
    late_looked_at: Mapped[datetime | None] = mapped_column(Moment, default=None)


def first_link(begins_after: int) -> bytes:
    """Return what the first link follows from; it holds which events are older than the chain."""
    return hashlib.sha256(f"sesame audit chain, after {begins_after}".encode()).digest()


def next_link(before: bytes, position: int, digest: bytes) -> bytes:
    """Return the link of an event: a digest of the link before it, its position and its own digest."""
    return hashlib.sha256(before + position.to_bytes(8, "big") + digest).digest()


def seal_some(now: datetime, *, late: bool = False) -> tuple[AuditChain | None, int]:
    """Link up to `AT_ONCE` new events; return the chain, ``None`` while another worker has it, and how many.

    Late ones are looked for every half minute, or when ``late`` asks for it. The caller commits.
    """
    chain = take_chain()
    if chain is None:
        return None, 0
    rows = list(_find_late(chain)) if late or _is_late_due(chain, now) else []
    rows += _find_new(chain.highest_id, AT_ONCE - len(rows))
    if rows:
        links = []
        for row in rows:
            chain.position += 1
            digest = digest_of(canonical(row[1:]))
            chain.link = next_link(chain.link, chain.position, digest)
            links.append({"position": chain.position, "event_id": row[0], "digest": digest, "link": chain.link})
        db.session.execute(insert(AuditLink), links)
        chain.highest_id = max(chain.highest_id, *(row[0] for row in rows))
    _settle(chain, now)
    metrics.AUDIT_SEALED.inc(len(rows))
    return chain, len(rows)


def take_chain() -> AuditChain | None:
    """Return the chain, locked until the transaction ends; ``None`` while another worker holds it."""
    mine = select(AuditChain).with_for_update(skip_locked=True).execution_options(populate_existing=True)
    chain = db.session.scalars(mine).one_or_none()
    if chain is not None or find_chain() is not None:
        return chain
    row = {
        "id": _ONLY, "begins_after": 0, "position": 0, "link": first_link(0), "highest_id": 0, "settled_id": 0,
        "settling_id": 0,
    }  # fmt: skip
    # Of two workers that begin the chain, one waits here for the other, and then leaves it alone.
    begin = _INSERT[db.session.get_bind().dialect.name]
    db.session.execute(begin(AuditChain).values(row).on_conflict_do_nothing())
    return db.session.scalars(mine).one_or_none()


def find_chain() -> AuditChain | None:
    """Return how far the chain goes, without locking it."""
    return db.session.scalars(select(AuditChain).execution_options(populate_existing=True)).one_or_none()


def measure_lag(now: datetime) -> tuple[int, timedelta]:
    """Return how many events wait for their place in the chain, and for how long the oldest has."""
    chain = find_chain()
    new = select(func.count(), func.min(AuditEvent.at)).where(
        AuditEvent.id > (chain.settled_id if chain else 0), ~_is_linked()
    )
    count, oldest = db.session.execute(new).one()
    return count, timedelta(0) if oldest is None else now - oldest


def _find_new(after: int, limit: int) -> Sequence[Row[Any]]:
    new = select(AuditEvent.id, *CONTENT).where(AuditEvent.id > after)
    return db.session.execute(new.order_by(AuditEvent.id).limit(limit)).all()


def _find_late(chain: AuditChain) -> Sequence[Row[Any]]:
    late = select(AuditEvent.id, *CONTENT).where(
        AuditEvent.id > chain.settled_id, AuditEvent.id <= chain.highest_id, ~_is_linked()
    )
    return db.session.execute(late.order_by(AuditEvent.id).limit(AT_ONCE)).all()


def _is_late_due(chain: AuditChain, now: datetime) -> bool:
    is_due = chain.late_looked_at is None or now - chain.late_looked_at >= _LATE_EVERY
    if is_due:
        chain.late_looked_at = now
    return is_due


def _is_linked() -> Any:
    return exists().where(AuditLink.event_id == AuditEvent.id)


def _settle(chain: AuditChain, now: datetime) -> None:
    if chain.settling_since is None or now - chain.settling_since >= SETTLES_WITHIN:
        chain.settled_id, chain.settling_id, chain.settling_since = chain.settling_id, chain.highest_id, now
