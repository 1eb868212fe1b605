"""The second step with what a person has at hand: a code of an app, or one of the recovery codes on paper.

Both are offered beside the codes that are sent, count on the same account, and pause with them.
"""

from flask import request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from idp import clock, metrics
from idp.messages import outbox
from idp.messages.compose import label_device
from idp.mfa.overview import Overview
from idp.mfa.recovery_codes import use_recovery_code
from idp.mfa.totp import check_totp
from idp.mfa.typed_code import LONGEST_BYTES, CodeFault, parse_code
from idp.signin.forms import FieldError, error, one_field
from idp.signin.journey import Facts
from idp.signin.walk import enter, onward, prove
from idp.web import PageError, check_csrf, page

# The steps at which they may be used instead of what is shown.
_STEPS = ("passkey", "authenticator", "factor", "recovery", "send", "code")


def show_authenticator(interaction_id: str) -> Response:
    """Ask for a code of the app."""
    return _authenticator_form(_enter(interaction_id, "totp"), [], 200)


def submit_authenticator(interaction_id: str) -> Response:
    """Check a code of the app."""
    now, facts = clock.now(), _enter(interaction_id, "totp")
    check_csrf(facts.interaction.id)
    typed, account_id = _typed("code"), _account(facts).id
    try:
        digits = parse_code(typed)
    except CodeFault as fault:
        return _authenticator_form(facts, [error("code", f"e.code.{fault.reason}", n=fault.length)], 422)
    outcome = check_totp(account_id, digits, lane=facts.lane, now=now)
    metrics.LOGIN_STEP.labels("authenticator", outcome).inc()
    if outcome == "ok":
        return onward(prove(facts.interaction, "totp", now))
    if outcome == "wrong":
        return _authenticator_form(facts, [error("code", "e.totp.wrong")], 422)
    return onward(facts.interaction)


def show_recovery(interaction_id: str) -> Response:
    """Ask for a recovery code."""
    return _recovery_form(_enter(interaction_id, "recovery"), [], 200)


def submit_recovery(interaction_id: str) -> Response:
    """Use a recovery code up."""
    now, facts = clock.now(), _enter(interaction_id, "recovery")
    check_csrf(facts.interaction.id)
    typed, account = _typed("recovery-code"), _account(facts)
    device, lane = label_device(request.user_agent.string), facts.lane
    if not typed.strip():
        return _recovery_form(facts, [error("recovery-code", "e.recovery.empty")], 422)
    outcome = use_recovery_code(account, typed, lane=lane, device=device, now=now)
    metrics.LOGIN_STEP.labels("recovery", outcome).inc()
    if outcome == "ok":
        outbox.wake()
        return onward(prove(facts.interaction, "recovery", now))
    if outcome in {"wrong", "form"}:
        return _recovery_form(facts, [error("recovery-code", f"e.recovery.{outcome}")], 422)
    return onward(facts.interaction)


def _enter(interaction_id: str, factor: str) -> Facts:
    facts = enter(interaction_id, *_STEPS)
    if factor not in facts.factors:
        raise PageError("not_found", 404, f"no {factor} is offered here")
    return facts


def _typed(field: str) -> str:
    typed = one_field(field)
    if len(typed.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise BadRequest("code field too long")
    return typed


def _account(facts: Facts) -> Overview:
    if facts.account is None:
        raise ValueError("this step needs an account")
    return facts.account


def _authenticator_form(facts: Facts, errors: list[FieldError], status: int) -> Response:
    context = {"errors": errors, "others": bool(facts.channels or len(facts.factors) > 1)}
    return page("signin/authenticator.html", status, interaction=facts.interaction.id, **context)


def _recovery_form(facts: Facts, errors: list[FieldError], status: int) -> Response:
    context = {"errors": errors, "others": bool(facts.channels or len(facts.factors) > 1)}
    return page("signin/recovery.html", status, interaction=facts.interaction.id, **context)
