"""Changing the password: the old one, a good new one, and whoever else was signed in is not any more (ASVS 6.2.2-3)."""

import math
from datetime import datetime

from flask import Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, metrics
from idp.accounts import directory
from idp.accounts.directories import current_directory, password_url
from idp.accounts.new_passwords import PasswordFault, check_new_password
from idp.accounts.passwords import HashingBusy
from idp.accounts.signin import Authenticated, Paused, Refused, authenticate
from idp.db import release
from idp.messages import outbox
from idp.mfa.levels import level_of
from idp.oidc.sign_out import sign_out, sign_out_everywhere
from idp.selfservice import events
from idp.selfservice.entry import Holder, blueprint, current_holder, show
from idp.selfservice.fresh import require_fresh
from idp.selfservice.telling import tell
from idp.session import Proof
from idp.settings import settings
from idp.signin import waiting
from idp.signin.forms import FieldError, error, one_field
from idp.web import client_address, device_cookie, end_current_session, page, sign_in_session


@blueprint.get("/password")
def password_page() -> Response:
    """Ask for the old and the new password."""
    if current_directory() is not None:
        return show("password_elsewhere", url=password_url())
    require_fresh(clock.now())
    return _form([], 200, stolen="stolen" in request.args)


@blueprint.post("/password")
def password_submit() -> BaseResponse:
    """Change the password."""
    holder, now = current_holder(), clock.now()
    if current_directory() is not None:
        return redirect("/account/password", 303)
    require_fresh(now)
    old, new = one_field("password"), one_field("new-password")
    errors = _faults(holder, old, new)
    if errors:
        return _form(errors, 422)
    try:
        answer = _prove(holder, old, now)
        if isinstance(answer, Authenticated):
            _change(holder, new, now)
    except HashingBusy:
        return waiting.send_back("/account/password")
    if isinstance(answer, Paused):
        return _give_up(answer, now)
    if isinstance(answer, Refused):
        return _form([error("password", "e.pwd.current")], 422)
    return redirect("/account/password/done", 303)


@blueprint.get("/password/done")
def password_done() -> Response:
    """Say that the password is another one, and what ended with the old one."""
    return show("password_done")


def _form(errors: list[FieldError], status: int, *, stolen: bool = False) -> Response:
    return show("password", status, errors=errors, stolen=stolen, minimum_length=settings.passwords.minimum_length)


def _faults(holder: Holder, old: str, new: str) -> list[FieldError]:
    """Return what can be said without trying the old password, which costs a try."""
    errors = [] if old else [error("password", "e.pwd.empty")]
    try:
        check_new_password(new, context=directory.words_about(holder.account))
    except PasswordFault as fault:
        errors.append(error("new-password", f"e.newpwd.{fault.reason}"))
    else:
        if old == new:
            errors.append(error("new-password", "e.newpwd.same"))
    return errors


def _prove(holder: Holder, old: str, now: datetime) -> Authenticated | Refused | Paused:
    # The counters of the sign-in: whoever sits down at an open session guesses no better here (AC-70).
    return authenticate(
        nir=holder.account.nir, password=old, device_cookie=device_cookie(), address=client_address(), now=now,
        patient=True,
    )  # fmt: skip


def _change(holder: Holder, new: str, now: datetime) -> None:
    """Store the new password, and end every session and grant but this session, in which it has just been proved."""
    release()
    directory.set_password(holder.account_id, new, now=now, address=client_address())
    tell(directory.get_account(holder.account_id), "password-changed", now=now)
    proofs = (*(proof for proof in holder.session.proofs if proof.name != "pwd"), Proof("pwd", now))
    level = level_of(proof.name for proof in proofs)
    if level is None:
        raise ValueError("a complete sign-in has a level")
    sign_in_session(account_id=holder.account_id, proofs=proofs, acr=level.acr, amr=level.amr, now=now)
    sign_out_everywhere(holder.account_id, now, reason="password-changed", except_sid=holder.sid)
    outbox.wake()
    metrics.ACCOUNT.labels("password-changed").inc()
    events.password_changed(account_id=holder.account_id)


def _give_up(pause: Paused, now: datetime) -> Response:
    """End the session of somebody who does not know the password (AC-70)."""
    ended = end_current_session()
    if ended is not None:
        sign_out(ended, now)
    wait = (pause.until - now).total_seconds()
    answer = page("signin/password_pause.html", 429, until=pause.until, minutes=math.ceil(wait / 60))
    answer.headers["Retry-After"] = str(math.ceil(wait))
    return answer
