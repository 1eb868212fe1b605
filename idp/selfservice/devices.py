"""The browsers that the account recognises: listing and forgetting them. Being one gives patience, never entry (R7)."""

from flask import Response, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, metrics
from idp.accounts import devices
from idp.db import db
from idp.selfservice import events
from idp.selfservice.entry import blueprint, current_holder, show
from idp.selfservice.fresh import require_fresh
from idp.signin.forms import one_field
from idp.web import PageError, device_cookie


@blueprint.get("/devices")
def devices_page() -> Response:
    """List the browsers in which the account has been used."""
    holder, now = current_holder(), clock.now()
    here = devices.find_device(device_cookie(), holder.account_id, now=now)
    return show("devices", devices=devices.list_devices(holder.account_id), here=here)


@blueprint.post("/devices/forget")
def device_forget() -> BaseResponse:
    """Recognise one browser no longer; somebody else's is none."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    if not devices.revoke_devices(holder.account_id, now=now, device_hash=one_field("device")):
        raise PageError("not_found", 404, "no such device of this account")
    db.session.commit()
    metrics.ACCOUNT.labels("device-forgotten").inc()
    events.device_forgotten(account_id=holder.account_id)
    return redirect("/account/devices", 303)
