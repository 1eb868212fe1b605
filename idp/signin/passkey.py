"""The passkey in the sign-in: as the second step after the password, or as all of it (R6).

Which of the two is asked is decided by what is already known of the visitor, never by what the browser says. It works
during every pause: a stranger's wrong tries never keep an owner's phone out (R7).
"""

import base64

from flask import jsonify
from werkzeug.wrappers import Response

from idp import clock, metrics
from idp.accounts.outside import DirectoryAway
from idp.mfa.webauthn import WebauthnFault
from idp.settings import settings
from idp.signin.code import at_hand
from idp.signin.errand import Errand, ask_on, find_errand, take_answer, word_for
from idp.signin.forms import one_field
from idp.signin.journey import Facts
from idp.signin.walk import enter, identify, onward, prove
from idp.web import PageError, check_csrf, csrf_token, page

# The steps at which a passkey may be shown.
_STEPS = ("identify", "passkey", "pause", "send", "code")


def show(interaction_id: str) -> Response:
    """Show the page of a visitor who can go on with a passkey only."""
    facts = enter(interaction_id, "passkey")
    return page(
        "signin/passkey.html", interaction=facts.interaction.id, failure=None, unknown=None, at_hand=at_hand(facts),
        switched_off=facts.switched_off,
    )  # fmt: skip


def ask(interaction_id: str) -> Response:
    """Answer the page's script with what `navigator.credentials.get()` needs."""
    facts = enter(interaction_id, *_STEPS)
    check_csrf(facts.interaction.id)
    options = ask_on(_get_errand(facts), facts.interaction, place=_place(facts))
    if options is None:
        raise PageError("bad_request", 429, "too many challenges")
    return jsonify(options)


def submit(interaction_id: str) -> Response:
    """Check what the authenticator signed, and go on."""
    now = clock.now()
    facts = enter(interaction_id, *_STEPS)
    check_csrf(facts.interaction.id)
    errand = _get_errand(facts)
    try:
        passkey = take_answer(errand, one_field("answer"), place=_place(facts), now=now)
    except WebauthnFault as fault:
        return _failed(facts, fault)
    except DirectoryAway as fault:
        raise PageError("unavailable", 503, f"directory away: {fault}") from None
    if errand.kind == "second-step":
        return onward(prove(facts.interaction, "passkey", now))
    return onward(identify(facts.interaction, passkey.account_id, now, proof="passkey"))


def _get_errand(facts: Facts) -> Errand:
    errand = find_errand(facts)
    if errand is None:
        raise PageError("not_found", 404, "no passkey is offered here")
    return errand


def _place(facts: Facts) -> str:
    """Return what binds a challenge to this browser and this sign-in."""
    return csrf_token(f"passkey:{facts.interaction.id}")


def _failed(facts: Facts, fault: WebauthnFault) -> Response:
    metrics.LOGIN_STEP.labels("passkey", "refused").inc()
    # The browser may tell the phone to forget it, if it is the one that just answered.
    unknown = base64.urlsafe_b64encode(fault.credential_id).decode().rstrip("=") if fault.credential_id else None
    return page(
        "signin/passkey.html",
        422,
        interaction=facts.interaction.id,
        failure=word_for(fault),
        unknown={"rp": settings.rp_id, "id": unknown} if unknown else None,
    )
