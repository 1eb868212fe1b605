"""The audit trail over REST: search, the state of the chain, and which account an identifier names (never in a URL)."""

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from idp.admin.api.answers import Answer, Page
from idp.admin.api.shape import Call, Paged, Reply, Route
from idp.admin.looks import look
from idp.admin.trail_looks import PersonAsked, TrailAsked


class EventsAsked(Paged, TrailAsked):
    """Which events, as an address says it; what is absent is not asked about."""

    # Every parameter of an address is text at first.
    model_config = ConfigDict(strict=False)

    after: str | None = Field(default=None, pattern=r"^[1-9][0-9]{0,17}$", description="the id of the last one seen")


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


class Restored(Answer):
    """A backup that was restored: what came after the position before that moment is not in the trail."""

    position: int
    at: datetime


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
    cut: Signed | None = Field(description="what was up to here was forgotten for its age; null when nothing was")
    restores: list[Restored]
    verified: Verified | None = Field(description="by `idp audit verify`; null when it never ran")


def _events(call: Call) -> Reply:
    return Reply(look(call.actor, "trail.search", given=call.query.model_dump()))


def _person(call: Call) -> Reply:
    return Reply(look(call.actor, "trail.person", given=call.body.model_dump()))


def _chain(call: Call) -> Reply:
    return Reply(look(call.actor, "trail.chain"))


ROUTES = (
    Route("GET", "/audit/events", "Search the audit trail, the latest first.", "audit.read", _events,
          {200: Page[Event]}, query=EventsAsked),
    Route("POST", "/audit/person", "Say which account an identifier names, to search by it.", "audit.read", _person,
          {200: Person}, body=PersonAsked, refusals={429: "Too many people in one hour."}),
    Route("GET", "/audit/chain", "Say how far the chain goes, and when it was last signed and verified.", "audit.read",
          _chain, {200: Chain}),
)  # fmt: skip
