"""The trail as a file: JSON Lines that anybody with the public key can verify without this provider.

The first line says where it begins (`start`) and which keys sign; then come the events with their position, digest and
link, and after the event that it is about, each checkpoint.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from idp.audit.chain import AuditLink, find_chain, first_link
from idp.audit.checkpoints import Checkpoint, find_cut, list_checkpoints, parse_checkpoints, public_keys
from idp.audit.trail import CONTENT, NAMES, AuditEvent, canonical, digest_of, spell
from idp.audit.walk import Entry, Walk
from idp.db import db, release

BATCH = 5000


class NoExport(Exception):
    """A file that is not what `idp audit export` writes."""


def export(*, since: datetime | None = None, until: datetime | None = None) -> Iterator[dict[str, Any]]:
    """Return the lines of the chain's part between two moments, as dictionaries."""
    first, last = _bounds(since, until)
    before = first - 1
    yield {
        "start": {"position": before, "link": _link_at(before).hex()},
        "keys": {kid: public.hex() for kid, public in public_keys().items()},
    }
    signed: dict[int, list[Checkpoint]] = {}
    for checkpoint in list_checkpoints():
        signed.setdefault(checkpoint.position, []).append(checkpoint)
    release()
    while before < last:
        rows = db.session.execute(
            select(AuditLink.position, AuditLink.event_id, AuditLink.digest, AuditLink.link, *CONTENT)
            .join(AuditEvent, AuditEvent.id == AuditLink.event_id)
            .where(AuditLink.position > before, AuditLink.position <= last)
            .order_by(AuditLink.position)
            .limit(BATCH)
        ).all()
        release()
        if not rows:
            return
        for position, event_id, digest, link, *content in rows:
            event = dict(zip(NAMES, content, strict=True)) | {"at": spell(content[NAMES.index("at")])}
            yield {"position": position, "id": event_id, "digest": digest.hex(), "link": link.hex(), **event}
            yield from ({"checkpoint": asdict(one)} for one in signed.get(position, ()))
        before = rows[-1].position


def verify_export(lines: Iterable[str], keys: dict[str, bytes] | None = None) -> Walk:
    """Check an exported file; ``keys`` are the public keys to believe, else those in the file itself."""
    parsed = (_parse(line) for line in lines)
    try:
        head = next(parsed)
        rest = list(parsed)
        believed = keys or {kid: bytes.fromhex(public) for kid, public in head["keys"].items()}
        signed = parse_checkpoints(line["checkpoint"] for line in rest if "checkpoint" in line)
        start = head["start"]
        walk = Walk(start["position"], bytes.fromhex(start["link"]), signed, believed)
        for line in rest:
            if "checkpoint" not in line:
                walk.take(_entry(line))
    except (StopIteration, KeyError, TypeError, ValueError, AttributeError) as fault:
        raise NoExport(f"is not an export of the audit trail: {type(fault).__name__}") from fault
    walk.findings = walk.finish()
    return walk


def _parse(line: str) -> dict[str, Any]:
    value = json.loads(line)
    if not isinstance(value, dict):
        raise NoExport("holds a line that is not an object")
    return value


def _entry(line: dict[str, Any]) -> Entry:
    content = [line[name] for name in NAMES]
    content[NAMES.index("at")] = datetime.fromisoformat(line["at"])
    return Entry(
        line["position"],
        line["id"],
        bytes.fromhex(line["digest"]),
        bytes.fromhex(line["link"]),
        digest_of(canonical(content)),
    )


def _bounds(since: datetime | None, until: datetime | None) -> tuple[int, int]:
    """Return the first and the last position of what was written between two moments."""
    cut = find_cut()
    places = select(func.min(AuditLink.position), func.max(AuditLink.position)).where(
        AuditLink.position > (cut.position if cut else 0)
    )
    if since is not None or until is not None:
        places = places.join(AuditEvent, AuditEvent.id == AuditLink.event_id)
    if since is not None:
        places = places.where(AuditEvent.at >= since)
    if until is not None:
        places = places.where(AuditEvent.at < until)
    first, last = db.session.execute(places).one()
    return (first, last) if first is not None else (1, 0)


def _link_at(position: int) -> bytes:
    found = db.session.scalar(select(AuditLink.link).where(AuditLink.position == position))
    if found is not None:
        return found
    chain, cut = find_chain(), find_cut()
    return cut.link if cut is not None else first_link(chain.begins_after if chain else 0)
