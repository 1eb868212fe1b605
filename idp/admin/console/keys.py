"""Signing keys in the console: their calendar, who has fetched the next one, the next step, and the emergency."""

from flask import Response, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.admin import actions
from idp.admin.changes import list_changes
from idp.admin.console.pages import show
from idp.admin.entry import blueprint, current_actor, need
from idp.admin.faults import NotFound
from idp.admin.key_acts import describe_calendar
from idp.signin.forms import one_field

# What each form says besides why.
_CHOICE = {"rotate": "anyway", "revoke": "keep_next"}


@blueprint.get("/keys")
def keys_page() -> Response:
    """Show the keys of each algorithm."""
    need("keys.read")
    return show("keys", calendar=describe_calendar(), changes=list_changes(acts="key", limit=10))


@blueprint.get("/keys/<alg>/rotate", defaults={"act": "rotate"})
@blueprint.get("/keys/<alg>/revoke", defaults={"act": "revoke"})
def key_act_page(alg: str, act: str) -> Response:
    """Say what an act breaks, and ask why."""
    need("keys.rotate")
    found = next((one for one in describe_calendar() if one["alg"] == alg), None)
    if found is None:
        raise NotFound("no keys of this algorithm")
    return show("key_act", keys=found, act=act)


@blueprint.post("/keys/<alg>/<any(rotate,revoke):act>")
def key_act(alg: str, act: str) -> BaseResponse:
    """Do the next step, or revoke; mostly it waits for a second person."""
    given = {_CHOICE[act]: one_field(_CHOICE[act]) == "yes"}
    done = actions.perform(
        current_actor(), f"key.{act}", alg, given, now=clock.now(), reason=one_field("reason"),
        emergency=one_field("emergency") == "yes",
    )  # fmt: skip
    to = f"/admin/changes/{done.change.id}" if done.is_waiting and done.change else "/admin/keys"
    return redirect(to, 303)
