"""The page that decides whether a device is connected, made so that nobody can be talked into it by a link.

It always comes, also for a signed-in visitor and for our own services. It says who asks, since when and from where,
and goes on only with an answer to « where does this code come from? ». Who came by the link, or is on another network
than the device, also types the last letters that it shows. `docs/adr/0005` says against whom each part stands.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from flask import Response, redirect, request
from werkzeug.exceptions import BadRequest
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, i18n
from idp.i18n import _
from idp.messages.compose import label_device
from idp.oidc import device_approval
from idp.oidc.authorization_details import describe_details
from idp.oidc.checks import check_client_is_active
from idp.oidc.clients import Client, find_client
from idp.oidc.consents import consent_purposes, consent_texts
from idp.oidc.device_approval import Circumstances, NotEntitled
from idp.oidc.device_guard import spend_last_letters
from idp.oidc.device_requests import DEVICE_CODE, DeviceRequest, find_device_request, network_of
from idp.oidc.request import Parameters
from idp.oidc.user_codes import HALF, UserCodeFault, parse_user_code, show_user_code
from idp.session import Session
from idp.signin.forms import FieldError, error, one_field
from idp.signin.interaction import Interaction, change_interaction, get_interaction
from idp.web import PageError, check_csrf, client_address, current_session, page

ADDRESS = "/device/confirm"


def show(interaction_id: str) -> BaseResponse:
    """Ask whether this device is to be connected, or say what became of it."""
    interaction = get_interaction(interaction_id, ADDRESS)
    return _elsewhere(interaction) or _form(interaction, [], 200)


def submit(interaction_id: str) -> BaseResponse:
    """Take the account holder's answer."""
    interaction = get_interaction(interaction_id, ADDRESS)
    check_csrf(interaction.id)
    elsewhere = _elsewhere(interaction)
    if elsewhere is not None:
        return elsewhere
    decision, origin = one_field("decision"), one_field("origin")
    if decision not in {"allow", "deny"} or origin not in {"", "seen", "given"}:
        raise BadRequest("no decision")
    if decision == "deny" or origin == "given":
        # Whoever was sent a code and says so has just stopped a fraud, whichever button was pressed.
        return _refuse(interaction, "given" if origin == "given" else "denied")
    return _allow(interaction, origin)


def undo(interaction_id: str) -> BaseResponse:
    """Disconnect the device that was just connected."""
    interaction, now = get_interaction(interaction_id, ADDRESS), clock.now()
    check_csrf(interaction.id)
    if interaction.payload.get("ending") == "allowed":
        grant_id, request_id = interaction.payload["grant"], interaction.payload["request"]
        device_approval.disconnect_device(request_id, grant_id, interaction.account_id, now)
        _end(interaction, "undone")
    return redirect(f"{ADDRESS}/{interaction.id}", 303)


def get_client(asked: DeviceRequest) -> Client:
    """Return the client of a request, or raise `PageError` when it may not connect devices any more."""
    client = find_client(asked.client_id)
    check_client_is_active(Parameters({}), client)
    if client is None or DEVICE_CODE not in client.grant_types:
        raise PageError("expired", 400, "the client may not connect devices any more", restart_url="/device")
    return client


def tell_facts(asked: DeviceRequest, client: Client, now: datetime) -> dict[str, Any]:
    """Return what a visitor can compare: who asks, since when, and whether from beside them."""
    return {
        "service": client.name_in(i18n.current_locale()),
        "minutes": (now - asked.asked_at) // timedelta(minutes=1),
        "is_near": _is_near(asked),
    }


def _elsewhere(interaction: Interaction) -> BaseResponse | None:
    """Return where this visitor belongs instead of the question, or ``None`` when it is to be asked."""
    if interaction.outcome is None:
        return redirect(f"/signin/{interaction.id}/", 303)
    ending = interaction.payload.get("ending")
    if ending == "allowed":
        return page("device/connected.html", interaction=interaction.id)
    if ending is not None:
        return page("device/ended.html", ending=ending)
    if interaction.outcome != "done":
        return page("device/ended.html", ending="stopped")
    if not _open_request(interaction):
        return page("device/ended.html", 410, ending="over")
    session = current_session()
    if session is None or session.account_id != interaction.account_id:
        # Another tab signed someone else in meanwhile, or out.
        raise PageError("expired", 400, "another person is signed in", restart_url="/device")
    return None


def _allow(interaction: Interaction, origin: str) -> BaseResponse:
    asked, session, now = _get_request(interaction), _get_session(), clock.now()
    client = get_client(asked)
    errors = [error("origin", "e.device.origin")] if origin != "seen" else []
    typed = one_field("user_code")
    if _asks_for_last_letters(interaction, asked):
        # Counted before it is compared; an empty field is no guess.
        if typed.strip() and not spend_last_letters(asked):
            return _refuse(interaction, "tries")
        errors += _faults_of(typed, asked)
    if errors:
        return _form(interaction, errors, 422)
    how = Circumstances(
        service=client.name_in(i18n.current_locale()),
        browser=label_device(request.user_agent.string),
        reference=interaction.reference,
        same_network=_is_near(asked),
        by_link=bool(interaction.payload["by_link"]),
    )
    try:
        grant = device_approval.connect_device(asked, client, session, how, now)
    except NotEntitled as fault:
        raise PageError("expired", 400, str(fault), restart_url=f"/device/{asked.id}") from fault
    if grant is not None:
        _end(interaction, "allowed", grant=grant.id)
    return redirect(f"{ADDRESS}/{interaction.id}", 303)


def _refuse(interaction: Interaction, reason: str) -> BaseResponse:
    asked = _get_request(interaction)
    if device_approval.refuse_device(asked, interaction.account_id, reason, clock.now()):
        _end(interaction, reason)
    return redirect(f"{ADDRESS}/{interaction.id}", 303)


def _end(interaction: Interaction, ending: str, **more: str) -> None:
    change_interaction(interaction, lambda old: replace(old, payload={**old.payload, "ending": ending, **more}))


def _asks_for_last_letters(interaction: Interaction, asked: DeviceRequest) -> bool:
    """Who typed the whole code and sits beside the device has shown enough; nobody else has."""
    return bool(interaction.payload["by_link"]) or not _is_near(asked)


def _faults_of(typed: str, asked: DeviceRequest) -> list[FieldError]:
    try:
        fits = parse_user_code(typed, length=HALF) == asked.user_code[HALF:]
    except UserCodeFault as fault:
        return [error("user-code", "e.device.last.empty" if fault.reason == "empty" else "e.device.last")]
    return [] if fits else [error("user-code", "e.device.last")]


def _open_request(interaction: Interaction) -> DeviceRequest | None:
    asked = find_device_request(interaction.payload["request"])
    return asked if asked is not None and asked.is_open(clock.now()) else None


def _get_request(interaction: Interaction) -> DeviceRequest:
    asked = _open_request(interaction)
    if asked is None:
        raise PageError("expired", 400, "request answered meanwhile", restart_url="/device")
    return asked


def _get_session() -> Session:
    session = current_session()
    if session is None:
        raise PageError("expired", 400, "session ended", restart_url="/device")
    return session


def _form(interaction: Interaction, errors: list[FieldError], status: int) -> Response:
    asked, now = _get_request(interaction), clock.now()
    client = get_client(asked)
    context = {
        "interaction": interaction.id,
        "facts": tell_facts(asked, client, now),
        "code": show_user_code(asked.user_code),
        "asks_for_last_letters": _asks_for_last_letters(interaction, asked),
        "items": [] if client.first_party else _told(asked.scopes, client),
        "details": describe_details(asked.authorization_details, i18n.current_locale()),
        "third_party": not client.first_party,
        "origin": one_field("origin") if errors else "",
        "errors": errors,
    }
    return page("device/confirm.html", status, **context)


def _told(scopes: tuple[str, ...], client: Client) -> list[tuple[str, tuple[str, str] | None]]:
    purposes = consent_purposes(scopes, client)
    return [(_(text), i18n.text_in(purposes.get(text, {}))) for text in consent_texts(scopes)]


def _is_near(asked: DeviceRequest) -> bool:
    return asked.network == network_of(client_address())
