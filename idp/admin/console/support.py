"""The support desk in the console: one form to open an account, one page to see it, two buttons."""

from flask import Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.accounts.contact_changes import KINDS
from idp.admin import support
from idp.admin.console.pages import show
from idp.admin.entry import blueprint, current_actor, need
from idp.admin.faults import Conflict, Invalid, NotFound, Refused, TooOften
from idp.admin.support_view import OUTCOMES, view_case
from idp.db import release
from idp.signin.forms import FieldError, error, one_field

# Beside which field a refusal stands, and in which words.
_FAULTS: dict[type[Refused], tuple[str, str]] = {
    NotFound: ("who", "support.e.not_found"),
    Conflict: ("who", "support.e.several"),
    TooOften: ("who", "support.e.too_often"),
}
_STANDING_FAULTS: dict[type[Refused], str] = {
    Invalid: "support.e.why",
    TooOften: "support.e.again",
    Conflict: "support.e.standing",
}
_SAID = ("lifted", "advised", "disabled", "enabled", "asked")


@blueprint.get("/support")
def support_page() -> Response:
    """Ask for an account, and why."""
    need("support.read")
    return _form([], 200)


@blueprint.post("/support")
def support_open() -> BaseResponse:
    """Open the account that was named exactly; nothing that was typed comes back in a page or an address."""
    need("support.read")
    reason, ticket = one_field("reason"), one_field("ticket").strip().upper()
    try:
        case = support.open_case(current_actor(), one_field("who"), reason=reason, ticket=ticket, now=clock.now())
    except (Invalid, NotFound, Conflict, TooOften) as refusal:
        return _form(_errors(refusal), refusal.status, reason=reason)
    return redirect(f"/admin/support/{case.id}", 303)


@blueprint.get("/support/<case_id>")
def support_case(case_id: str) -> Response:
    """Show why the person cannot get in."""
    need("support.read")
    return _case(case_id, [], 200)


@blueprint.post("/support/<case_id>/lift")
def support_lift(case_id: str) -> BaseResponse:
    """Lift the pauses."""
    need("support.act")
    actor = current_actor()
    try:
        support.lift_pauses(actor, support.get_case(actor, case_id), clock.now())
    except TooOften as refusal:
        return _case(case_id, [error("support-lift", "support.e.again")], refusal.status)
    return redirect(f"/admin/support/{case_id}?lifted", 303)


@blueprint.post("/support/<case_id>/advise")
def support_advise(case_id: str) -> BaseResponse:
    """Write to the person how they change their address or number."""
    need("support.act")
    actor, kind = current_actor(), next((kind for kind in KINDS if kind == one_field("kind")), None)
    if kind is None:
        return _case(case_id, [error("support-advise-email", "support.e.kind")], 422)
    try:
        support.advise_change(actor, support.get_case(actor, case_id), kind, clock.now())
    except (TooOften, Conflict) as refusal:
        text = "support.e.again" if isinstance(refusal, TooOften) else "support.e.nowhere"
        return _case(case_id, [error(f"support-advise-{kind}", text)], refusal.status)
    return redirect(f"/admin/support/{case_id}?advised", 303)


@blueprint.post("/support/<case_id>/<any(disable,enable):word>")
def support_standing(case_id: str, word: support.Word) -> BaseResponse:
    """Ask that nobody may sign in with the account, or that it is given back."""
    need("accounts.disable")
    actor = current_actor()
    try:
        done = support.ask_standing(actor, support.get_case(actor, case_id), word, one_field("why"), clock.now())
    except (Invalid, TooOften, Conflict) as refusal:
        return _case(case_id, [error("support-why", _STANDING_FAULTS[type(refusal)])], refusal.status)
    return redirect(f"/admin/support/{case_id}?{'asked' if done.is_waiting else f'{word}d'}", 303)


def _form(errors: list[FieldError], status: int, *, reason: str = "") -> Response:
    return show("support", status, errors=errors, reasons=support.REASONS, chosen=reason)


def _case(case_id: str, errors: list[FieldError], status: int) -> Response:
    actor, now = current_actor(), clock.now()
    case = support.get_case(actor, case_id)
    view = view_case(case, now)
    release()
    said = next((word for word in _SAID if word in request.args and not errors), None)
    return show(
        "support_case", status, errors=errors, case=case, view=view, said=said, outcomes=OUTCOMES,
        may_act=actor.may("support.act"), may_disable=actor.may("accounts.disable"),
    )  # fmt: skip


def _errors(refusal: Refused) -> list[FieldError]:
    if isinstance(refusal, Invalid):
        return [error(name, f"support.e.{name}") for name, _text in refusal.faults]
    return [error(*_FAULTS[type(refusal)])]
