"""The authenticator app: a secret shown once, taken when the app has made a code of it; then it can be removed."""

from dataclasses import dataclass

import segno
from flask import Response, redirect
from markupsafe import Markup
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, crypto, metrics, security_events
from idp.accounts.contacts import mask_email
from idp.db import db
from idp.i18n import _
from idp.messages import outbox
from idp.mfa.totp import describe_secret, enrol_totp, find_step, find_totp, new_secret, remove_totp
from idp.mfa.typed_code import LONGEST_BYTES, CodeFault, parse_code
from idp.selfservice import events
from idp.selfservice.entry import Holder, blueprint, current_holder, show
from idp.selfservice.fresh import require_fresh
from idp.selfservice.telling import tell
from idp.settings import settings
from idp.signin.forms import FieldError, error, one_field
from idp.state import Space, state

_TRIES = 10


@dataclass(frozen=True, repr=False)
class Waiting:
    """A secret that was shown and of which no code was typed yet, sealed."""

    sealed: str


# By session: what was shown in one browser is not taken from another.
WAITING = Space("totp-waiting", Waiting, once=True)


@blueprint.get("/authenticator")
def authenticator_page() -> Response:
    """Say whether there is an app, or show the secret that one is to take over."""
    holder = current_holder()
    secret = _find_waiting(holder)
    return show("authenticator", totp=find_totp(holder.account_id)) if secret is None else _form(holder, secret, [])


@blueprint.post("/authenticator/begin")
def authenticator_begin() -> BaseResponse:
    """Draw a secret; nothing is in force before a code of it was typed."""
    holder = current_holder()
    require_fresh(clock.now())
    sealed = crypto.seal(new_secret(), context=_context(holder)).hex()
    state.put(WAITING, holder.sid, Waiting(sealed), ttl=settings.lifetimes.resume_password)
    return redirect("/account/authenticator", 303)


@blueprint.post("/authenticator")
def authenticator_confirm() -> BaseResponse:
    """Take the app whose code was typed."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    typed, secret = one_field("code"), _find_waiting(holder)
    if len(typed.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise BadRequest("code field too long")
    if secret is None:
        return redirect("/account/authenticator", 303)
    try:
        step = find_step(secret, parse_code(typed), now)
    except CodeFault as fault:
        return _form(holder, secret, [error("code", f"e.code.{fault.reason}", n=fault.length)])
    if step is None:
        # Nothing to guess at: the secret stands on the page. A slip of the app must not go on for ever all the same.
        if state.bump("totp-waiting-tries", holder.sid, ttl=settings.lifetimes.resume_password) >= _TRIES:
            state.delete(WAITING, holder.sid)
        return _form(holder, secret, [error("code", "e.totp.wrong")])
    # Of two forms that were sent at once, one.
    if state.take(WAITING, holder.sid) is None:
        return redirect("/account/authenticator", 303)
    enrol_totp(holder.account_id, secret, step=step, now=now)
    tell(holder.account, "factor-added", now=now, name=_("account.authenticator.name"))
    db.session.commit()
    outbox.wake()
    metrics.FACTOR.labels("totp", "enrolled").inc()
    events.totp_added(account_id=holder.account_id)
    return redirect("/account/authenticator", 303)


@blueprint.post("/authenticator/remove")
def authenticator_remove() -> BaseResponse:
    """Forget the app."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    if remove_totp(holder.account_id):
        security_events.note(
            holder.account_id, "credential-change", now=now, credential_type="app", change_type="revoke"
        )
        tell(holder.account, "factor-removed", now=now, name=_("account.authenticator.name"))
        db.session.commit()
        outbox.wake()
        events.totp_removed(account_id=holder.account_id)
    return redirect("/account/authenticator", 303)


def _find_waiting(holder: Holder) -> str | None:
    waiting = state.get(WAITING, holder.sid)
    return crypto.unseal(bytes.fromhex(waiting.sealed), context=_context(holder)) if waiting else None


def _form(holder: Holder, secret: str, errors: list[FieldError]) -> Response:
    email = holder.account.email
    # What the app shows of the account; the NIR is no business of a phone's backup.
    enrolment = describe_secret(secret, name=mask_email(email).text if email else "—", issuer=settings.site_name)
    groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    # segno writes presentation attributes and no style, which the content policy would refuse.
    picture = Markup(segno.make(enrolment.uri, error="m", micro=False).svg_inline(scale=5, border=4, light="#fff"))  # noqa: S704
    return show("authenticator_add", 422 if errors else 200, errors=errors, secret=groups, picture=picture)


def _context(holder: Holder) -> str:
    return f"totp-waiting:secret:{holder.account_id}:{holder.sid}"
