"""Whether the trail is what was written: every event, its place, and what the signed checkpoints say of the chain.

Reads some thousand rows at a time and holds nothing locked meanwhile, so it may run beside sign-ins. What the keyed
digest shows needs this provider's key; the rest can be checked by anybody who has an export and the public key.
"""

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from sqlalchemy import Row, exists, func, select

from idp.audit.chain import SETTLES_WITHIN, AuditLink, find_chain, first_link, measure_lag
from idp.audit.checkpoints import Checkpoint, find_cut, list_checkpoints, public_keys, read
from idp.audit.trail import CONTENT, NAMES, AuditEvent, canonical, digest_of, mac_of, spell
from idp.audit.walk import Entry, Finding, Restore, Walk
from idp.db import db, release

BATCH = 5000
_IDS_AT_ONCE = 50_000


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification came to; ``waiting`` events are written and not in the chain yet, the oldest for ``lag``.

    ``restores`` are where backups were restored: no fault by itself, and to be compared with what one knows of them.
    """

    events: int
    first: int
    last: int
    checkpoints: int
    waiting: int
    lag: timedelta
    found: int
    findings: tuple[Finding, ...]
    restores: tuple[Restore, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing was found."""
        return self.found == 0


def verify(now: datetime, *, kept: Iterable[Checkpoint] = ()) -> Verdict:
    """Check the whole trail; ``kept`` are checkpoints that were kept on another machine."""
    chain, cut, keys = find_chain(), find_cut(), public_keys()
    begins_after = chain.begins_after if chain else 0
    start = cut.position if cut else 0
    known = [one for one in (*list_checkpoints(), *kept) if one.position >= start]
    if cut is not None and read(cut) not in known:
        known.append(read(cut))
    restores = find_restores()
    walk = Walk(start, cut.link if cut else first_link(begins_after), known, keys, restores)
    if cut is None and chain is not None and chain.position and not known:
        walk.find("unsigned", chain.position, None, "the chain has no checkpoint")
    macs = array("Q")
    for row in _read_chain(start):
        walk.take(_entry(row, macs))
    settled = chain.settled_id if chain else 0
    _find_strays(walk, begins_after, settled)
    _find_copies(walk, macs)
    # What was forgotten for its age while we read is not missing.
    later = find_cut()
    gone = later.position if later else 0
    findings = tuple(one for one in walk.finish() if one.position is None or one.position > gone or gone == start)
    waiting, lag = measure_lag(now)
    release()
    found = walk.count if len(findings) == len(walk.findings) else len(findings)
    return Verdict(walk.seen, start + 1, walk.position, len(known), waiting, lag, found, findings, restores)


def is_late(verdict: Verdict) -> bool:
    """Tell whether events wait so long for their place that no worker can be at it."""
    return verdict.lag > SETTLES_WITHIN


def find_restores() -> tuple[Restore, ...]:
    """Return the restores that this provider wrote down; what somebody else wrote excuses nothing."""
    rows = db.session.scalars(select(AuditEvent).where(AuditEvent.event == "database-restored").order_by(AuditEvent.id))
    ours = [row for row in rows if mac_of(canonical([getattr(row, name) for name in NAMES])) == row.mac]
    return tuple(Restore(int(row.facts["position"]), spell(row.at)) for row in ours)


def _read_chain(after: int) -> Iterator[Row[Any]]:
    """Read the chain in order, with the event of each place."""
    rows = select(
        AuditLink.position, AuditLink.event_id, AuditLink.digest, AuditLink.link, AuditEvent.mac, *CONTENT
    ).outerjoin(AuditEvent, AuditEvent.id == AuditLink.event_id)
    while True:
        some = db.session.execute(
            rows.where(AuditLink.position > after).order_by(AuditLink.position).limit(BATCH)
        ).all()
        release()
        yield from some
        if len(some) < BATCH:
            return
        after = some[-1].position


def _entry(row: Row[Any], macs: "array[int]") -> Entry:
    position, event_id, digest, link, mac, *content = tuple(row)
    if mac is None:
        return Entry(position, event_id, digest, link, None)
    text = canonical(content)
    macs.append(int.from_bytes(mac[:8], "big"))
    return Entry(position, event_id, digest, link, digest_of(text), mac_of(text) == mac)


def _find_strays(walk: Walk, begins_after: int, settled: int) -> None:
    """Find events that stand among those of the chain, and are not in it."""
    for low in range(begins_after, settled, _IDS_AT_ONCE):
        strays = select(AuditEvent.id).where(
            AuditEvent.id > low,
            AuditEvent.id <= min(low + _IDS_AT_ONCE, settled),
            ~exists().where(AuditLink.event_id == AuditEvent.id),
        )
        for event_id in db.session.scalars(strays):
            walk.find("inserted", None, event_id, "the event is not in the chain, and later ones are")
        release()


def _find_copies(walk: Walk, macs: "array[int]") -> None:
    """Find events that are there twice: a copy has the right keyed digest."""
    if not any(one == other for one, other in pairwise(sorted(macs))):
        return
    copies = select(AuditEvent.uid, func.max(AuditEvent.id)).group_by(AuditEvent.uid).having(func.count() > 1)
    for _uid, event_id in db.session.execute(copies):
        place = db.session.scalar(select(AuditLink.position).where(AuditLink.event_id == event_id))
        walk.find("inserted", place, event_id, "a copy of an earlier event")
