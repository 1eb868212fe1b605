"""The first page: who are you? NIR and password, answered alike for everyone who may not pass (R8)."""

import math
from datetime import datetime

from flask import request
from werkzeug.wrappers import Response

from idp import clock, metrics, operations
from idp.accounts.nir import NirFault, parse_nir
from idp.accounts.outside import DirectoryAway
from idp.accounts.passwords import HashingBusy, check_room
from idp.accounts.signin import Authenticated, Paused, Refused, authenticate
from idp.settings import settings
from idp.signin import waiting
from idp.signin.forms import FieldError, error, one_field
from idp.signin.interaction import Interaction, update_interaction
from idp.signin.journey import offers_passkey_signin
from idp.signin.promote import enrols_here
from idp.signin.walk import enter, identify, onward
from idp.web import PageError, check_csrf, client_address, device_cookie, page


def show(interaction_id: str) -> Response:
    """Show the empty form."""
    changed = "changed" in request.args
    interaction = enter(interaction_id, "identify").interaction
    if not interaction.waits:
        return _form(interaction, "", [], 200, changed=changed)
    try:
        check_room(client_address(), patient=True)
    except HashingBusy:
        return waiting.show_wait(interaction)
    return _form(interaction, waiting.typed_before(interaction), [], 200, changed=changed, waited=True)


def submit(interaction_id: str) -> Response:
    """Read NIR and password and answer them."""
    now = clock.now()
    interaction = enter(interaction_id, "identify").interaction
    check_csrf(interaction.id)
    typed, password = one_field("nir"), one_field("password")
    nir, errors = _read(typed, password)
    if nir is None or errors:
        return _form(interaction, typed, errors, 422)
    try:
        answer = _authenticate(nir, password, now, patient=interaction.waits > 0)
    except HashingBusy:
        return waiting.send_away(interaction, typed, now)
    interaction = waiting.end_wait(interaction, now)
    metrics.LOGIN_STEP.labels("identify", type(answer).__name__.lower()).inc()
    if isinstance(answer, Paused):
        return _paused(interaction, answer.until, now)
    if isinstance(answer, Refused):
        return _form(
            interaction, typed, [error("nir", "e.cred")], 200, tries_left=answer.tries_left, pause=answer.pause
        )
    known = identify(interaction, answer.account_id, now)
    return onward(update_interaction(known, now, enrols_here=True) if enrols_here() else known)


def _read(typed: str, password: str) -> tuple[str | None, list[FieldError]]:
    errors, nir = [], None
    try:
        nir = parse_nir(typed)
    except NirFault as fault:
        errors.append(error("nir", f"e.nir.{fault.reason}", n=fault.length))
    if not password:
        errors.append(error("password", "e.pwd.empty"))
    return nir, errors


def _authenticate(nir: str, password: str, now: datetime, *, patient: bool) -> Authenticated | Refused | Paused:
    device, address = device_cookie(), client_address()
    try:
        return authenticate(nir=nir, password=password, device_cookie=device, address=address, now=now, patient=patient)
    except DirectoryAway as fault:
        # Fail closed: no answer lets nobody in, and counts for nobody as a wrong password.
        raise PageError("unavailable", 503, f"directory away: {fault}") from None


def _paused(interaction: Interaction, until: datetime, now: datetime) -> Response:
    wait = (until - now).total_seconds()
    context = {"until": until, "minutes": math.ceil(wait / 60), "passkey": offers_passkey_signin()}
    answer = page("signin/password_pause.html", 429, interaction=interaction.id, **context)
    answer.headers["Retry-After"] = str(math.ceil(wait))
    return answer


def _form(interaction: Interaction, typed: str, errors: list[FieldError], status: int, **more: object) -> Response:
    # What was typed stays, cut to what a page can bear; the password never does.
    context = {
        "tries_left": None,
        "pause": None,
        "passkey": offers_passkey_signin(),
        "switched_off": ["passkey"] if operations.is_off("passkey") and settings.passkey_signin else [],
        **more,
    }
    return page("signin/identify.html", status, interaction=interaction.id, nir=typed[:40], errors=errors, **context)
