"""What a worker does for the trail: new events into the chain every few seconds, old ones out of it."""

from datetime import datetime, timedelta

from idp import metrics
from idp.audit.chain import AT_ONCE, measure_lag, seal_some
from idp.audit.checkpoints import sign_head
from idp.audit.retention import cut_when_due, forget_some
from idp.db import db
from idp.settings import settings

SEAL_EVERY = timedelta(seconds=5)
_BATCHES_AT_ONCE = 20


def seal(now: datetime, *, late: bool = False) -> bool:
    """Link what is new and sign how far the chain goes; return whether there may be more. The caller commits."""
    chain, count = seal_some(now, late=late)
    if chain is not None and count:
        sign_head(chain, now)
    return count == AT_ONCE


def seal_all(now: datetime) -> None:
    """Link everything that is new, for commands; commits."""
    late = True
    while seal(now, late=late):
        db.session.commit()
        late = False
    db.session.commit()


def forget(now: datetime) -> None:
    """Delete what is older than `audit.keep`, each batch in a transaction of its own; commits."""
    cut_when_due(keep=settings.audit.keep, now=now)
    for _ in range(_BATCHES_AT_ONCE):
        db.session.commit()
        if forget_some(keep=settings.audit.keep, now=now) == 0:
            return


def watch(now: datetime) -> timedelta:
    """Measure how long events wait for their place."""
    _count, lag = measure_lag(now)
    metrics.AUDIT_LAG.set(lag.total_seconds())
    return lag
