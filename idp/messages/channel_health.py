"""Whether codes leave by a channel as they should: read off the outbox, which all nodes and workers share.

What one address does not take says nothing of a channel; that messages wait, or die waiting, does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from sqlalchemy import select

from idp import operations
from idp.db import db
from idp.messages.models import Outbox
from idp.per_app import PerApp
from idp.settings import settings

Health = Literal["ok", "slow", "down", "off"]
READ_EVERY: Final = timedelta(seconds=10)
_RECENT: Final = timedelta(minutes=15)
_SLOW, _DOWN = timedelta(seconds=30), timedelta(minutes=2)
# Of each fate the newest so many are looked at, whatever the traffic.
_LOOK_AT = 40
_ENOUGH = 3


@dataclass
class _Memory:
    known: Mapping[str, Health] = field(default_factory=dict)
    read_at: datetime = datetime(2000, 1, 1, tzinfo=UTC)


_memory: PerApp[_Memory] = PerApp(_Memory)


def find_health(now: datetime) -> Mapping[str, Health]:
    """Return how each channel is that is offered at all; ten seconds old at most."""
    memory = _memory()
    if not timedelta(0) <= now - memory.read_at < READ_EVERY:
        offered = ["email", *(["sms"] if settings.sms.transport else [])]
        memory.known = {channel: "off" if operations.is_off(channel) else _read(channel, now) for channel in offered}
        memory.read_at = now
    return memory.known


def judge(*, waited: timedelta, took: Sequence[timedelta], expired: int) -> Health:
    """Judge the oldest that waits, how long the newest took that were taken, and how many died waiting."""
    if waited >= _DOWN or (expired >= _ENOUGH and expired > len(took)):
        return "down"
    if waited >= _SLOW or (len(took) >= _ENOUGH and sorted(took)[len(took) // 2] >= _SLOW):
        return "slow"
    return "ok"


def _read(channel: str, now: datetime) -> Health:
    # An equality each, so that the index gives the newest without reading the others.
    waiting = db.session.scalars(
        select(Outbox.created_at)
        .where(Outbox.state == "queued", Outbox.channel == channel, Outbox.deadline > now)
        .order_by(Outbox.id)
        .limit(1)
    ).first()
    fates = {
        fate: db.session.execute(
            select(Outbox.created_at, Outbox.changed_at)
            .where(Outbox.state == fate, Outbox.channel == channel)
            .order_by(Outbox.id.desc())
            .limit(_LOOK_AT)
        ).all()
        for fate in ("accepted", "expired")
    }
    recent = {fate: [row for row in rows if now - row.changed_at < _RECENT] for fate, rows in fates.items()}
    return judge(
        waited=now - waiting if waiting else timedelta(0),
        took=[row.changed_at - row.created_at for row in recent["accepted"]],
        expired=len(recent["expired"]),
    )
