"""Administrators in the console: who there is, their roles, and shutting somebody out."""

from flask import Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.admin import actions
from idp.admin.administrators import describe_administrator, list_administrators
from idp.admin.console.pages import field_errors, show
from idp.admin.entry import blueprint, current_actor, need
from idp.admin.faults import Invalid
from idp.admin.people_acts import get_administrator
from idp.admin.roles import ROLES
from idp.signin.forms import FieldError, one_field


@blueprint.get("/administrators")
def people_page() -> Response:
    """List administrators, and say what each role allows."""
    need("administrators.read")
    return _people()


@blueprint.post("/administrators")
def people_add() -> BaseResponse:
    """Add somebody, or ask a second person to."""
    name, given = one_field("name").strip(), {"roles": request.form.getlist("roles")}
    try:
        done = actions.perform(
            current_actor(), "administrator.add", name, given, now=clock.now(), reason=one_field("reason")
        )
    except Invalid as refusal:
        return _people(422, errors=field_errors(refusal))
    return _after(done, name)


@blueprint.get("/administrators/<name>")
def person_page(name: str) -> Response:
    """Show an administrator, with what can be changed."""
    need("administrators.read")
    return show("person", person=describe_administrator(get_administrator(name)), roles=list(ROLES))


@blueprint.post("/administrators/<name>/<any(roles,disable,enable,enrol):act>")
def person_change(name: str, act: str) -> BaseResponse:
    """Change roles, shut out, let back in, or have a passkey enrolled anew."""
    given = {"roles": request.form.getlist("roles")} if act == "roles" else {}
    done = actions.perform(
        current_actor(), f"administrator.{act}", name, given, now=clock.now(), reason=one_field("reason")
    )
    return _after(done, name)


def _after(done: actions.Done, name: str) -> BaseResponse:
    password = done.shown_once.get("enrolment_password")
    if password:
        return show("shown", what="password", value=password, about=name, back=f"/administrators/{name}")
    if done.is_waiting and done.change is not None:
        return redirect(f"/admin/changes/{done.change.id}", 303)
    return redirect(f"/admin/administrators/{name}", 303)


def _people(status: int = 200, errors: list[FieldError] | None = None) -> Response:
    people = [describe_administrator(one) for one in list_administrators()]
    return show("people", status, people=people, roles=ROLES, errors=errors or [])
