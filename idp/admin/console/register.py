"""Registering a client step by step: what kind it is, what it needs, a look at all of it, done.

What was typed is kept for an hour beside the session, so that a look at another page loses nothing.
"""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import yaml
from flask import Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, entropy
from idp.admin import actions
from idp.admin.console.edit import JUDGED, keep_good
from idp.admin.console.fields import fields_of, read_fields, typed_fields
from idp.admin.console.pages import field_errors, show
from idp.admin.entry import blueprint, current_actor, need
from idp.admin.faults import Conflict, Invalid, NotFound
from idp.admin.redirect_lines import judge_lines
from idp.admin.schema import brief, read_document, starting_document
from idp.selfservice.entry import find_holder
from idp.signin.forms import FieldError, error, one_field
from idp.state import Space, state

_DRAFT_LIFE = timedelta(hours=1)
_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{1,79}")
# What each kind is asked, on one page; everything else can be said afterwards.
_ALWAYS = ("name", "description", "team", "contacts")
KINDS: dict[str, tuple[str, ...]] = {
    "website": (*_ALWAYS, "redirect_uris", "post_logout_redirect_uris", "token_endpoint_auth_method", "jwks_uri",
                "scopes", "purposes"),
    "single-page": (*_ALWAYS, "redirect_uris", "post_logout_redirect_uris", "scopes", "purposes"),
    "mobile": (*_ALWAYS, "redirect_uris", "scopes", "purposes", "apple_apps", "android_apps"),
    "machine": (*_ALWAYS, "token_endpoint_auth_method", "jwks_uri", "machine_scopes"),
}  # fmt: skip


@dataclass(frozen=True)
class Draft:
    """A client that is not registered yet."""

    client_id: str
    document: dict[str, Any]


DRAFTS = Space("admin-draft", Draft)


@blueprint.get("/clients/new")
def new_page() -> Response:
    """Ask what kind of program the client is."""
    need("clients.write")
    return show("new", kinds=list(KINDS))


@blueprint.get("/clients/new/<kind>")
def new_form(kind: str) -> Response:
    """Ask what a client of this kind needs."""
    need("clients.write")
    return _form(kind, fields_of(_names(kind), starting_document(kind, {"scopes": ["openid"]}), "new"))


@blueprint.post("/clients/new/<kind>")
def new_submit(kind: str) -> BaseResponse:
    """Judge what was typed, and show all of it before anything is registered."""
    need("clients.write")
    names = _names(kind)
    typed = read_fields(names, request.form)
    judged = {name: judge_lines(typed[name], kind=kind) for name in JUDGED if name in typed}
    good, bad = keep_good(typed, judged)
    client_id = one_field("client_id").strip() or entropy.identifier()
    errors: list[FieldError] = [] if one_field("skip") == "yes" else [*bad]
    if not _CLIENT_ID.fullmatch(client_id):
        errors.append(error("client_id", "admin.new.client_id_wrong"))
    given = starting_document(kind, good)
    try:
        document = read_document(given)
        actions.preview(current_actor(), "client.create", client_id, given)
    except (Invalid, Conflict) as refusal:
        errors += field_errors(refusal)
    if errors:
        return _form(kind, typed_fields(names, request.form, "new"), 422, errors=errors, judged=judged)
    state.put(DRAFTS, _place(), Draft(client_id, document.model_dump(mode="json")), ttl=_DRAFT_LIFE)
    return redirect("/admin/clients/new/review", 303)


@blueprint.get("/clients/new/review")
def new_review() -> Response:
    """Show all of it, as it will be registered."""
    need("clients.write")
    draft = _draft()
    return _review(draft)


@blueprint.post("/clients/new/review")
def new_create() -> BaseResponse:
    """Register the client, or have it wait for a second person."""
    draft, who = _draft(), current_actor()
    try:
        done = actions.perform(
            who, "client.create", draft.client_id, draft.document, now=clock.now(), reason=one_field("reason"),
            emergency=one_field("emergency") == "yes",
        )  # fmt: skip
    except (Invalid, Conflict) as refusal:
        return _review(draft, 422, errors=field_errors(refusal))
    state.delete(DRAFTS, _place())
    back = f"/clients/{draft.client_id}"
    if done.is_waiting and done.change is not None:
        return redirect(f"/admin/changes/{done.change.id}", 303)
    if "client_secret" not in done.shown_once:
        return redirect(f"/admin{back}?done=registered", 303)
    about = str(draft.document["name"])
    return show("shown", what="secret", value=done.shown_once["client_secret"], about=about, back=back)


def _form(kind: str, fields: Any, status: int = 200, **more: Any) -> Response:
    typed = request.form.get("client_id", "")
    return show("new_form", status, kind=kind, fields=fields, client_id=typed, **{"judged": {}, **more})


def _review(draft: Draft, status: int = 200, **more: Any) -> Response:
    text = yaml.safe_dump(
        brief(read_document(draft.document)) | {"client_id": draft.client_id}, allow_unicode=True, sort_keys=False
    )
    return show("review", status, yaml=text, kind=draft.document["kind"], name=draft.document["name"], **more)


def _names(kind: str) -> tuple[str, ...]:
    if kind not in KINDS:
        raise NotFound("no such kind")
    return KINDS[kind]


def _draft() -> Draft:
    draft = state.get(DRAFTS, _place())
    if draft is None:
        raise NotFound("no draft")
    return draft


def _place() -> str:
    holder = find_holder()
    if holder is None:
        raise NotFound("nobody is signed in")
    return holder.sid
