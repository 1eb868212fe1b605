"""What an auditor may look at of the trail, the same for every surface; each look is an event of the trail itself."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field

from idp import clock
from idp.admin.actors import Actor
from idp.admin.faults import Conflict, Invalid, NotFound, TooOften
from idp.admin.naming import accounts_named, parse_identifier
from idp.admin.schema import Line, Strict
from idp.admin.support import parse_reference, spend_view
from idp.audit import events
from idp.audit.chain import find_chain, measure_lag
from idp.audit.checkpoints import AuditCheckpoint, find_cut, find_head
from idp.audit.search import Wanted, describe, search
from idp.audit.trail import spell
from idp.audit.verify import find_restores

_PLAIN = r"^[A-Za-z0-9._~:-]*$"


def _in_reach(moment: datetime) -> datetime:
    if not 2000 <= moment.year <= 2200:
        raise ValueError("a year from 2000 to 2200")
    return moment.astimezone(UTC)


def _opaque(text: str) -> str:
    # What is searched by stands in an address, and addresses in logs (AC-214).
    if parse_identifier(text) is not None:
        raise ValueError("names a person")
    return text


def _spoken(text: str) -> str:
    reference = parse_reference(text) if text else ""
    if reference is None:
        raise ValueError("such as 7KQ-4MX")
    return reference


MomentAsked = Annotated[AwareDatetime, AfterValidator(_in_reach)]
Word = Annotated[str, AfterValidator(_opaque)]


class TrailAsked(Strict):
    """Which events; what is absent is not asked about."""

    limit: int = Field(default=50, ge=1, le=1000)
    after: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,17}$", description="the id of the last one seen")
    reference: Annotated[str, AfterValidator(_spoken)] = Field(
        default="", max_length=9, pattern=r"^[A-Za-z0-9-]*$", description="such as 7KQ-4MX"
    )
    account_id: Word = Field(default="", max_length=36, pattern=r"^[A-Za-z0-9_-]*$")
    client_id: Word = Field(default="", max_length=80, pattern=_PLAIN)
    administrator: Word = Field(default="", max_length=60, pattern=_PLAIN)
    event: Word = Field(default="", max_length=60, pattern=r"^[a-z0-9.-]*$", description="such as sign-in")
    since: MomentAsked | None = Field(default=None, description="inclusive")
    until: MomentAsked | None = Field(default=None, description="exclusive")


class PersonAsked(Strict):
    """A person, named exactly, in the body: a NIR or an address stands in no URL."""

    who: Line = Field(description="a NIR, an e-mail address or a mobile")


def search_trail(actor: Actor, asked: TrailAsked) -> dict[str, Any]:
    """Return the events that fit, the latest first, and where they go on. Whose trail was read stands in the trail."""
    wanted = Wanted(**asked.model_dump(exclude={"limit", "after"}))
    found = search(wanted, before=int(asked.after) if asked.after else None, limit=asked.limit + 1)
    shown = found[: asked.limit]
    events.audit_read(
        administrator=actor.name, surface=actor.surface, by=wanted.fields, found=len(shown),
        account_id=wanted.account_id or None,
    )  # fmt: skip
    return {"items": [describe(one) for one in shown], "next": str(shown[-1].id) if len(found) > len(shown) else None}


def name_person(actor: Actor, asked: PersonAsked) -> dict[str, Any]:
    """Return the account that an identifier names; raises `Invalid`, `NotFound`, `Conflict` or `TooOften`."""
    known = parse_identifier(asked.who)
    if known is None:
        raise Invalid("nothing that names an account", (("who", "a NIR, an e-mail address or a mobile"),))
    # Whoever could ask without end could find out who has an account.
    if not spend_view(actor, clock.now()):
        events.person_naming_throttled(administrator=actor.name, surface=actor.surface)
        raise TooOften("this auditor has asked for too many people in one hour")
    accounts = accounts_named(*known)
    account_id = accounts[0] if len(accounts) == 1 else None
    events.audit_person_named(administrator=actor.name, surface=actor.surface, by=known[0], account_id=account_id)
    if len(accounts) > 1:
        raise Conflict("several accounts have this")
    if account_id is None:
        raise NotFound("no such account")
    return {"account_id": account_id}


def view_chain(_actor: Actor, _asked: Strict) -> dict[str, Any]:
    """Return how far the chain goes, what was signed, cut and restored of it, and its last verification."""
    chain, (waiting, lag) = find_chain(), measure_lag(clock.now())
    last = next(iter(search(Wanted(event="audit-verified"), limit=1)), None)
    return {
        "position": chain.position if chain else 0,
        "waiting": waiting,
        "lag_seconds": round(lag / timedelta(seconds=1), 1),
        "checkpoint": _signed(find_head()),
        "cut": _signed(find_cut()),
        "restores": [{"position": one.position, "at": one.at} for one in find_restores()],
        "verified": {"at": spell(last.at), "outcome": last.outcome, **last.facts} if last else None,
    }


def _signed(row: AuditCheckpoint | None) -> dict[str, Any] | None:
    return None if row is None else {"position": row.position, "at": spell(row.at), "kid": row.kid}
