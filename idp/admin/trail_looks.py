"""What an auditor may look at of the trail, the same for every surface; each look is an event of the trail itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from idp.accounts import directory, nir
from idp.admin.actors import Actor
from idp.admin.faults import Invalid, NotFound
from idp.audit import AuditEvent, events
from idp.audit.chain import find_chain, measure_lag
from idp.audit.checkpoints import list_checkpoints
from idp.audit.search import Wanted, search

_PERMISSION = "audit.read"


def search_trail(actor: Actor, wanted: Wanted, *, before: int | None = None, limit: int = 50) -> Sequence[AuditEvent]:
    """Return the events that fit, the latest first; raises `Forbidden`. Whose trail was read stands in the trail."""
    actor.require(_PERMISSION)
    found = search(wanted, before=before, limit=limit)
    events.audit_read(
        administrator=actor.name, surface=actor.surface, by=wanted.fields, found=len(found),
        account_id=wanted.account_id or None,
    )  # fmt: skip
    return found


def name_person(actor: Actor, typed: str) -> str:
    """Return the account that a NIR names; raises `Forbidden`, `Invalid` or `NotFound`."""
    actor.require(_PERMISSION)
    try:
        account = directory.find_account_by_nir(nir.parse_nir(typed))
    except nir.NirFault:
        raise Invalid("no NIR", (("nir", "13 characters, or 15 with the key"),)) from None
    events.audit_person_named(
        administrator=actor.name, surface=actor.surface, account_id=account.id if account else None
    )
    if account is None:
        raise NotFound("no such account")
    return account.id


def view_chain(actor: Actor, now: datetime) -> dict[str, Any]:
    """Return how far the chain goes, its last signed checkpoint, and the last verification; raises `Forbidden`."""
    actor.require(_PERMISSION)
    chain, (waiting, lag) = find_chain(), measure_lag(now)
    heads = [one for one in list_checkpoints() if one.kind == "head"]
    last = next(iter(search(Wanted(event="audit-verified"), limit=1)), None)
    return {
        "position": chain.position if chain else 0,
        "waiting": waiting,
        "lag_seconds": round(lag / timedelta(seconds=1), 1),
        "checkpoint": {"position": heads[-1].position, "at": heads[-1].at, "kid": heads[-1].kid} if heads else None,
        "verified": {"at": last.at, "outcome": last.outcome, **last.facts} if last else None,
    }
