"""When each secret of a client was last used, to the day: noted in memory on the way, written once a day at most.

An administrator who is about to revoke a secret wants to know whether anything still uses it. No request waits for the
answer or writes it: one request a minute writes what all of them noted, and only where the day has changed.
"""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp import logs
from idp.db import db
from idp.leases import BLIND
from idp.oidc.clients import ClientSecret
from idp.per_app import PerApp

# A use is told to the day: within this time a secret is not written again.
AGAIN = timedelta(days=1)
_WRITE_EVERY = timedelta(seconds=60)
_MOST = 20_000
log = logs.get_logger()


@dataclass
class _Book:
    """What this process has noted, by fingerprint, and what of it is not written yet."""

    noted: dict[str, datetime] = field(default_factory=dict)
    due: dict[str, datetime] = field(default_factory=dict)
    written_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    lock: threading.Lock = field(default_factory=threading.Lock)


_book: PerApp[_Book] = PerApp(_Book)


def note_secret(fingerprint: str, now: datetime) -> None:
    """Note that a secret proved its client; costs a look into a dictionary."""
    book = _book()
    noted = book.noted.get(fingerprint)
    if noted is not None and now - noted < AGAIN:
        return
    with book.lock:
        if len(book.noted) >= _MOST:
            book.noted.clear()
        book.noted[fingerprint] = book.due[fingerprint] = now


def write_secrets_when_due(now: datetime) -> None:
    """Write what was noted, at most once a minute; what this request left uncommitted is abandoned."""
    book = _book()
    if not book.due or now - book.written_at < _WRITE_EVERY:
        return
    with book.lock:
        due, book.due, book.written_at = book.due, {}, now
    try:
        _write(due)
    except (DBAPIError, PoolTimeout) as fault:
        # Told to people, not relied on: the answer of this request is worth more.
        db.session.rollback()
        book.noted.clear()
        log.warning("secret-use-unwritten", error_type=type(fault).__name__)


def forget_uses() -> None:
    """Forget what was noted and not written."""
    _book.forget()


def _write(due: dict[str, datetime]) -> None:
    db.session.rollback()
    # Sorted: two processes that write the same rows in two orders would lock each other out.
    for fingerprint, at in sorted(due.items()):
        is_news = or_(ClientSecret.last_used_at.is_(None), ClientSecret.last_used_at <= at - AGAIN)
        used = update(ClientSecret).where(ClientSecret.fingerprint == fingerprint, is_news)
        db.session.execute(used.values(last_used_at=at).execution_options(**BLIND))
    db.session.commit()
