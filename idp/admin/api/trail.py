"""The audit trail over REST: search, the state of the chain, and which account a NIR names (never in an address)."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, Field

from idp.admin import trail_looks
from idp.admin.api.answers import Answer, Page
from idp.admin.api.shape import Call, Paged, Reply, Route
from idp.admin.faults import Invalid
from idp.admin.schema import Line, Strict
from idp.admin.support import parse_reference
from idp.audit.search import Wanted, describe

_WORD = r"^[A-Za-z0-9._~:-]*$"


def _in_reach(moment: datetime) -> datetime:
    if not 2000 <= moment.year <= 2200:
        raise ValueError("a year from 2000 to 2200")
    return moment.astimezone(UTC)


MomentAsked = Annotated[AwareDatetime, AfterValidator(_in_reach)]


class EventsAsked(Paged):
    """Which events; what is absent is not asked about."""

    after: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,17}$", description="the id of the last one seen")
    reference: str = Field(default="", max_length=9, pattern=r"^[A-Za-z0-9-]*$", description="such as 7KQ-4MX")
    account_id: str = Field(default="", max_length=36, pattern=r"^[A-Za-z0-9_-]*$")
    client_id: str = Field(default="", max_length=80, pattern=_WORD)
    administrator: str = Field(default="", max_length=60, pattern=_WORD)
    event: str = Field(default="", max_length=60, pattern=r"^[a-z0-9.-]*$", description="such as sign-in")
    since: MomentAsked | None = Field(default=None, description="inclusive")
    until: MomentAsked | None = Field(default=None, description="exclusive")


class PersonAsked(Strict):
    """A person, in the body: a NIR stands in no address."""

    nir: Line


class Event(Answer):
    """One event of the trail: opaque ids and words."""

    id: int
    at: datetime
    event: str
    outcome: str
    reason: str | None
    account_id: str | None
    client_id: str | None
    administrator: str | None
    reference: str | None
    facts: dict[str, Any]


class Person(Answer):
    """The account of a person."""

    account_id: str


class Signed(Answer):
    """A signed checkpoint."""

    position: int
    at: datetime
    kid: str


class Verified(Answer):
    """A verification: `found` means that something was tampered with."""

    at: datetime
    outcome: str
    events: int
    findings: int


class Chain(Answer):
    """How far the chain goes, and what is known of it."""

    position: int
    waiting: int = Field(description="events that have no place yet")
    lag_seconds: float
    checkpoint: Signed | None
    verified: Verified | None = Field(description="by `idp audit verify`; null when it never ran")


def _events(call: Call) -> Reply:
    asked = call.query.model_dump()
    limit, after = asked.pop("limit"), asked.pop("after")
    if asked["reference"]:
        asked["reference"] = parse_reference(asked["reference"])
        if asked["reference"] is None:
            raise Invalid("no reference", (("reference", "such as 7KQ-4MX"),))
    found = trail_looks.search_trail(call.actor, Wanted(**asked), before=int(after) if after else None, limit=limit + 1)
    following = str(found[limit - 1].id) if len(found) > limit else None
    return Reply({"items": [describe(one) for one in found[:limit]], "next": following})


def _person(call: Call) -> Reply:
    return Reply({"account_id": trail_looks.name_person(call.actor, call.body.nir)})


def _chain(call: Call) -> Reply:
    return Reply(trail_looks.view_chain(call.actor, call.now))


ROUTES = (
    Route("GET", "/audit/events", "Search the audit trail, the latest first.", "audit.read", _events,
          {200: Page[Event]}, query=EventsAsked),
    Route("POST", "/audit/person", "Say which account a NIR names, to search by it.", "audit.read", _person,
          {200: Person}, body=PersonAsked),
    Route("GET", "/audit/chain", "Say how far the chain goes, and when it was last signed and verified.", "audit.read",
          _chain, {200: Chain}),
)  # fmt: skip
