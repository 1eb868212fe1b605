"""« Mot de passe oublié »: who are you, the code, the new password; then the sign-in, whole, from its first page.

Every page but the last says the same to everybody (U23-U26). Nothing here proves anything to the sign-in.
"""

import math
from datetime import datetime, timedelta

from flask import redirect, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response

from idp import clock
from idp.accounts.directories import current_directory, password_url
from idp.accounts.new_passwords import PasswordFault
from idp.accounts.nir import NirFault, parse_nir
from idp.accounts.passwords import HashingBusy
from idp.db import db
from idp.i18n import current_locale
from idp.messages import outbox
from idp.messages.compose import label_device
from idp.mfa import reset
from idp.mfa.methods import usable_channels
from idp.mfa.reset import Reset, ResetOver
from idp.mfa.sending import NotYet, Occasion, next_send_at
from idp.mfa.typed_code import LONGEST_BYTES, CodeFault, parse_code
from idp.mfa.words import words_of
from idp.settings import settings
from idp.signin import waiting
from idp.signin.forms import FieldError, error, one_field
from idp.signin.interaction import Interaction
from idp.signin.journey import Facts
from idp.signin.walk import NotDue, enter
from idp.web import PageError, check_csrf, client_address, device_cookie, page


def show(interaction_id: str) -> Response:
    """Ask whose password it is; this sends nothing."""
    interaction = enter(interaction_id, "identify").interaction
    if current_directory() is not None:
        return page("signin/forgot_elsewhere.html", interaction=interaction.id, url=password_url())
    return _form(interaction, "", "", [], 200)


def submit(interaction_id: str) -> Response:
    """Send a code if there is an account, and say the same if there is none."""
    now, interaction = clock.now(), _enter(interaction_id).interaction
    check_csrf(interaction.id)
    typed, channel = one_field("nir"), one_field("channel")
    offered = _channels()
    channel = channel or (offered[0] if len(offered) == 1 else "")
    errors = [] if channel in offered else [error("channel", "e.u02.choose")]
    try:
        nir = parse_nir(typed)
    except NirFault as fault:
        errors.insert(0, error("nir", f"e.nir.{fault.reason}", n=fault.length))
    if errors:
        return _form(interaction, typed, channel, errors, 422)
    sent = reset.ask_for_reset(
        interaction.id,
        nir=nir,
        channel=channel,
        device_cookie=device_cookie(),
        address=client_address(),
        occasion=_occasion(interaction),
        now=now,
    )
    if isinstance(sent, NotYet):
        return _with_retry(_form(interaction, typed, channel, [_not_yet("nir", sent, now)], 429), sent, now)
    db.session.commit()
    outbox.wake()
    again = "" if sent.kind == "first" else "?again=1"
    return redirect(f"/signin/{interaction.id}/forgot/code{again}", 303)


def resend(interaction_id: str) -> Response:
    """Send the code once more."""
    now, interaction = clock.now(), _enter(interaction_id).interaction
    check_csrf(interaction.id)
    asked = reset.find_reset(interaction.id)
    try:
        sent = reset.ask_for_reset_again(
            interaction.id,
            device_cookie=device_cookie(),
            address=client_address(),
            occasion=_occasion(interaction),
            now=now,
        )
    except ResetOver:
        return _begin_again(interaction)
    if isinstance(sent, NotYet) and asked is not None:
        return _with_retry(_code_form(interaction, asked, [_not_yet("code", sent, now)], 429), sent, now)
    db.session.commit()
    outbox.wake()
    return redirect(f"/signin/{interaction.id}/forgot/code?again=1", 303)


def show_code(interaction_id: str) -> Response:
    """Show the field for the code; reloading sends nothing."""
    interaction = _enter(interaction_id).interaction
    asked = reset.find_reset(interaction.id)
    if asked is None:
        return _begin_again(interaction)
    if asked.proved_at is not None:
        return redirect(f"/signin/{interaction.id}/forgot/password", 303)
    return _paused(interaction, asked) or _code_form(interaction, asked, [], 200)


def submit_code(interaction_id: str) -> Response:
    """Check the typed code."""
    now, interaction = clock.now(), _enter(interaction_id).interaction
    check_csrf(interaction.id)
    typed, asked = one_field("code"), reset.find_reset(interaction.id)
    if len(typed.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise BadRequest("code field too long")
    if asked is None:
        return _begin_again(interaction)
    try:
        verdict = reset.check_reset_code(interaction.id, parse_code(typed), device_cookie=device_cookie(), now=now)
    except CodeFault as fault:
        return _code_form(interaction, asked, [error("code", f"e.code.{fault.reason}", n=fault.length)], 422)
    except ResetOver:
        return _begin_again(interaction)
    if verdict.outcome == "ok":
        db.session.commit()
        return redirect(f"/signin/{interaction.id}/forgot/password", 303)
    if verdict.outcome in {"paused", "busy"}:
        return redirect(f"/signin/{interaction.id}/forgot/code", 303)
    errors = [error("code", f"e.code.{verdict.outcome}")]
    if verdict.outcome == "wrong" and verdict.tries_left <= 2:
        errors.append(error("code", "e.code.left1" if verdict.tries_left == 1 else "e.code.left", n=verdict.tries_left))
    return _code_form(interaction, asked, errors, 422)


def show_password(interaction_id: str) -> Response:
    """Ask for the new password."""
    interaction = _enter(interaction_id).interaction
    try:
        reset.get_proved_reset(interaction.id, clock.now())
    except ResetOver:
        return _begin_again(interaction)
    return _password_form(interaction, [], 200)


def submit_password(interaction_id: str) -> Response:
    """Take the new password and lead to the sign-in, which has to be done as ever."""
    now, interaction = clock.now(), _enter(interaction_id).interaction
    check_csrf(interaction.id)
    detail, here = {"device": label_device(request.user_agent.string)}, client_address()
    try:
        reset.change_password(
            interaction.id, one_field("new-password"), device_cookie=device_cookie(), address=here, detail=detail,
            now=now,
        )  # fmt: skip
    except PasswordFault as fault:
        return _password_form(interaction, [error("new-password", f"e.newpwd.{fault.reason}")], 422)
    except ResetOver:
        return _begin_again(interaction)
    except HashingBusy:
        return waiting.send_back(f"/signin/{interaction.id}/forgot/password", interaction=interaction.id)
    db.session.commit()
    outbox.wake()
    return redirect(f"/signin/{interaction.id}/identify?changed=1", 303)


def show_lost(interaction_id: str) -> Response:
    """Say what is left to one who has neither password nor mailbox nor phone; nothing can be changed in here."""
    interaction = _enter(interaction_id).interaction
    return page("signin/lost.html", interaction=interaction.id)


def _enter(interaction_id: str) -> Facts:
    """Enter as every page here does; where passwords are kept elsewhere, the first page is the only one."""
    facts = enter(interaction_id, "identify")
    if current_directory() is not None:
        raise NotDue(f"/signin/{facts.interaction.id}/forgot")
    return facts


def _begin_again(interaction: Interaction) -> Response:
    return redirect(f"/signin/{interaction.id}/forgot", 303)


def _not_yet(field: str, refusal: NotYet, now: datetime) -> FieldError:
    wait = _seconds(refusal.retry_at - now)
    return (
        error(field, "e.reset.limit", m=math.ceil(wait / 60))
        if refusal.is_quota
        else error(field, "e.send.wait", s=wait)
    )


def _with_retry(answer: Response, refusal: NotYet, now: datetime) -> Response:
    answer.headers["Retry-After"] = str(_seconds(refusal.retry_at - now))
    return answer


def _seconds(wait: timedelta) -> int:
    return max(1, math.ceil(wait.total_seconds()))


def _channels() -> list[str]:
    """Return the ways that this provider has, whatever the account has: the page must not tell."""
    channels = usable_channels()
    if not channels:
        raise PageError("switched_off", 503, "every channel of codes is switched off")
    return channels


def _occasion(interaction: Interaction) -> Occasion:
    return Occasion(
        purpose="reset",
        service=interaction.demand.service,
        device=label_device(request.user_agent.string),
        reference=interaction.reference,
        locale=current_locale(),
    )


def _paused(interaction: Interaction, asked: Reset) -> Response | None:
    now = clock.now()
    pause = reset.find_reset_pause(asked, device_cookie(), now)
    if pause is None:
        return None
    if pause.until is None:
        return page("signin/lost.html", 403, interaction=interaction.id)
    wait = _seconds(pause.until - now)
    answer = page(
        "signin/reset_pause.html", 429, interaction=interaction.id, until=pause.until, minutes=math.ceil(wait / 60)
    )
    answer.headers["Retry-After"] = str(wait)
    return answer


def _form(interaction: Interaction, typed: str, channel: str, errors: list[FieldError], status: int) -> Response:
    chosen = channel or _channels()[0]
    channels = [{"name": name, "checked": name == chosen} for name in _channels()]
    # What was typed stays, cut to what a page can bear.
    return page(
        "signin/forgot.html", status, interaction=interaction.id, nir=typed[:40], channels=channels, errors=errors
    )


def _code_form(interaction: Interaction, asked: Reset, errors: list[FieldError], status: int) -> Response:
    challenge = reset.find_reset_challenge(asked)
    if challenge is None:
        return _begin_again(interaction)
    now: datetime = clock.now()
    context = {
        "errors": errors,
        "again": "again" in request.args,
        "words": words_of(challenge.id),
        "expires_at": challenge.ends_at,
        "expires_in": max(0, math.ceil((challenge.ends_at - now).total_seconds())),
        "expired": now >= challenge.ends_at,
        "resend_in": max(0, math.ceil((next_send_at(challenge) - now).total_seconds())),
        "code_minutes": settings.code.lifetime // timedelta(minutes=1),
    }
    return page("signin/forgot_code.html", status, interaction=interaction.id, **context)


def _password_form(interaction: Interaction, errors: list[FieldError], status: int) -> Response:
    minimum = settings.passwords.minimum_length
    return page("signin/forgot_password.html", status, interaction=interaction.id, errors=errors, minimum=minimum)
