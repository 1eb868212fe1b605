"""Tokens of the REST interface in the console: one's own, made, shown once, revoked."""

from flask import Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.admin import tokens
from idp.admin.console.pages import field_errors, show
from idp.admin.entry import blueprint, current_actor
from idp.admin.faults import Invalid
from idp.admin.redirect_lines import read_lines
from idp.admin.schema import read_body
from idp.db import db
from idp.signin.forms import FieldError, one_field


@blueprint.get("/tokens")
def tokens_page() -> Response:
    """List one's own tokens."""
    return _tokens()


@blueprint.post("/tokens")
def token_make() -> BaseResponse:
    """Make a token and show it once."""
    days = one_field("days")
    given = {
        "label": one_field("label").strip(),
        "scopes": request.form.getlist("scopes"),
        "networks": read_lines(one_field("networks")),
        "days": int(days) if days.isascii() and days.isdecimal() and len(days) < 4 else 0,
        "service": one_field("service") == "yes",
    }
    try:
        token, value = tokens.issue_token(current_actor(), read_body(tokens.TokenAsked, given), clock.now())
    except Invalid as refusal:
        return _tokens(422, errors=field_errors(refusal))
    label = token.label
    db.session.commit()
    return show("shown", what="token", value=value, about=label, back="/tokens")


@blueprint.post("/tokens/revoke")
def token_revoke() -> BaseResponse:
    """Revoke a token of one's own."""
    tokens.revoke_token(current_actor(), one_field("token"), clock.now())
    db.session.commit()
    return redirect("/admin/tokens", 303)


def _tokens(status: int = 200, errors: list[FieldError] | None = None) -> Response:
    who = current_actor()
    found = [tokens.describe_token(one) for one in tokens.list_tokens(who.name)]
    return show("tokens", status, tokens=found, scopes=sorted(who.permissions), now=clock.now(), errors=errors or [])
