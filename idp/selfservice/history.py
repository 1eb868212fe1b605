"""The last sign-ins in plain words, and « ce n'était pas moi », which shuts everybody else out at once."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Response, redirect
from sqlalchemy import select
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, metrics, session
from idp.accounts import contact_changes, devices
from idp.audit import AuditEvent
from idp.db import db
from idp.messages import outbox
from idp.oidc.sign_out import sign_out_everywhere
from idp.selfservice import events
from idp.selfservice.entry import blueprint, current_holder, show
from idp.selfservice.fresh import require_fresh
from idp.web import device_cookie

_LATEST = 20
# What else the audit trail holds of sign-ins that a person would want to know; by event and outcome.
FAILURES = {
    ("password", "wrong"): "account.history.wrong_password",
    ("password", "paused"): "account.history.password_pause",
    ("code", "wrong"): "account.history.wrong_code",
    ("code", "burnt"): "account.history.wrong_code",
    ("code", "paused"): "account.history.code_pause",
}
# What the support desk did, which the person sees (ux.md §5, S01).
SUPPORT = {
    ("support-viewed", "found"): "account.history.support_viewed",
    ("support-unlocked", "ok"): "account.history.support_unlocked",
    ("support-change-advised", "ok"): "account.history.support_advised",
    ("account.disable", "applied"): "account.history.account_disabled",
    ("account.enable", "applied"): "account.history.account_enabled",
}
TOLD = FAILURES | SUPPORT
WAYS = {
    "urn:sesame:acr:2sv": "account.history.2sv",
    "urn:sesame:acr:mfa": "account.history.mfa",
    "phr": "account.history.phr",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One sign-in that was completed, or one thing that went wrong: what to say of it, by catalogue id."""

    at: datetime
    text: str
    device: str = ""
    is_here: bool = False
    is_good: bool = True
    is_sign_in: bool = True


@blueprint.get("/history")
def history_page() -> Response:
    """Tell the last sign-ins."""
    holder = current_holder()
    return show("history", entries=list_entries(holder.account_id, holder.sid))


@blueprint.post("/history/not-me")
def not_me() -> BaseResponse:
    """Shut out everybody but this browser, take back changed addresses, and ask for a new password."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    # Until the password is another one, every sign-in ends with the demand for it; this session's own proofs stay good.
    holder.account.stopped_at = min(proof.at for proof in holder.session.proofs) - timedelta(microseconds=1)
    contact_changes.undo_changes(holder.account_id, now)
    here = devices.find_device(device_cookie(), holder.account_id, now=now)
    for device in devices.list_devices(holder.account_id):
        if device.device_hash != here:
            devices.revoke_devices(holder.account_id, now=now, device_hash=device.device_hash)
    sign_out_everywhere(holder.account_id, now, reason="not-me", except_sid=holder.sid)
    outbox.wake()
    metrics.ACCOUNT.labels("not-me").inc()
    events.sign_in_disowned(account_id=holder.account_id)
    return redirect("/account/password?stolen", 303)


def list_entries(account_id: str, here: str) -> list[Entry]:
    """Return the last sign-ins and failures, the latest first."""
    done = [
        Entry(one.created_at, WAYS.get(one.acr, "account.history.done"), one.device_label, one.sid == here)
        for one in session.last_records(account_id, _LATEST)
    ]
    events = select(AuditEvent.at, AuditEvent.event, AuditEvent.outcome).where(
        AuditEvent.account_id == account_id, AuditEvent.event.in_({event for event, _outcome in TOLD})
    )
    rows = db.session.execute(events.order_by(AuditEvent.at.desc()).limit(5 * _LATEST))
    other = [
        Entry(at, TOLD[key], is_good=key in SUPPORT, is_sign_in=False)
        for at, *key_ in rows
        if (key := tuple(key_)) in TOLD
    ]
    return sorted(done + other, key=lambda entry: entry.at, reverse=True)[:_LATEST]
