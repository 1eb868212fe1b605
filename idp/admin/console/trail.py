"""The audit trail in the console: one form to search it, its events one by one, and the state of its chain."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from flask import Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp.admin.console.pages import show
from idp.admin.entry import blueprint, current_actor, need
from idp.admin.faults import Conflict, Invalid, NotFound, Refused, TooOften
from idp.admin.looks import look
from idp.admin.operation_acts import parse_moment
from idp.admin.schema import read_body
from idp.admin.support_view import GLOSSARY, OUTCOMES
from idp.admin.trail_looks import TrailAsked
from idp.db import release
from idp.signin.forms import FieldError, error, one_field

# The words of the form, in its order, and its moments; `who` names a person and comes back in no page and no address.
WORDS: Final = ("account_id", "reference", "event", "client_id", "administrator")
MOMENTS: Final = ("since", "until")
_AT_ONCE = 25
_FAULTS: dict[type[Refused], str] = {
    NotFound: "trail.e.not_found",
    Conflict: "trail.e.several",
    TooOften: "trail.e.too_often",
}


@blueprint.get("/trail")
def trail_page() -> Response:
    """Ask for events, and see how the chain is."""
    need("audit.read")
    return _page({})


@blueprint.post("/trail")
def trail_ask() -> BaseResponse:
    """Turn what was typed into an address; of a person, only the id of their account stands there (AC-214)."""
    need("audit.read")
    typed = {name: one_field(name).strip() for name in (*WORDS, *MOMENTS)}
    try:
        _read(typed)
        typed["account_id"] = _account_of(one_field("who").strip()) or typed["account_id"]
    except (Invalid, NotFound, Conflict, TooOften) as refusal:
        return _page(typed, refusal)
    return redirect(f"/admin/trail/events?{urlencode({name: value for name, value in typed.items() if value})}", 303)


@blueprint.get("/trail/events")
def trail_events() -> Response:
    """Show events, the latest first."""
    need("audit.read")
    typed = {name: request.args.get(name, "") for name in (*WORDS, *MOMENTS, "after")}
    try:
        found = look(current_actor(), "trail.search", given=_read(typed).model_dump())
    except Invalid as refusal:
        return _page(typed, refusal)
    return _page(typed, found=found)


def _read(typed: Mapping[str, str]) -> TrailAsked:
    given: dict[str, Any] = {name: value for name, value in typed.items() if value}
    for name in MOMENTS:
        if name in given:
            given[name] = parse_moment(name, given[name])
    return read_body(TrailAsked, {**given, "limit": _AT_ONCE})


def _account_of(who: str) -> str:
    return str(look(current_actor(), "trail.person", given={"who": who})["account_id"]) if who else ""


def _page(typed: Mapping[str, str], refusal: Refused | None = None, found: Mapping[str, Any] | None = None) -> Response:
    errors = _errors(refusal) if refusal else []
    # What was refused may be somebody's number in the wrong field.
    wrong = {one.field for one in errors}
    kept = {name: value for name, value in typed.items() if value and name != "after" and name not in wrong}
    chain = look(current_actor(), "trail.chain") if found is None else None
    release()
    further = urlencode({**kept, "after": found["next"]}) if found and found["next"] else None
    return show(
        "trail", refusal.status if refusal else 200, errors=errors, typed=kept, words=WORDS, moments=MOMENTS,
        chain=chain, found=None if found is None else [_readable(one) for one in found["items"]], further=further,
        glossary=GLOSSARY, outcomes=OUTCOMES,
    )  # fmt: skip


def _readable(event: Mapping[str, Any]) -> dict[str, Any]:
    return {**event, "moment": datetime.fromisoformat(event["at"])}


def _errors(refusal: Refused) -> list[FieldError]:
    if isinstance(refusal, Invalid):
        named = dict.fromkeys(name for name, _text in refusal.faults if name in (*WORDS, *MOMENTS, "who"))
        return [error(name, f"trail.e.{name}") for name in named] or [error("event", "trail.e.event")]
    return [error("who", _FAULTS[type(refusal)])]
