"""Turning a device's face or fingerprint on for an account: asked for, checked, kept, and told to its owner (U13, U14).

A passkey opens the account by itself. Whoever calls this has made sure of a complete and fresh sign-in; the two places
that do are « Gérer mon compte » and the page that offers it after a sign-in.
"""

from datetime import datetime
from typing import Any

from idp import metrics
from idp.accounts.contacts import mask_email
from idp.accounts.models import Person
from idp.db import db
from idp.messages import outbox
from idp.messages.alerts import alert
from idp.mfa import events, passkeys
from idp.mfa.authenticators import suggest_name
from idp.mfa.passkeys import CannotAdd, Passkey
from idp.mfa.webauthn import WebauthnFault, ask_to_register, check_registration
from idp.settings import settings

_CEREMONY = "register"


class NotEnrolled(Exception):
    """Nothing was kept; ``is_model`` when no other try with this device will do, all that a page says."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.is_model = reason == "model"


def ask_to_enrol(account: Person, *, place: str) -> dict[str, Any]:
    """Return what the browser needs to make a passkey for an account; commits."""
    options = ask_to_register(
        account_id=account.id,
        user_handle=passkeys.ensure_user_handle(account.id),
        user_name=user_name(account),
        known=passkeys.list_passkeys(account.id),
        place=place,
    )
    db.session.commit()
    return options


def enrol(account: Person, answer: str, *, place: str, device: str, now: datetime) -> Passkey:
    """Keep the passkey that a browser made and tell every channel of its owner, or raise `NotEnrolled`; commits."""
    account_id = account.id
    try:
        new = check_registration(answer, account_id=account_id, place=place)
        name = suggest_name(new.aaguid, device) or settings.site_name
        added = passkeys.add_passkey(account_id, new, name=name, now=now)
    except (WebauthnFault, CannotAdd) as fault:
        db.session.rollback()
        reason = fault.reason if isinstance(fault, WebauthnFault) else "known"
        metrics.WEBAUTHN.labels(_CEREMONY, reason).inc()
        events.passkey_not_added(account_id=account_id, reason=reason)
        raise NotEnrolled(reason) from fault
    alert(account, "factor-added", now=now, detail={"name": added.name, "device": device})
    db.session.commit()
    outbox.wake()
    metrics.WEBAUTHN.labels(_CEREMONY, "ok").inc()
    events.passkey_added(account_id=account_id, passkey_id=added.id, aaguid=added.aaguid)
    return added


def user_name(account: Person) -> str:
    """Return what a phone shows beside the passkey: never the NIR, and enough to tell two people apart."""
    name, email = account.profile.get("name"), account.email
    return str(name or (mask_email(email).text if email else settings.site_name))
