"""Changes in the console: what waits for a second person, one change with its difference, and the decision on it."""

from flask import Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.admin import actions
from idp.admin.changes import STATES, find_change, list_changes
from idp.admin.console.pages import show
from idp.admin.entry import blueprint, current_actor
from idp.admin.faults import Forbidden, NotFound
from idp.admin.people_acts import get_administrator

_DECISIONS = {
    "approve": actions.approve, "refuse": actions.refuse, "withdraw": actions.withdraw, "review": actions.review,
}  # fmt: skip


@blueprint.get("/changes")
def changes_page() -> Response:
    """List changes, those that wait first of all."""
    _need_to_see()
    asked = request.args.get("state", "waiting")
    state = asked if asked in STATES else None
    return show("changes", changes=list_changes(state=state, limit=50, after=request.args.get("after")), state=state)


@blueprint.get("/changes/<change_id>")
def change_page(change_id: str) -> Response:
    """Show a change with its difference, and who may decide it."""
    who, change = current_actor(), find_change(change_id)
    if change is None or not actions.is_own(who, change):
        _need_to_see()
    if change is None:
        raise NotFound("no such change")
    return show(
        "change",
        change=change,
        may_decide=actions.may_decide(who, change),
        is_own=actions.is_own(who, change),
        may_review=actions.may_review(who, change),
        done=request.args.get("done"),
    )


@blueprint.post("/changes/<change_id>/<any(approve,refuse,withdraw,review):decision>")
def change_decide(change_id: str, decision: str) -> BaseResponse:
    """Decide a change; what is made only now is shown only now."""
    done = _DECISIONS[decision](current_actor(), change_id, now=clock.now())
    password = done.shown_once.get("enrolment_password")
    if password and done.change is not None:
        name = get_administrator(done.change.target).name
        return show("shown", what="password", value=password, about=name, back=f"/changes/{change_id}")
    return redirect(f"/admin/changes/{change_id}?done={decision}", 303)


def _need_to_see() -> None:
    who = current_actor()
    if not (who.may("clients.read") or who.may("administrators.read")):
        raise Forbidden("needs the permission clients.read")
