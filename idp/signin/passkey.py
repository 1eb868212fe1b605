"""The passkey in the sign-in: as the second step after the password, or as all of it (R6).

Which of the two is asked is decided by what is already known of the visitor, never by what the browser says. It works
during every pause: a stranger's wrong tries never keep an owner's phone out (R7).
"""

import base64

from flask import jsonify
from werkzeug.wrappers import Response

from idp import audit, clock, metrics
from idp.accounts import provision
from idp.accounts.outside import DirectoryAway
from idp.db import db
from idp.mfa import passkeys
from idp.mfa.passkeys import Passkey
from idp.mfa.webauthn import Kind, WebauthnFault, ask_to_sign_in, check_assertion
from idp.settings import settings
from idp.signin.code import at_hand
from idp.signin.forms import one_field
from idp.signin.journey import Facts, offers_passkey_signin
from idp.signin.walk import enter, identify, onward, prove
from idp.state import state
from idp.web import PageError, check_csrf, csrf_token, page

# The steps at which a passkey may be shown.
_STEPS = ("identify", "passkey", "pause", "send", "code")
# A page that renews its challenge for an hour asks for about fifteen.
_CHALLENGES = 60
# What the page says of a fault; anything else "did not work".
_TEXTS = {"unknown": "unknown", "challenge": "late", "counter": "suspect"}


def show(interaction_id: str) -> Response:
    """Show the page of a visitor who can go on with a passkey only."""
    facts = enter(interaction_id, "passkey")
    return page(
        "signin/passkey.html", interaction=facts.interaction.id, failure=None, unknown=None, at_hand=at_hand(facts)
    )


def ask(interaction_id: str) -> Response:
    """Answer the page's script with what `navigator.credentials.get()` needs."""
    facts = enter(interaction_id, *_STEPS)
    check_csrf(facts.interaction.id)
    kind, account_id = _errand(facts)
    if state.bump("passkey-challenges", facts.interaction.id, ttl=settings.lifetimes.interaction) > _CHALLENGES:
        raise PageError("bad_request", 429, "too many challenges")
    known = passkeys.list_passkeys(account_id) if account_id else ()
    return jsonify(ask_to_sign_in(kind, account_id=account_id, known=known, place=_place(facts)))


def submit(interaction_id: str) -> Response:
    """Check what the authenticator signed, and go on."""
    now = clock.now()
    facts = enter(interaction_id, *_STEPS)
    check_csrf(facts.interaction.id)
    kind, account_id = _errand(facts)
    try:
        passkey = check_assertion(one_field("answer"), kind, account_id=account_id, place=_place(facts), now=now)
        _check_account(passkey)
    except WebauthnFault as fault:
        # What was found out about a counter stays.
        db.session.commit()
        _record(kind, fault.reason, account_id)
        return _failed(facts, fault)
    _record(kind, "ok", passkey.account_id)
    if kind == "second-step":
        return onward(prove(facts.interaction, "passkey", now))
    return onward(identify(facts.interaction, passkey.account_id, now, proof="passkey"))


def _errand(facts: Facts) -> tuple[Kind, str | None]:
    """Say which ceremony is due, and for whom."""
    if facts.is_identified:
        if facts.account is None or "passkey" not in facts.factors:
            raise PageError("not_found", 404, "no passkey is offered here")
        return "second-step", facts.account.id
    if not offers_passkey_signin():
        raise PageError("not_found", 404, "no passkey is offered here")
    return "sign-in", None


def _place(facts: Facts) -> str:
    """Return what binds a challenge to this browser and this sign-in."""
    return csrf_token(f"passkey:{facts.interaction.id}")


def _check_account(passkey: Passkey) -> None:
    """Refuse accounts that are gone or disabled as they are refused a right password (R8)."""
    # The directory may take its time, and no lock is held meanwhile.
    db.session.commit()
    # A passkey does not ask the organisation's directory by itself; whoever left it must not keep their way in.
    try:
        is_welcome = provision.confirm(passkey.account_id, now=clock.now())
    except DirectoryAway as fault:
        raise PageError("unavailable", 503, f"directory away: {fault}") from None
    if not is_welcome:
        raise WebauthnFault("refused", "account")


def _failed(facts: Facts, fault: WebauthnFault) -> Response:
    metrics.LOGIN_STEP.labels("passkey", "refused").inc()
    # The browser may tell the phone to forget it, if it is the one that just answered.
    unknown = base64.urlsafe_b64encode(fault.credential_id).decode().rstrip("=") if fault.credential_id else None
    return page(
        "signin/passkey.html",
        422,
        interaction=facts.interaction.id,
        failure=_TEXTS.get(fault.reason, "failed"),
        unknown={"rp": settings.rp_id, "id": unknown} if unknown else None,
    )


def _record(kind: Kind, outcome: str, account_id: str | None) -> None:
    metrics.WEBAUTHN.labels(kind, outcome).inc()
    is_ok = outcome == "ok"
    audit.record(
        "passkey",
        outcome="ok" if is_ok else "refused",
        reason=None if is_ok else outcome,
        account_id=account_id,
        ceremony=kind,
    )
