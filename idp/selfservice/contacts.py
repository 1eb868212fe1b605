"""Changing one's e-mail address or mobile: a code goes to the new one; the old one is told and goes on for a while.

How long the old one goes on depends on what was proved a moment ago. A mailbox alone does not take the mailbox's
place at once: whoever broke into it would keep the account. Who also proved the phone, or a passkey, need not wait.
"""

import math
from datetime import datetime, timedelta
from typing import Any

from flask import Response, redirect, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, metrics, operations
from idp.accounts import contact_changes, events
from idp.accounts.contact_changes import ContactChange, Kind
from idp.accounts.contacts import ContactFault, mask_email, mask_mobile, parse_email, parse_mobile
from idp.accounts.directories import is_kept_outside
from idp.accounts.models import Account
from idp.db import db
from idp.i18n import _, current_locale
from idp.messages import outbox
from idp.messages.compose import label_device
from idp.mfa.codes import Purpose, check_code, find_challenge
from idp.mfa.methods import METHODS
from idp.mfa.sending import NotYet, Occasion, send_code
from idp.mfa.typed_code import LONGEST_BYTES, CodeFault, parse_code
from idp.selfservice.entry import Holder, blueprint, current_holder, show
from idp.selfservice.fresh import require_fresh
from idp.session import Session
from idp.settings import settings
from idp.signin.forms import FieldError, error, one_field
from idp.signin.journey import lane_of
from idp.web import PageError, reference

# By kind: the channel, how it is read and masked, and what besides its code lets it change at once.
CHANNELS = {"email": "email", "mobile": "sms"}
PARSE = {"email": parse_email, "mobile": parse_mobile}
MASK = {"email": mask_email, "mobile": mask_mobile}
PURPOSES: dict[Kind, Purpose] = {"email": "new-email", "mobile": "new-mobile"}
PROVES_ENOUGH = {"email": frozenset({"sms", "passkey", "totp"}), "mobile": frozenset({"passkey", "totp"})}


@blueprint.get("/email", defaults={"kind": "email"})
@blueprint.get("/mobile", defaults={"kind": "mobile"})
def contact_page(kind: Kind) -> Response:
    """Show the address or number that codes go to, and ask for a new one."""
    if is_kept_outside(kind):
        present = _present(current_holder().account, kind)
        return show("contact_elsewhere", kind=kind, present=MASK[kind](present).text if present else None)
    require_fresh(clock.now())
    return _form(kind, "", [], 200)


@blueprint.post("/email", defaults={"kind": "email"})
@blueprint.post("/mobile", defaults={"kind": "mobile"})
def contact_submit(kind: Kind) -> BaseResponse:
    """Take a new address or number, and send a code there."""
    holder, now, typed = current_holder(), clock.now(), one_field("contact")
    if is_kept_outside(kind):
        return redirect(f"/account/{kind}", 303)
    require_fresh(now)
    try:
        value = PARSE[kind](typed)
    except ContactFault as fault:
        return _form(kind, typed, [_fault(kind, fault.reason)], 422)
    if value == _present(holder.account, kind):
        return _form(kind, typed, [_fault(kind, "same")], 422)
    before = contact_changes.find_asked(holder.account_id, kind, sid=holder.sid, now=now)
    change = contact_changes.ask_change(holder.account_id, kind, value, sid=holder.sid, now=now)
    refusal = _send(holder, change, now)
    if refusal is not None:
        db.session.rollback()
        wait = math.ceil((refusal.retry_at - now).total_seconds())
        if before is not None and before.new == value:
            return redirect(f"/account/{kind}/code", 303)
        return _with_retry(_form(kind, typed, [_wait_error("contact", wait)], 429), wait)
    db.session.commit()
    outbox.wake()
    events.contact_change_asked(kind, account_id=holder.account_id)
    metrics.ACCOUNT.labels(f"{kind}-asked").inc()
    return redirect(f"/account/{kind}/code", 303)


@blueprint.get("/email/code", defaults={"kind": "email"})
@blueprint.get("/mobile/code", defaults={"kind": "mobile"})
def contact_code_page(kind: Kind) -> BaseResponse:
    """Ask for the code that went to the new address or number."""
    change = _asked(kind)
    return _code_form(change, [], 200) if change else redirect(f"/account/{kind}", 303)


@blueprint.post("/email/resend", defaults={"kind": "email"})
@blueprint.post("/mobile/resend", defaults={"kind": "mobile"})
def contact_resend(kind: Kind) -> BaseResponse:
    """Send the code once more."""
    holder, now, change = current_holder(), clock.now(), _asked(kind)
    if change is None:
        return redirect(f"/account/{kind}", 303)
    refusal = _send(holder, change, now)
    if refusal is not None:
        wait = math.ceil((refusal.retry_at - now).total_seconds())
        return _with_retry(_code_form(change, [_wait_error("code", wait)], 429), wait)
    db.session.commit()
    outbox.wake()
    return redirect(f"/account/{kind}/code?sent", 303)


@blueprint.post("/email/code", defaults={"kind": "email"})
@blueprint.post("/mobile/code", defaults={"kind": "mobile"})
def contact_code_submit(kind: Kind) -> BaseResponse:
    """Check the code, and let the change come into force now or later."""
    holder, now, change = current_holder(), clock.now(), _asked(kind)
    if change is None or change.challenge_id is None:
        return redirect(f"/account/{kind}", 303)
    _check_on(kind)
    typed = one_field("code")
    if len(typed.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise BadRequest("code field too long")
    try:
        digits = parse_code(typed)
    except CodeFault as fault:
        return _code_form(change, [error("code", f"e.code.{fault.reason}", n=fault.length)], 422)
    verdict = check_code(
        change.challenge_id, digits, account_id=holder.account_id, purpose=PURPOSES[kind],
        lane=lane_of(holder.account_id, now), now=now, destination=change.new,
    )  # fmt: skip
    if verdict.outcome in {"paused", "busy"}:
        return _code_form(change, [error("code", "e.code.burnt")], 429)
    if verdict.outcome != "ok":
        return _code_form(change, [error("code", f"e.code.{verdict.outcome}")], 422)
    # Read again: the counters of the check have committed.
    asked = contact_changes.find_asked(holder.account_id, kind, sid=holder.sid, now=now)
    if asked is None or asked.id != change.id:
        raise PageError("expired", 400, "another change was asked for meanwhile", restart_url=f"/account/{kind}")
    account = db.session.get_one(Account, holder.account_id)
    delay = delay_of(kind, holder.session, now)
    contact_changes.confirm_change(asked, account, delay=delay, now=now)
    db.session.commit()
    outbox.wake()
    metrics.ACCOUNT.labels(f"{kind}-confirmed").inc()
    return redirect(f"/account/{kind}?changed", 303)


@blueprint.post("/email/undo", defaults={"kind": "email"})
@blueprint.post("/mobile/undo", defaults={"kind": "mobile"})
def contact_undo(kind: Kind) -> BaseResponse:
    """Take back the changes of the last days."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    contact_changes.undo_changes(holder.account_id, now, kinds=(kind,))
    db.session.commit()
    metrics.ACCOUNT.labels(f"{kind}-undone").inc()
    return redirect(f"/account/{kind}?undone", 303)


def delay_of(kind: Kind, session: Session, now: datetime) -> timedelta:
    """Return how long the old address or number goes on, given what was proved in the last minutes."""
    since = now - settings.lifetimes.resume_password
    proved = {proof.name for proof in session.proofs if proof.at > since}
    return timedelta(0) if proved & PROVES_ENOUGH[kind] else settings.contacts.change_delay


def _asked(kind: Kind) -> ContactChange | None:
    holder = current_holder()
    change = contact_changes.find_asked(holder.account_id, kind, sid=holder.sid, now=clock.now())
    return change if change is not None and change.challenge_id is not None else None


def _send(holder: Holder, change: ContactChange, now: datetime) -> NotYet | None:
    """Send a code to the new address or number; return when one may be sent, if not now."""
    _check_on(change.kind)
    occasion = Occasion(
        purpose=PURPOSES[change.kind], service=_(f"account.{change.kind}.title"),
        device=label_device(request.user_agent.string), reference=reference(), locale=current_locale(),
    )  # fmt: skip
    sent = send_code(
        account=holder.account, method=METHODS[CHANNELS[change.kind]], challenge_id=change.challenge_id,
        occasion=occasion, now=now, to=change.new,
    )  # fmt: skip
    if isinstance(sent, NotYet):
        return sent
    change.challenge_id = sent.challenge.id
    return None


def _check_on(kind: Kind) -> None:
    if operations.is_off(CHANNELS[kind]):
        raise PageError("switched_off", 503, "no code is sent by this channel at present")


def _present(account: Account, kind: Kind) -> str | None:
    return account.email if kind == "email" else account.mobile


def _form(kind: Kind, typed: str, errors: list[FieldError], status: int) -> Response:
    holder, now = current_holder(), clock.now()
    present = _present(holder.account, kind)
    if kind == "mobile" and not METHODS["sms"].is_offered():
        raise PageError("not_found", 404, "no SMS here")
    _check_on(kind)
    context: dict[str, Any] = {
        "kind": kind,
        "typed": typed[:254],
        "present": MASK[kind](present).text if present else None,
        "changes": contact_changes.list_confirmed(holder.account_id, kind, now),
        "said": next((word for word in ("changed", "undone") if word in request.args and not errors), None),
        "hours": math.ceil(delay_of(kind, holder.session, now) / timedelta(hours=1)),
    }
    return show("contact", status, errors=errors, **context)


def _code_form(change: ContactChange, errors: list[FieldError], status: int) -> Response:
    challenge = find_challenge(change.challenge_id)
    minutes = settings.code.lifetime // timedelta(minutes=1)
    context = {
        "kind": change.kind, "masked": change.masked, "minutes": minutes, "sent": "sent" in request.args,
        "sent_at": challenge.sent_at if challenge else change.asked_at,
    }  # fmt: skip
    return show("contact_code", status, errors=errors, **context)


def _fault(kind: Kind, reason: str) -> FieldError:
    return error("contact", f"e.email.{reason}" if kind == "email" else f"e.mobile.{reason}")


def _wait_error(field: str, wait: int) -> FieldError:
    return error(field, "e.send.wait", s=wait) if wait <= 120 else error(field, "e.send.later")


def _with_retry(answer: Response, seconds: int) -> Response:
    answer.headers["Retry-After"] = str(seconds)
    return answer
