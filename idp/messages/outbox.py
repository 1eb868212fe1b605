"""How a message is written into the outbox, taken out by one worker at a time, and finished (R12).

Rows are claimed for a lease: a worker that is killed loses nothing, another takes its rows when the lease ends. Of a
message that the relay had taken just before, only the same text can go out again.
"""

import json
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, or_, select, update

from idp import crypto, entropy
from idp.db import db
from idp.messages.compose import Message
from idp.messages.models import OutboxMessage
from idp.settings import settings

# After the first, second, third … attempt that failed for now.
_PAUSES = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 15, 30, 60, 120))
_LAST_PAUSE = timedelta(minutes=5)
_FINAL = ("accepted", "refused", "expired")
_wake = threading.Event()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is known of a message's way: queued, sending, accepted, refused or expired, and since when."""

    channel: str
    status: str
    at: datetime
    answer_class: str | None


@dataclass(frozen=True)
class Claimed:
    """A message that this worker may send until its lease ends."""

    id: str
    channel: str
    to: str
    message: Message
    attempts: int
    deadline: datetime | None


def enqueue(
    *,
    channel: str,
    to: str,
    message: Message,
    subject_ref: str,
    purpose: str,
    account_id: str | None,
    deadline: datetime | None,
    now: datetime,
) -> str:
    """Add a message to the caller's transaction; ``subject_ref`` is unique, so a repeated act sends once (RC-18)."""
    message_id = entropy.identifier()
    content = json.dumps({"subject": message.subject, "text": message.text, "html": message.html})
    db.session.add(
        OutboxMessage(
            id=message_id,
            channel=channel,
            recipient_sealed=crypto.seal(to, context=f"outbox:recipient:{message_id}"),
            content_sealed=crypto.seal(content, context=f"outbox:content:{message_id}"),
            purpose=purpose,
            subject_ref=subject_ref,
            account_id=account_id,
            state="queued",
            not_before=now,
            deadline=deadline,
            created_at=now,
        )
    )
    return message_id


def delivery_of(subject_ref: str) -> Delivery | None:
    """Return how far the message of ``subject_ref`` has come."""
    row = db.session.execute(
        select(
            OutboxMessage.channel,
            OutboxMessage.state,
            OutboxMessage.created_at,
            OutboxMessage.finished_at,
            OutboxMessage.answer_class,
        ).where(OutboxMessage.subject_ref == subject_ref)
    ).one_or_none()
    return (
        None if row is None else Delivery(row.channel, row.state, row.finished_at or row.created_at, row.answer_class)
    )


def claim(*, worker: str, now: datetime, limit: int) -> list[Claimed]:
    """Take up to ``limit`` messages for one lease, the newest first; commits. What is past its deadline expires."""
    _expire(now)
    waiting = or_(
        OutboxMessage.state == "queued", and_(OutboxMessage.state == "sending", OutboxMessage.locked_until <= now)
    )
    ids = (
        select(OutboxMessage.id)
        .where(waiting, OutboxMessage.not_before <= now)
        # RC-36: after an outage the newest codes are the ones that somebody still waits for.
        .order_by(OutboxMessage.created_at.desc())
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = db.session.scalars(
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(ids.scalar_subquery()))
        .values(
            state="sending",
            locked_until=now + settings.outbox.lease,
            claimed_by=worker,
            attempts=OutboxMessage.attempts + 1,
        )
        .returning(OutboxMessage)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).all()
    claimed = [_open(row) for row in taken]
    db.session.commit()
    return claimed


def mark_finished(
    message_id: str, state: str, *, worker: str, relay: str | None, answer_class: str | None, now: datetime
) -> bool:
    """Finish a message and wipe what it said; false when another worker has it by now. Commits."""
    return _release(
        message_id,
        worker,
        state=state,
        relay=relay,
        answer_class=answer_class,
        finished_at=now,
        recipient_sealed=None,
        content_sealed=None,
    )


def put_back(claimed: Claimed, *, worker: str, relay: str | None, answer_class: str | None, now: datetime) -> bool:
    """Let a message be tried again after a pause that grows; commits."""
    pause = _PAUSES[claimed.attempts - 1] if claimed.attempts <= len(_PAUSES) else _LAST_PAUSE
    return _release(claimed.id, worker, state="queued", relay=relay, answer_class=answer_class, not_before=now + pause)


def purge_finished(now: datetime) -> int:
    """Delete what was finished some time ago; commits."""
    old = delete(OutboxMessage).where(OutboxMessage.finished_at <= now - settings.outbox.keep_finished)
    gone = db.session.execute(old).rowcount
    db.session.commit()
    return int(gone)


def depth() -> int:
    """Return how many messages wait."""
    return db.session.query(OutboxMessage).filter(OutboxMessage.state.in_(("queued", "sending"))).count()


def wake() -> None:
    """Tell this process's worker that something waits; call it after the commit."""
    _wake.set()


def wait(seconds: float) -> None:
    """Wait until something is said to wait, or for ``seconds``."""
    _wake.wait(seconds)
    _wake.clear()


def _expire(now: datetime) -> None:
    """End what nobody can use any more: a code is never delivered after it died (RC-11)."""
    late = update(OutboxMessage).where(OutboxMessage.state.not_in(_FINAL), OutboxMessage.deadline <= now)
    db.session.execute(
        late.values(state="expired", finished_at=now, recipient_sealed=None, content_sealed=None).execution_options(
            synchronize_session=False
        )
    )


def _release(message_id: str, worker: str, **values: object) -> bool:
    mine = update(OutboxMessage).where(
        OutboxMessage.id == message_id, OutboxMessage.claimed_by == worker, OutboxMessage.state == "sending"
    )
    done = db.session.execute(
        mine.values(locked_until=None, claimed_by=None, **values).execution_options(synchronize_session=False)
    ).rowcount
    db.session.commit()
    return bool(done)


def _open(row: OutboxMessage) -> Claimed:
    recipient = crypto.unseal(row.recipient_sealed or b"", context=f"outbox:recipient:{row.id}")
    content = json.loads(crypto.unseal(row.content_sealed or b"", context=f"outbox:content:{row.id}"))
    return Claimed(row.id, row.channel, recipient, Message(**content), row.attempts, row.deadline)
