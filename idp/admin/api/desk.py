"""The support desk over REST: the same cases, reasons, limits and traces as in the console, and as little to see."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from idp.accounts.contact_changes import KINDS
from idp.admin import support
from idp.admin.api.answers import Answer
from idp.admin.api.shape import Call, Reply, Route
from idp.admin.schema import Line, Strict
from idp.admin.support_view import plain, view_case


class CaseAsked(Strict):
    """An account, named exactly, in the body: a NIR or an address stands in no URL."""

    who: Line = Field(description="a reference such as 7KQ-4MX, a NIR, an e-mail address or a mobile")
    reason: Literal[support.REASONS]  # type: ignore[valid-type]
    ticket: str = Field(default="", pattern=r"^[A-Z]{0,6}-?[0-9]{0,8}$")


class AdviceAsked(Strict):
    """What the person wants to change."""

    kind: Literal[KINDS]  # type: ignore[valid-type]


class StandingAsked(Strict):
    """Why nobody shall sign in with the account, or why it is given back."""

    reason: Line = Field(min_length=10, description="for the history; nothing of the person")


class MaskedAccount(Answer):
    """An account: its address and number masked."""

    id: str
    status: str
    email: str | None
    email_verified_at: datetime | None
    mobile: str | None
    mobile_verified_at: datetime | None
    locale: str
    created_at: datetime
    password_changed_at: datetime | None


class PauseHeld(Answer):
    """A pause that holds now."""

    of: Literal["password", "code"]
    on_known_device: bool
    until: datetime | None = Field(description="null: until it is lifted")


class Send(Answer):
    """A message: neither where it went nor what it said."""

    channel: str
    purpose: str
    state: str
    answer_class: str | None
    created_at: datetime
    changed_at: datetime | None


class Happened(Answer):
    """One event."""

    at: datetime
    event: str
    outcome: str
    service: str | None


class Case(Answer):
    """Why a person cannot get in. Never ask them for a code or a password."""

    id: str = Field(description="of this case, open to whoever opened it for a quarter of an hour")
    reference: str
    account: MaskedAccount
    email_refuses: bool
    must_choose_password: bool
    asked: list[str] = Field(description="what waits for a second person: account.disable or account.enable")
    pauses: list[PauseHeld]
    sends: list[Send]
    passkeys: int
    devices: int
    authenticator: bool
    recovery_codes: int
    sign_ins: list[datetime]
    events: list[Happened]
    timeline: list[Happened] = Field(description="of the reference, when the case was opened by one")


def _view(case: support.Case, now: datetime) -> dict[str, Any]:
    return {"id": case.id, "reference": case.reference, **plain(view_case(case, now))}


def _open(call: Call) -> Reply:
    asked = call.body
    case = support.open_case(call.actor, asked.who, reason=asked.reason, ticket=asked.ticket, now=call.now)
    return Reply(_view(case, call.now), 201)


def _show(call: Call) -> Reply:
    return Reply(_view(support.get_case(call.actor, call.path["case_id"]), call.now))


def _lift(call: Call) -> Reply:
    case = support.get_case(call.actor, call.path["case_id"])
    support.lift_pauses(call.actor, case, call.now)
    return Reply(_view(case, call.now))


def _advise(call: Call) -> Reply:
    case = support.get_case(call.actor, call.path["case_id"])
    support.advise_change(call.actor, case, call.body.kind, call.now)
    return Reply(_view(case, call.now))


def _standing(word: support.Word) -> Callable[[Call], Reply]:
    def ask(call: Call) -> Reply:
        case = support.get_case(call.actor, call.path["case_id"])
        done = support.ask_standing(call.actor, case, word, call.body.reason, call.now)
        return Reply(_view(case, call.now), 202 if done.is_waiting else 200)

    return ask


_CASE = "/support/cases/<case_id>"
_TOO_OFTEN = {429: "Too often: by this adviser, or for this account."}
ROUTES = (
    Route("POST", "/support/cases", "Open an account that somebody named exactly, with a reason.", "support.read",
          _open, {201: Case}, body=CaseAsked, refusals=_TOO_OFTEN),
    Route("GET", _CASE, "Show why the person cannot get in, masked.", "support.read", _show, {200: Case}),
    Route("POST", f"{_CASE}/lift", "Lift the pauses of the account, and tell its holder.", "support.act", _lift,
          {200: Case}, body=Strict, refusals=_TOO_OFTEN),
    Route("POST", f"{_CASE}/advise", "Write to the person how they change their address or number themselves.",
          "support.act", _advise, {200: Case}, body=AdviceAsked, refusals=_TOO_OFTEN),
    Route("POST", f"{_CASE}/disable", "Ask that nobody may sign in with the account.", "accounts.disable",
          _standing("disable"), {200: Case, 202: Case}, body=StandingAsked, refusals=_TOO_OFTEN),
    Route("POST", f"{_CASE}/enable", "Ask that the account is given back.", "accounts.disable",
          _standing("enable"), {200: Case, 202: Case}, body=StandingAsked, refusals=_TOO_OFTEN),
)  # fmt: skip
