"""Settings in the console: the limits that may be changed while it runs, and all settings as they are in force."""

import os

from flask import Response, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.admin import actions
from idp.admin.changes import list_changes
from idp.admin.console.pages import field_errors, show
from idp.admin.effective import describe_settings, sections
from idp.admin.entry import blueprint, current_actor, need
from idp.admin.faults import Invalid, NotFound
from idp.admin.limit_acts import describe_limits
from idp.settings import current_settings
from idp.signin.forms import FieldError, one_field


@blueprint.get("/settings")
def settings_page() -> Response:
    """Show what may be changed, and the sections of all settings."""
    need("operations.read")
    return show("settings", limits=describe_limits(), sections=sections())


@blueprint.get("/settings/<name>")
def settings_section_page(name: str) -> Response:
    """Show the settings of one section as they are in force."""
    need("operations.read")
    if name not in sections():
        raise NotFound("no such section")
    return show("settings_section", name=name, settings=describe_settings(current_settings(), os.environ, section=name))


@blueprint.get("/limits/<name>")
def limit_page(name: str) -> Response:
    """Show a limit, its bounds and its history."""
    need("operations.read")
    return _limit(name, [], 200)


@blueprint.post("/limits/<name>")
def limit_set(name: str) -> BaseResponse:
    """Change a limit; what keeps less out waits for a second person."""
    typed = one_field("value").strip()
    given = {"value": int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 8 else -1}
    try:
        return _after(name, actions.perform(
            current_actor(), "limit.set", name, given, now=clock.now(), reason=one_field("reason"),
            emergency=one_field("emergency") == "yes",
        ))  # fmt: skip
    except Invalid as refusal:
        return _limit(name, field_errors(refusal), refusal.status)


@blueprint.post("/limits/<name>/reset")
def limit_reset(name: str) -> BaseResponse:
    """Let the setting's own value hold again."""
    return _after(name, actions.perform(current_actor(), "limit.reset", name, {}, now=clock.now()))


def _after(name: str, done: actions.Done) -> BaseResponse:
    to = f"changes/{done.change.id}" if done.is_waiting and done.change else f"limits/{name}"
    return redirect(f"/admin/{to}", 303)


def _limit(name: str, errors: list[FieldError], status: int) -> Response:
    found = next((one for one in describe_limits() if one["name"] == name), None)
    if found is None:
        raise NotFound("no such limit")
    return show(
        "limit", status, errors=errors, limit=found, changes=list_changes(acts="limit", target=name, limit=10)
    )  # fmt: skip
