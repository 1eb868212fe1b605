"""The outbox: writing a message down in the caller's transaction, claiming it for one worker, recording its fate (R12).

A reference is ``<matter>:<anything>``. Of one matter only the newest message is worth sending: when a person asks for
a code again, what still waits of the older sendings stays unsent, so that a dead code never follows a living one.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, and_, bindparam, case, delete, exists, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import aliased

from idp import crypto, leases
from idp.db import db
from idp.leases import BLIND, CHANGED_AT_ONCE, WAITING, picked
from idp.messages.models import FINISHED, Message, Outbox, Status
from idp.messages.return_path import make_token
from idp.messages.transport import Answer, Receipt
from idp.messages.undeliverable import mark_undeliverable, tag_of
from idp.prepared import Prepared

_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
# A message without a deadline of its own is not worth sending later than this.
_LONGEST_WAIT = timedelta(hours=24)
_PURGED_AT_ONCE = 1000
# Greylisting asks for half a minute and more (RC-13); a relay that restarts is back sooner.
_AFTER_4XX = tuple(timedelta(seconds=seconds) for seconds in (30, 60, 120))
_AFTER_TROUBLE = tuple(timedelta(seconds=seconds) for seconds in (2, 5, 10, 20, 30))
_WIPED: dict[str, Any] = {"recipient": None, "content": None, "locked_until": None}

# The address itself is what is wrong.
_NO_MAILBOX = frozenset({"mailbox", "address"})

_FIND_DELIVERY = Prepared(
    select(Outbox.channel, Outbox.state, Outbox.changed_at, Outbox.answer_class)
    .where(Outbox.subject_ref == bindparam("subject_ref", type_=Outbox.subject_ref.type))
    .order_by(Outbox.id.desc())
    .limit(1)
)

_listeners: set[Callable[[], None]] = set()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is known of a message that was written down."""

    channel: str
    status: Status
    at: datetime
    answer_class: str | None


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that one worker alone may send until its lease ends."""

    id: int
    channel: str
    purpose: str
    account_id: str | None
    reference: str
    to: str
    message: Message
    written_at: datetime
    deadline: datetime
    attempt: int
    worker: str
    return_token: str = ""


@dataclass(frozen=True, slots=True)
class Fate:
    """How one message ended, for the metrics and the audit trail."""

    channel: str
    purpose: str
    account_id: str | None
    status: Status
    answer_class: str


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
    idempotency_key: str | None = None,
    void: bool = False,
) -> int:
    """Write a message down in the caller's transaction and return its id; the same key twice is one message.

    A ``void`` one is never sent: it is written so that whoever waits for the answer cannot tell (R8).
    """
    key = idempotency_key or subject_ref
    row = {
        "idempotency_key": key,
        "subject_ref": subject_ref,
        "matter": subject_ref.partition(":")[0],
        "channel": channel,
        "purpose": purpose,
        "account_id": account_id,
        "recipient": crypto.seal(to, context=f"outbox:recipient:{key}"),
        "content": crypto.seal(json.dumps(asdict(message)), context=f"outbox:content:{key}"),
        "state": "void" if void else "queued",
        "attempts": 0,
        "created_at": now,
        "changed_at": now,
        "not_before": now,
        "deadline": deadline or now + _LONGEST_WAIT,
    }
    insert = _INSERT[db.session.get_bind().dialect.name]
    written = db.session.execute(insert(Outbox).values(row).on_conflict_do_nothing().returning(Outbox.id)).scalar()
    if written is None:
        written = db.session.execute(select(Outbox.id).where(Outbox.idempotency_key == key)).scalar_one()
    return int(written)


def delivery_of(subject_ref: str) -> Delivery | None:
    """Return how far the newest message of this reference has come."""
    row = _FIND_DELIVERY.run({"subject_ref": subject_ref})
    return Delivery(row.channel, cast(Status, row.state), row.changed_at, row.answer_class) if row else None


def has_work(now: datetime) -> bool:
    """Tell by one look whether anything is due: to be sent, to be dropped, or to be taken back from a dead worker.

    An idle worker asks this five times a second, and nothing else.
    """
    due = and_(Outbox.state == "queued", or_(Outbox.not_before <= now, Outbox.deadline <= now))
    abandoned = and_(Outbox.state == "sending", Outbox.locked_until <= now)
    return bool(db.session.execute(select(or_(exists().where(due), exists().where(abandoned)))).scalar())


def claim(*, channel: str, worker: str, limit: int, lease: timedelta, now: datetime) -> list[Claimed]:
    """Take up to ``limit`` messages, the newest first: in a backlog they are the ones still waited for (RC-36).

    What a dead worker had claimed (`leases.take_back_abandoned`) is sent again, its text and so its code the same.
    """
    newest_first = (
        select(Outbox.id)
        .where(Outbox.state == "queued", Outbox.channel == channel, Outbox.not_before <= now)
        # Wrapped, so that SQLite walks the index of the newest, not the one of deadlines: ten times faster (RC-36).
        .where(func.coalesce(Outbox.deadline, Outbox.not_before) > now, ~_has_successor())
        .order_by(Outbox.id.desc())
    )
    rows = leases.claim(Outbox, newest_first, worker=worker, limit=limit, lease=lease, now=now)
    claimed = [found for row in rows if (found := _read(row, worker, now)) is not None]
    return sorted(claimed, key=lambda found: -found.id)


def record_answer(claimed: Claimed, answer: Answer, now: datetime) -> Fate | None:
    """Write down what the relay answered; ``None`` if the message waits on, or is another worker's by now."""
    retry_at = now + (answer.retry_after or _pause(answer.answer_class, claimed.attempt))
    status: Status
    if answer.outcome != "later":
        status = answer.outcome
    # It would be dead by then: say so now, while the person can still choose the other channel.
    elif retry_at >= claimed.deadline:
        status = "expired"
    else:
        status = "queued"
    ours = leases.is_held(Outbox, row_id=claimed.id, worker=claimed.worker, attempt=claimed.attempt)
    written = leases.change(
        Outbox,
        ours,
        state=status,
        relay=answer.relay[:255],
        relay_ref=answer.relay_ref[:80],
        answer_class=answer.answer_class,
        changed_at=now,
        **({"locked_until": None, "not_before": retry_at} if status == "queued" else _WIPED),
    )
    if not written or status == "queued":
        return None
    if answer.answer_class in _NO_MAILBOX and claimed.channel == "email" and claimed.account_id:
        mark_undeliverable(claimed.account_id, tag_of(claimed.to), "refused", now)
    return Fate(claimed.channel, claimed.purpose, claimed.account_id, status, answer.answer_class)


def record_receipt(receipt: Receipt, now: datetime) -> Fate | None:
    """Write down what the network says of a message it accepted; ``None`` if we know of none, or know more already."""
    named = (Outbox.relay_ref == receipt.relay_ref) & (Outbox.relay == receipt.relay) & (Outbox.state == "accepted")
    status: Status = "delivered" if receipt.outcome == "delivered" else "refused"
    answer_class = "accepted" if status == "delivered" else "undelivered"
    ended = (
        update(Outbox)
        .where(named)
        .values(state=status, answer_class=answer_class, changed_at=now)
        .returning(Outbox.channel, Outbox.purpose, Outbox.account_id)
        .execution_options(**BLIND)
    )
    row = db.session.execute(ended).first()
    return Fate(row.channel, row.purpose, row.account_id, status, answer_class) if row else None


def drop_dead(now: datetime) -> list[Fate]:
    """End what waits beyond its deadline, and wipe it: a code is never sent after it died. Some hundreds at once."""
    dead = select(Outbox.id).where(Outbox.state == "queued", Outbox.deadline <= now)
    reason = case((_has_successor(), literal("superseded")), else_=literal("deadline"))
    ended = (
        update(Outbox)
        .where(picked(Outbox, dead, CHANGED_AT_ONCE))
        .values(state="expired", answer_class=reason, changed_at=now, **_WIPED)
        .returning(Outbox.channel, Outbox.purpose, Outbox.account_id, Outbox.answer_class)
        .execution_options(**BLIND)
    )
    rows = db.session.execute(ended).all()
    return [Fate(row.channel, row.purpose, row.account_id, "expired", row.answer_class or "") for row in rows]


def leave_unsent(now: datetime, *, reason: str) -> int:
    """End everything that waits, and wipe it; return how many. The caller commits."""
    waiting = update(Outbox).where(Outbox.state.in_(WAITING))
    ended = waiting.values(state="expired", answer_class=reason, changed_at=now, **_WIPED).returning(Outbox.id)
    return len(db.session.execute(ended.execution_options(**BLIND)).all())


def purge_finished(*, keep: timedelta, now: datetime) -> int:
    """Delete rows whose fate has been known for longer than ``keep``, up to a thousand; return how many."""
    old = select(Outbox.id).where(Outbox.state.in_(FINISHED), Outbox.changed_at <= now - keep)
    old = old.order_by(Outbox.changed_at).limit(_PURGED_AT_ONCE)
    gone = delete(Outbox).where(Outbox.id.in_(old)).returning(Outbox.id).execution_options(**BLIND)
    return len(db.session.execute(gone).all())


def count_waiting() -> dict[str, int]:
    """Return how many messages wait, by channel."""
    rows = db.session.execute(
        select(Outbox.channel, func.count()).where(Outbox.state.in_(WAITING)).group_by(Outbox.channel)
    )
    return {row[0]: row[1] for row in rows.all()}


def wake() -> None:
    """Tell the workers of this process that something was committed; others find it when they look."""
    for listener in tuple(_listeners):
        listener()


def add_listener(listener: Callable[[], None]) -> None:
    """Have `wake` call ``listener``, from any thread."""
    _listeners.add(listener)


def remove_listener(listener: Callable[[], None]) -> None:
    """Stop calling ``listener``."""
    _listeners.discard(listener)


def _has_successor() -> ColumnElement[bool]:
    newer = aliased(Outbox)
    return exists().where(newer.matter == Outbox.matter, newer.id > Outbox.id).correlate(Outbox)


def _pause(answer_class: str, attempt: int) -> timedelta:
    pauses = _AFTER_4XX if answer_class == "later" else _AFTER_TROUBLE
    return pauses[min(attempt, len(pauses)) - 1]


def _read(row: Any, worker: str, now: datetime) -> Claimed | None:
    """Unseal a claimed row; one that cannot be read (a lost key, a damaged row) is refused."""
    key = row.idempotency_key
    try:
        to = crypto.unseal(row.recipient or b"", context=f"outbox:recipient:{key}")
        message = Message(**json.loads(crypto.unseal(row.content or b"", context=f"outbox:content:{key}")))
    except crypto.Unreadable:
        leases.change(Outbox, Outbox.id == row.id, state="refused", answer_class="unreadable", changed_at=now, **_WIPED)
        return None
    return Claimed(
        id=row.id,
        channel=row.channel,
        purpose=row.purpose,
        account_id=row.account_id,
        reference=crypto.fingerprint(key)[:32],
        to=to,
        message=message,
        written_at=row.created_at,
        deadline=row.deadline,
        attempt=row.attempts,
        worker=worker,
        return_token=make_token(row.account_id, to) if row.channel == "email" else "",
    )
