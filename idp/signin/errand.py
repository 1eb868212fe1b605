"""What a passkey is asked for in a sign-in, and whether its answer will do: the same for our pages and for our app.

Which of the two ceremonies it is, the second step or all of the sign-in, is decided by what is already known of the
visitor, never by what is sent.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp import metrics
from idp.accounts import provision
from idp.db import db
from idp.mfa import passkeys
from idp.mfa.passkeys import Passkey
from idp.mfa.webauthn import Kind, WebauthnFault, ask_to_sign_in, check_assertion
from idp.settings import settings
from idp.signin import events
from idp.signin.interaction import Interaction
from idp.signin.journey import Facts, offers_passkey_signin
from idp.state import state

# A page that renews its challenge for an hour asks for about fifteen.
_CHALLENGES = 60
# What is said of a fault; anything else "did not work".
_WORDS = {"unknown": "unknown", "challenge": "late", "counter": "suspect"}


@dataclass(frozen=True, slots=True)
class Errand:
    """A ceremony that is due, and for whom if that is known."""

    kind: Kind
    account_id: str | None


def find_errand(facts: Facts) -> Errand | None:
    """Return the ceremony that a passkey may answer now, if any."""
    if facts.is_identified:
        offered = facts.account is not None and "passkey" in facts.factors
        return Errand("second-step", facts.account.id) if facts.account is not None and offered else None
    return Errand("sign-in", None) if offers_passkey_signin() else None


def ask_on(errand: Errand, interaction: Interaction, *, place: str) -> dict[str, Any] | None:
    """Return what `navigator.credentials.get()` is called with, or ``None`` when this sign-in asked too often."""
    if state.bump("passkey-challenges", interaction.id, ttl=settings.lifetimes.interaction) > _CHALLENGES:
        return None
    known = passkeys.list_passkeys(errand.account_id) if errand.account_id else ()
    return ask_to_sign_in(errand.kind, account_id=errand.account_id, known=known, place=place)


def take_answer(errand: Errand, answer: str, *, place: str, now: datetime) -> Passkey:
    """Return the passkey that an answer proves, or raise `WebauthnFault`; what a fault tells of a counter is kept.

    `DirectoryAway` means that nobody can say whether this person may still sign in: 503, and the answer is used up.
    """
    try:
        passkey = check_assertion(answer, errand.kind, account_id=errand.account_id, place=place, now=now)
        _check_account(passkey, now)
    except WebauthnFault as fault:
        db.session.commit()
        _record(errand, fault.reason, errand.account_id)
        raise
    _record(errand, "ok", passkey.account_id)
    return passkey


def word_for(fault: WebauthnFault) -> str:
    """Return the word under which a fault is told."""
    return _WORDS.get(fault.reason, "failed")


def _check_account(passkey: Passkey, now: datetime) -> None:
    """Refuse accounts that are gone or disabled as they are refused a right password (R8)."""
    # A passkey asks no outside directory by itself, and whoever left it must not keep their way in. It may take its
    # time: no lock is held meanwhile.
    db.session.commit()
    if not provision.confirm(passkey.account_id, now=now):
        raise WebauthnFault("refused", "account")


def _record(errand: Errand, outcome: str, account_id: str | None) -> None:
    metrics.WEBAUTHN.labels(errand.kind, outcome).inc()
    refusal = None if outcome == "ok" else outcome
    events.passkey_used(account_id=account_id, ceremony=errand.kind, refusal=refusal)
