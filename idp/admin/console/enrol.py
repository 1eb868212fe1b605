"""The pages on which an administrator enrols a first passkey; the only ones open to people who are not signed in."""

from flask import Response, jsonify, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, metrics
from idp.accounts.passwords import HashingBusy
from idp.admin import enrolment
from idp.admin.enrolment import Ticket
from idp.admin.entry import CSRF_SCOPE, OPEN_VIEWS, blueprint
from idp.db import db
from idp.messages.compose import label_device
from idp.mfa import passkeys
from idp.mfa.authenticators import suggest_name
from idp.mfa.webauthn import WebauthnFault, ask_to_register, check_registration
from idp.settings import settings
from idp.signin.forms import error, one_field
from idp.web import PageError, check_csrf, client_address, csrf_token, ensure_session, page, renew_session

OPEN_VIEWS |= {
    "admin.enrol_page",
    "admin.enrol_submit",
    "admin.enrol_passkey",
    "admin.enrol_options",
    "admin.enrol_keep",
}


@blueprint.get("/enrol")
def enrol_page() -> Response:
    """Ask for the name and the password that was printed once."""
    ensure_session()
    return page("admin/enrol.html", errors=[], name="")


@blueprint.post("/enrol")
def enrol_submit() -> BaseResponse:
    """Check them, and go on to the passkey."""
    check_csrf(CSRF_SCOPE)
    name, password, now = one_field("name").strip(), one_field("password"), clock.now()
    try:
        ticket = enrolment.check_enrolment(name, password, address=client_address(), now=now)
    except HashingBusy:
        return page("admin/enrol.html", 503, errors=[error("name", "admin.enrol.busy")], name=name)
    if ticket is None:
        return page("admin/enrol.html", 422, errors=[error("name", "admin.enrol.wrong")], name=name)
    # AC-21: a cookie that was planted before is worth nothing after this.
    renew_session()
    enrolment.open_enrolment(ticket, place=_place())
    return redirect("/admin/enrol/passkey", 303)


@blueprint.get("/enrol/passkey")
def enrol_passkey() -> Response:
    """Offer the button that makes the passkey."""
    _ticket()
    return page("admin/enrol_passkey.html", errors=[])


@blueprint.post("/enrol/options")
def enrol_options() -> Response:
    """Give the browser a challenge for the passkey."""
    check_csrf(CSRF_SCOPE)
    ticket = _ticket()
    options = ask_to_register(
        account_id=ticket.account_id,
        user_handle=passkeys.ensure_user_handle(ticket.account_id),
        user_name=f"{ticket.name} ({settings.site_name})",
        known=passkeys.list_passkeys(ticket.account_id),
        place=_place(),
    )
    db.session.commit()
    return jsonify(options)


@blueprint.post("/enrol/passkey")
def enrol_keep() -> BaseResponse:
    """Keep the passkey; the password is over with it."""
    check_csrf(CSRF_SCOPE)
    ticket, now = _ticket(), clock.now()
    try:
        new = check_registration(one_field("answer"), account_id=ticket.account_id, place=_place())
    except WebauthnFault as fault:
        db.session.rollback()
        metrics.WEBAUTHN.labels("register", fault.reason).inc()
        return page("admin/enrol_passkey.html", 422, errors=[error("passkey-create", "admin.enrol.failed")])
    name = suggest_name(new.aaguid, label_device(request.user_agent.string)) or settings.site_name
    if not enrolment.enrol(ticket, new, name=name, place=_place(), now=now):
        raise PageError("expired", 400, "enrolled meanwhile", restart_url="/admin")
    metrics.WEBAUTHN.labels("register", "ok").inc()
    return redirect("/admin", 303)


def _ticket() -> Ticket:
    ticket = enrolment.find_ticket(_place(), clock.now())
    if ticket is None:
        raise PageError("expired", 400, "no enrolment under way here", restart_url="/admin/enrol")
    return ticket


def _place() -> str:
    """Return what binds the enrolment to this browser's session."""
    return csrf_token("admin-enrolment")
