"""How the trail forgets: a signed cut first, then what is before it, some hundred rows at a time.

Nothing that sign-ins need is locked: they add rows at one end, and this takes rows away at the other. After the cut the
chain begins at a place that is signed, so that what was forgotten and what was taken away can be told apart.
"""

from datetime import datetime, timedelta

from sqlalchemy import CursorResult, delete, select

from idp import metrics
from idp.audit.chain import AuditLink, find_chain, take_chain
from idp.audit.checkpoints import AuditCheckpoint, find_cut, sign_cut
from idp.audit.events import audit_cut
from idp.audit.trail import AuditEvent
from idp.db import db

AT_ONCE = 500
# A new cut only when it forgets a day's worth: each is signed, and is itself an event.
_CUT_EVERY = timedelta(days=1)


def cut_when_due(*, keep: timedelta, now: datetime) -> bool:
    """Move the beginning of the chain to the last checkpoint that is older than ``keep``; the caller commits."""
    before, chain = find_cut(), find_chain()
    if chain is None or (before is not None and now - before.begun_at < _CUT_EVERY):
        return False
    # Never all of it: the last event stays, and with it the way ids are counted.
    old = select(AuditCheckpoint).where(
        AuditCheckpoint.kind == "head",
        AuditCheckpoint.at <= now - keep,
        AuditCheckpoint.position > (before.position if before else 0),
        AuditCheckpoint.position < chain.position,
    )
    last = db.session.scalars(old.order_by(AuditCheckpoint.position.desc()).limit(1)).one_or_none()
    if last is None or take_chain() is None:
        return False
    sign_cut(last.position, last.link, now)
    audit_cut(last.position)
    return True


def forget_some(*, keep: timedelta, now: datetime, limit: int = AT_ONCE) -> int:
    """Delete up to ``limit`` events before the cut, or before the chain; return how many. The caller commits."""
    cut = find_cut()
    position = cut.position if cut else 0
    old = select(AuditLink.position, AuditLink.event_id).where(AuditLink.position <= position)
    rows = db.session.execute(old.order_by(AuditLink.position).limit(limit)).all()
    if rows:
        db.session.execute(delete(AuditEvent).where(AuditEvent.id.in_([row.event_id for row in rows])))
        db.session.execute(delete(AuditLink).where(AuditLink.position.in_([row.position for row in rows])))
        metrics.AUDIT_FORGOTTEN.inc(len(rows))
        return len(rows)
    _forget_checkpoints(cut)
    chain = find_chain()
    return 0 if chain is None else _forget_unchained(chain.begins_after, now - keep, limit)


def _forget_checkpoints(cut: AuditCheckpoint | None) -> None:
    if cut is not None:
        db.session.execute(
            delete(AuditCheckpoint).where(AuditCheckpoint.position <= cut.position, AuditCheckpoint.id != cut.id)
        )


def _forget_unchained(begins_after: int, before: datetime, limit: int) -> int:
    """Delete what was written before there was a chain."""
    if begins_after == 0:
        return 0
    old = select(AuditEvent.id).where(AuditEvent.id <= begins_after, AuditEvent.at <= before).limit(limit)
    gone = db.session.execute(delete(AuditEvent).where(AuditEvent.id.in_(old)))
    return gone.rowcount if isinstance(gone, CursorResult) else 0
