"""Face and fingerprint devices of a person: add, name, remove (U13, U14, U15).

A passkey opens the account by itself, so adding and removing ask for a fresh sign-in, and every channel is told.
"""

import base64

from flask import Response, jsonify, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.accounts.models import Account
from idp.db import db
from idp.messages import outbox
from idp.messages.alerts import alert
from idp.messages.compose import label_device
from idp.mfa import passkeys
from idp.mfa.enrolment import NotEnrolled, ask_to_enrol, enrol, user_name
from idp.mfa.methods import takes_passkeys
from idp.mfa.passkeys import LONGEST_NAME, Passkey
from idp.oidc.sign_out import sign_out_everywhere
from idp.selfservice import events
from idp.selfservice.entry import Holder, blueprint, current_holder, show
from idp.selfservice.fresh import require_fresh
from idp.settings import settings
from idp.signin.forms import one_field
from idp.web import PageError, csrf_token, page


@blueprint.get("/passkeys")
def passkeys_page() -> Response:
    """List the person's face and fingerprint devices."""
    _check_offered()
    return _list()


@blueprint.get("/passkeys/add")
def passkey_add_page() -> Response:
    """Say what a passkey is, and what it is not, before one is made."""
    _check_offered()
    require_fresh(clock.now())
    return page("account/passkey_add.html", errors=[], confirmed=False)


@blueprint.post("/passkeys/add/options")
def passkey_options() -> Response:
    """Give the browser a challenge for a new passkey."""
    _check_offered()
    holder = current_holder()
    require_fresh(clock.now())
    return jsonify(ask_to_enrol(holder.account, place=_place()))


@blueprint.post("/passkeys/add")
def passkey_add() -> BaseResponse:
    """Keep a new passkey."""
    _check_offered()
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    device = label_device(request.user_agent.string)
    try:
        added = enrol(holder.account, one_field("answer"), place=_place(), device=device, now=now)
    except NotEnrolled as fault:
        return _list(failed="model" if fault.is_model else "failed", status=422)
    return redirect(f"/account/passkeys/{added.id}/name", 303)


@blueprint.get("/passkeys/<passkey_id>/name")
def passkey_name_page(passkey_id: str) -> Response:
    """Ask what the device is called."""
    return page("account/passkey_name.html", passkey=_own(passkey_id), longest=LONGEST_NAME, errors=[], confirmed=False)


@blueprint.post("/passkeys/<passkey_id>/name")
def passkey_name(passkey_id: str) -> BaseResponse:
    """Call a device as its owner does."""
    passkeys.rename_passkey(_own(passkey_id), one_field("name"))
    db.session.commit()
    return redirect("/account/passkeys", 303)


@blueprint.get("/passkeys/<passkey_id>/remove")
def passkey_remove_page(passkey_id: str) -> Response:
    """Ask whether a device shall be removed, and whether it was lost."""
    require_fresh(clock.now())
    return page("account/passkey_remove.html", passkey=_own(passkey_id), errors=[], confirmed=False)


@blueprint.post("/passkeys/<passkey_id>/remove")
def passkey_remove(passkey_id: str) -> BaseResponse:
    """Remove a device; if it was lost, everything that it could still open ends too (AC-86)."""
    holder, now = current_holder(), clock.now()
    removed = _own(passkey_id)
    require_fresh(now)
    is_lost = one_field("lost") == "yes"
    passkeys.revoke_passkey(removed, now)
    _tell(holder.account, "factor-removed", removed)
    db.session.commit()
    events.passkey_removed(account_id=holder.account_id, passkey_id=passkey_id, lost=is_lost)
    if is_lost:
        sign_out_everywhere(holder.account_id, now, reason="device-lost", except_sid=holder.sid)
    outbox.wake()
    return redirect("/account/passkeys?removed", 303)


def signals_of(holder: Holder) -> dict[str, str] | None:
    """Return what the phone may be told of what we know (WebAuthn §5.1.10), if it may know anything of this person."""
    handle = passkeys.user_handle_of(holder.account_id) if takes_passkeys() else None
    if handle is None:
        return None
    known = passkeys.list_passkeys(holder.account_id)
    return {
        "rp": settings.rp_id,
        "user": _encode(handle),
        "name": user_name(holder.account),
        "accepted": " ".join(_encode(passkey.credential_id) for passkey in known),
    }


def _list(*, failed: str | None = None, status: int = 200) -> Response:
    holder = current_holder()
    known = passkeys.list_passkeys(holder.account_id)
    return show(
        "passkeys",
        status,
        passkeys=known,
        signals=signals_of(holder),
        failed=failed,
        removed="removed" in request.args,
        may_add=len(known) < settings.passkeys.per_account,
    )


def _check_offered() -> None:
    if not takes_passkeys():
        raise PageError("not_found", 404, "passkeys are not offered")


def _own(passkey_id: str) -> Passkey:
    found = passkeys.find_passkey_of(current_holder().account_id, passkey_id)
    if found is None:
        raise PageError("not_found", 404, "no such passkey of this account")
    return found


def _place() -> str:
    """Return what binds a challenge to this browser's session and this act."""
    return csrf_token("passkey:register")


def _tell(account: Account, kind: str, passkey: Passkey) -> None:
    """Write to every channel of the person that a way in went; the caller commits."""
    detail = {"name": passkey.name, "device": label_device(request.user_agent.string)}
    alert(account, kind, now=clock.now(), detail=detail)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
