"""The addresses at which a person connects a device (RFC 8628 §3.3): the code is typed, or the device's link followed.

Either leads through the whole sign-in to the one page that decides (`device_confirm`). No address fills in a code.
"""

import math
from datetime import datetime

from flask import Blueprint, Response, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, i18n, metrics
from idp.i18n import _
from idp.oidc import device_confirm
from idp.oidc.device_confirm import get_client, tell_facts
from idp.oidc.device_guard import spend_try
from idp.oidc.device_requests import DeviceRequest, find_by_user_code, find_device_request
from idp.oidc.user_codes import UserCodeFault, parse_user_code
from idp.settings import settings
from idp.signin.forms import FieldError, error, one_field
from idp.signin.interaction import Demand, start_interaction
from idp.web import check_csrf, client_address, ensure_session, page

blueprint = Blueprint("device", __name__)
CSRF_SCOPE = "device"


@blueprint.get("/device")
def enter_page() -> Response:
    """Ask for the code that the device shows; an address never fills it in."""
    ensure_session()
    return page("device/enter.html", errors=[], typed="")


@blueprint.post("/device")
def enter_submit() -> BaseResponse:
    """Look the typed code up, and lead its owner through the sign-in."""
    check_csrf(CSRF_SCOPE)
    now, typed = clock.now(), one_field("user_code")
    try:
        code = parse_user_code(typed)
    except UserCodeFault as fault:
        return _enter_form(typed, error("user-code", f"e.device.{fault.reason}", n=fault.length))
    until = spend_try(ensure_session(), client_address(), now)
    if until is not None:
        return _paused(until, now)
    asked = find_by_user_code(code)
    if asked is None or not asked.is_open(now):
        metrics.DEVICE.labels("code-unknown").inc()
        return _enter_form(typed, error("user-code", "e.device.unknown"))
    return _to_sign_in(asked, now, by_link=False)


@blueprint.get("/device/<request_id>")
def link_page(request_id: str) -> BaseResponse:
    """Say what the scanned link is about; it does nothing by itself (RFC 8628 §5.4)."""
    asked, now = find_device_request(request_id), clock.now()
    if asked is None or not asked.is_open(now):
        return page("device/ended.html", 410, ending="over")
    ensure_session()
    return page("device/link.html", request_id=asked.id, facts=tell_facts(asked, get_client(asked), now))


@blueprint.post("/device/<request_id>")
def link_submit(request_id: str) -> BaseResponse:
    """Lead who came by the link through the sign-in."""
    check_csrf(CSRF_SCOPE)
    asked, now = find_device_request(request_id), clock.now()
    if asked is None or not asked.is_open(now):
        return page("device/ended.html", 410, ending="over")
    return _to_sign_in(asked, now, by_link=True)


@blueprint.get("/device/confirm/<interaction_id>")
def confirm_page(interaction_id: str) -> BaseResponse:
    """Ask whether this device is to be connected, or say what became of it."""
    return device_confirm.show(interaction_id)


@blueprint.post("/device/confirm/<interaction_id>")
def confirm_submit(interaction_id: str) -> BaseResponse:
    """Take the account holder's answer."""
    return device_confirm.submit(interaction_id)


@blueprint.post("/device/confirm/<interaction_id>/undo")
def undo(interaction_id: str) -> BaseResponse:
    """Disconnect the device that was just connected."""
    return device_confirm.undo(interaction_id)


def _to_sign_in(asked: DeviceRequest, now: datetime, *, by_link: bool) -> BaseResponse:
    client = get_client(asked)
    service = _("device.service", service=client.name_in(i18n.current_locale()))
    demand = Demand(
        # Also what the message with the code says: a code for « … on another device » is not for reading out.
        service=service,
        service_id=client.client_id,
        levels=(client.minimum_acr,) if client.minimum_acr else (),
        wished_levels=asked.wished_levels,
        # A sign-in of this morning does not connect a device (design §4, « fresh proof for sensitive changes »).
        fresh_after=now - settings.lifetimes.fresh_proof,
        locale=i18n.current_locale(),
    )
    interaction = start_interaction(
        session=ensure_session(),
        demand=demand,
        payload={"request": asked.id, "by_link": by_link},
        resume_at=device_confirm.ADDRESS,
        restart_url=f"/device/{asked.id}" if by_link else "/device",
        now=now,
    )
    return redirect(f"/signin/{interaction.id}/", 303)


def _enter_form(typed: str, fault: FieldError) -> Response:
    return page("device/enter.html", 422, errors=[fault], typed=typed[:40])


def _paused(until: datetime, now: datetime) -> Response:
    wait = (until - now).total_seconds()
    answer = page("device/pause.html", 429, until=until, minutes=math.ceil(wait / 60))
    answer.headers["Retry-After"] = str(math.ceil(wait))
    return answer
