"""Channels and banner in the console: what is off, what every page says, and who wanted it."""

from typing import Any

from flask import Response, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.admin import actions
from idp.admin.changes import list_changes
from idp.admin.console.pages import field_errors, show
from idp.admin.entry import blueprint, current_actor, need
from idp.admin.faults import Invalid, NotFound
from idp.admin.operation_acts import BANNER, describe_operations
from idp.signin.forms import FieldError, one_field

_FIELDS = ("fr", "en", "begins_at", "ends_at")


@blueprint.get("/operations")
def operations_page() -> Response:
    """Show which channels are off, and the banner."""
    need("operations.read")
    return _operations([], 200, {})


@blueprint.get("/operations/channels/<channel>")
def channel_page(channel: str) -> Response:
    """Say what becomes of visitors when a channel is off."""
    need("operations.read")
    found = next((one for one in describe_operations(clock.now())["channels"] if one["name"] == channel), None)
    if found is None:
        raise NotFound("no such channel")
    return show("channel", channel=found, changes=list_changes(acts="channel", target=channel, limit=10))


@blueprint.post("/operations/channels/<channel>/<any(off,on):act>")
def channel_switch(channel: str, act: str) -> BaseResponse:
    """Switch a channel off, or on again."""
    return _after(actions.perform(current_actor(), f"channel.{act}", channel, {}, **_how()))


@blueprint.post("/operations/banner")
def banner_put() -> BaseResponse:
    """Put up a banner."""
    given = {name: one_field(name).strip() for name in _FIELDS}
    try:
        return _after(actions.perform(current_actor(), "banner.set", BANNER, given, **_how()))
    except Invalid as refusal:
        return _operations(field_errors(refusal), refusal.status, given)


@blueprint.post("/operations/banner/remove")
def banner_remove() -> BaseResponse:
    """Take the banner down."""
    return _after(actions.perform(current_actor(), "banner.remove", BANNER, {}, **_how()))


def _how() -> dict[str, Any]:
    return {"now": clock.now(), "reason": one_field("reason"), "emergency": one_field("emergency") == "yes"}


def _after(done: actions.Done) -> BaseResponse:
    to = f"/admin/changes/{done.change.id}" if done.is_waiting and done.change else "/admin/operations"
    return redirect(to, 303)


def _operations(errors: list[FieldError], status: int, typed: dict[str, str]) -> Response:
    found = describe_operations(clock.now())
    history = [*list_changes(acts="channel", limit=5), *list_changes(acts="banner", limit=5)]
    history.sort(key=lambda change: change.created_at, reverse=True)
    return show("operations", status, errors=errors, **found, typed=typed, changes=history)
