"""The second step with the factor of a plug-in: one field, its own words, everything else as for the others."""

from flask import redirect
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from idp import clock, metrics
from idp.mfa.plugged import LONGEST, check_plugged, plugged
from idp.mfa.second_factor import FactorAway
from idp.signin.forms import FieldError, error, one_field
from idp.signin.journey import Facts
from idp.signin.walk import enter, onward, prove
from idp.web import PageError, check_csrf, page

# The steps at which it may be used instead of what is shown.
_STEPS = ("passkey", "authenticator", "factor", "recovery", "send", "code")


def show_first(interaction_id: str) -> Response:
    """Lead to the first of several, where nothing else is left."""
    facts = enter(interaction_id, "factor")
    return redirect(f"/signin/{facts.interaction.id}/factor/{facts.plugged[0]}", 303)


def show(interaction_id: str, name: str) -> Response:
    """Ask for it."""
    return _form(_enter(interaction_id, name), name, [], 200)


def submit(interaction_id: str, name: str) -> Response:
    """Let the plug-in judge it."""
    now, facts = clock.now(), _enter(interaction_id, name)
    check_csrf(facts.interaction.id)
    typed = one_field("code").strip()
    if len(typed) > LONGEST:
        raise BadRequest("field too long")
    if not typed or facts.account is None:
        return _form(facts, name, [error("code", "e.factor.empty")], 422)
    try:
        outcome = check_plugged(name, facts.account.id, typed, lane=facts.lane, now=now)
    except FactorAway as fault:
        raise PageError("unavailable", 503, f"factor {name} away: {fault}") from None
    metrics.LOGIN_STEP.labels("factor", outcome).inc()
    if outcome == "ok":
        return onward(prove(facts.interaction, name, now))
    if outcome == "wrong":
        return _form(facts, name, [error("code", f"factor.{name}.wrong")], 422)
    return onward(facts.interaction)


def _enter(interaction_id: str, name: str) -> Facts:
    facts = enter(interaction_id, *_STEPS)
    if name not in facts.plugged or name not in plugged():
        raise PageError("not_found", 404, "no such factor is offered here")
    return facts


def _form(facts: Facts, name: str, errors: list[FieldError], status: int) -> Response:
    context = {"name": name, "errors": errors, "others": bool(facts.channels or len(facts.factors) > 1)}
    return page("signin/factor.html", status, interaction=facts.interaction.id, **context)
