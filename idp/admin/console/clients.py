"""Clients in the console: list and search, one client with its secrets and history, and the acts on it as a whole."""

import base64
import json
from typing import Any

import yaml
from flask import Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.admin import actions, client_acts, listing
from idp.admin.activity import read_activities, read_activity
from idp.admin.changes import list_changes
from idp.admin.console.fields import ALL_SECTIONS
from idp.admin.console.pages import field_errors, show
from idp.admin.csv_export import to_csv
from idp.admin.entry import blueprint, current_actor, need
from idp.admin.faults import Conflict, Invalid
from idp.admin.looks import look
from idp.admin.plots import spark, stack
from idp.admin.redirect_lines import read_lines
from idp.admin.schema import brief, document_of
from idp.admin.secret_warnings import describe_secret
from idp.i18n import _
from idp.oidc.registration import SECRETLESS
from idp.oidc.trials import can_be_tried
from idp.signin.forms import FieldError, error, one_field

# How the fault of a logo begins, as said to machines, and the text that says it to a person.
_LOGO_TEXTS = {
    "is neither": "admin.logo.kind",
    "is SVG": "admin.logo.svg",
    "is larger": "admin.logo.large",
    "cannot be drawn": "admin.logo.broken",
}


@blueprint.get("/clients")
def clients_page() -> Response:
    """List clients, and search them by id, name, team or redirect URI."""
    need("clients.read")
    words = request.args.get("q", "")[:200]
    state = request.args.get("state") or None
    after = request.args.get("after") or None
    known = state if state in listing.STATES else None
    found, further = listing.list_clients(words=words, state=known, limit=50, after=after)
    activity = read_activities((one.client_id for one in found), clock.now())
    return show(
        "clients", clients=found, words=words, state=known, states=listing.STATES, further=further, activity=activity,
        spark=spark,
    )  # fmt: skip


@blueprint.get("/clients.csv")
def clients_csv() -> Response:
    """Return the list, as it is searched, as a table for a spreadsheet."""
    need("clients.read")
    state = request.args.get("state") or None
    known = state if state in listing.STATES else None
    found, _further = listing.list_clients(words=request.args.get("q", "")[:200], state=known, limit=100_000)
    response = Response(to_csv(found), mimetype="text/csv")
    response.headers["Content-Disposition"] = 'attachment; filename="clients.csv"'
    return response


@blueprint.get("/clients/<client_id>")
def client_page(client_id: str) -> Response:
    """Show a client: what it is, what may be done to it, what was done."""
    need("clients.read")
    return _client(client_id)


@blueprint.get("/clients/<client_id>/history")
def client_history(client_id: str) -> Response:
    """Show every change of a client, with names and differences."""
    need("clients.read")
    row = client_acts.get_row(client_id)
    found = list_changes(target=client_id, acts="client", limit=50, after=request.args.get("after"))
    return show("history", client=row, changes=found)


@blueprint.get("/clients/<client_id>/preview")
def client_preview(client_id: str) -> Response:
    """Show what tokens a test persona would give the client."""
    found = look(current_actor(), "client.preview", client_id)
    shown = {name: json.dumps(one, ensure_ascii=False, indent=2) for name, one in found.items()}
    return show("preview", client=client_acts.get_client(client_id), shown=shown)


@blueprint.get("/clients/<client_id>/activity")
def client_activity(client_id: str) -> Response:
    """Show a client's grants and errors of two weeks, as a plot with its table."""
    need("clients.read")
    client = client_acts.get_client(client_id)
    return show("activity", client=client, activity=read_activity(client_id, clock.now()), stack=stack)


@blueprint.post("/clients/<client_id>/<any(suspend,resume,archive,restore):act>")
def client_state(client_id: str, act: str) -> BaseResponse:
    """Suspend, resume, archive or restore a client."""
    actions.perform(current_actor(), f"client.{act}", client_id, {}, now=clock.now(), reason=one_field("reason"))
    return redirect(f"/admin/clients/{client_id}?done={act}", 303)


@blueprint.post("/clients/<client_id>/secrets")
def client_secret(client_id: str) -> BaseResponse:
    """Make a secret and show it once."""
    overlap = {"keep": None, "now": 0}.get(one_field("overlap"))
    given = {"label": one_field("label").strip(), "overlap_days": overlap, "expires_days": _days("expires_days")}
    try:
        done = actions.perform(current_actor(), "client.add-secret", client_id, given, now=clock.now())
    except (Invalid, Conflict) as refusal:
        is_number = any(name == "expires_days" for name, _why in refusal.faults)
        wrong = [error("expires_days", "admin.secret.expires_wrong")] if is_number else field_errors(refusal)
        return _client(client_id, 422, errors=wrong)
    name = client_acts.get_client(client_id).name
    return show(
        "shown", what="secret", value=done.shown_once["client_secret"], about=name, back=f"/clients/{client_id}"
    )


@blueprint.post("/clients/<client_id>/secrets/revoke")
def client_secret_revoke(client_id: str) -> BaseResponse:
    """Revoke a secret now; the client's name is typed, so that no slip of a hand does it."""
    if one_field("confirm").strip() != client_acts.get_client(client_id).name:
        return _client(client_id, 422, errors=[error("confirm", "admin.secret.confirm_wrong")])
    number = one_field("secret")
    given = {"secret_id": int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0}
    actions.perform(current_actor(), "client.revoke-secret", client_id, given, now=clock.now())
    return redirect(f"/admin/clients/{client_id}?done=revoked", 303)


@blueprint.post("/clients/<client_id>/logo")
def client_logo(client_id: str) -> BaseResponse:
    """Take a logo; it is drawn anew before anything of it is kept."""
    # Larger than other forms, and not larger than a logo.
    request.max_content_length = 200_000
    file = request.files.get("logo")
    content = base64.b64encode(file.read(150_000)).decode() if file else ""
    given = {"content": None if one_field("remove") == "yes" else content}
    try:
        done = actions.perform(current_actor(), "client.logo", client_id, given, now=clock.now())
    except Invalid as refusal:
        told = next((text for start, text in _LOGO_TEXTS.items() if refusal.faults[0][1].startswith(start)), None)
        return _client(client_id, 422, errors=[error("content", told)] if told else field_errors(refusal))
    return redirect(f"/admin/clients/{client_id}?done={'waiting' if done.is_waiting else 'saved'}", 303)


@blueprint.post("/clients/<client_id>/transfer")
def client_transfer(client_id: str) -> BaseResponse:
    """Hand a client over to other people."""
    given = {"team": one_field("team").strip(), "contacts": read_lines(one_field("contacts"))}
    try:
        actions.perform(
            current_actor(), "client.transfer", client_id, given, now=clock.now(), reason=one_field("reason")
        )
    except Invalid as refusal:
        wrong = [FieldError(name.split(".")[0], _(f"admin.transfer.wrong.{name.split('.')[0]}"))
                 for name, _why in refusal.faults if name.split(".")[0] in given]  # fmt: skip
        return _client(client_id, 422, errors=wrong or field_errors(refusal), handed=given)
    return redirect(f"/admin/clients/{client_id}?done=transfer", 303)


def _days(name: str) -> int | None:
    """Return a number of days, or ``None`` for an empty field; what is no number becomes one that is refused."""
    typed = one_field(name).strip()
    return None if not typed else int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 6 else 0


def _client(client_id: str, status: int = 200, **more: Any) -> Response:
    row, client = client_acts.get_row(client_id), client_acts.get_client(client_id)
    who, now = current_actor(), clock.now()
    return show(
        "client",
        status,
        client=client,
        row=row,
        state=client_acts.state_of(row),
        secrets=[describe_secret(one, now) for one in client_acts.list_secrets(client_id)],
        has_secret=client.token_endpoint_auth_method not in SECRETLESS,
        yaml=yaml.safe_dump(brief(document_of(client)), allow_unicode=True, sort_keys=False),
        sections=list(ALL_SECTIONS) if who.may("clients.write") else [],
        changes=list_changes(target=client_id, acts="client", limit=5),
        now=now,
        can_be_tried=can_be_tried(client) and who.may("clients.write"),
        done=request.args.get("done"),
        **{"handed": {"team": "", "contacts": []}, **more},
    )
