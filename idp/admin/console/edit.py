"""Changing a client section by section: every field of the schema stands in one, with its faults beside it."""

from collections.abc import Mapping
from typing import Any

from flask import Response, get_template_attribute, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock
from idp.admin import actions, client_acts
from idp.admin.console.fields import ALL_SECTIONS, fields_of, read_fields, typed_fields
from idp.admin.console.pages import field_errors, show
from idp.admin.entry import blueprint, current_actor, need
from idp.admin.faults import Invalid, NotFound, Stale
from idp.admin.looks import look
from idp.admin.redirect_lines import Line, judge_lines, read_lines
from idp.admin.schema import document_of, plain
from idp.oidc.registration import KINDS
from idp.signin.forms import FieldError, error, one_field

# Fields that are judged line by line.
JUDGED = ("redirect_uris", "post_logout_redirect_uris")


@blueprint.get("/clients/<client_id>/edit/<section>")
def section_page(client_id: str, section: str) -> Response:
    """Show one section of a client as a form."""
    need("clients.write")
    document = plain(document_of(client_acts.get_client(client_id)))
    return _form(client_id, section, fields_of(_names(section), document, section))


@blueprint.post("/clients/<client_id>/edit/<section>")
def section_submit(client_id: str, section: str) -> BaseResponse:
    """Save one section, or have it wait for a second person; lines that cannot stand keep no other line out."""
    need("clients.write")
    names, now = _names(section), clock.now()
    document, typed = plain(document_of(client_acts.get_client(client_id))), read_fields(names, request.form)
    if "test" in request.form:
        return _form(client_id, section, typed_fields(names, request.form, section), tested=_test_keys(typed))
    kind = str(document["kind"])
    judged = {name: judge_lines(typed[name], kind=kind) for name in JUDGED if name in typed}
    good, bad = keep_good(typed, judged)
    try:
        done = actions.perform(
            current_actor(), "client.update", client_id, {**document, **good}, now=now, version=_version(),
            reason=one_field("reason"), emergency=one_field("emergency") == "yes",
        )  # fmt: skip
    except (Invalid, Stale) as refusal:
        fields = typed_fields(names, request.form, section)
        return _form(client_id, section, fields, 422, errors=[*bad, *field_errors(refusal)], judged=judged)
    state = "waiting" if done.is_waiting else "saved" if done.change else "same"
    if bad:
        # The good lines are saved; the others stay in the field, each with its reason.
        fields = typed_fields(names, request.form, section)
        return _form(client_id, section, fields, 422, errors=bad, judged=judged, saved=state)
    return redirect(f"/admin/clients/{client_id}?done={state}", 303)


@blueprint.post("/redirect-uris")
def redirect_uris_judged() -> Response:
    """Say of each address whether it can stand, for the script of the page."""
    kind = one_field("kind")
    asked = {"uris": read_lines(one_field("uris"))[:100], "kind": kind if kind in KINDS else "website"}
    lines = look(current_actor(), "client.judge-redirects", given=asked)
    return Response(get_template_attribute("admin/pieces.html", "verdicts")(lines))


def keep_good(typed: Mapping[str, Any], judged: Mapping[str, list[Line]]) -> tuple[dict[str, Any], list[FieldError]]:
    """Return the values without the lines that cannot stand, and an error for each field that had some."""
    good = dict(typed) | {name: [one.uri for one in lines if not one.fault] for name, lines in judged.items()}
    bad = [
        error(name, "admin.uri.some_bad", n=sum(1 for one in lines if one.fault))
        for name, lines in judged.items()
        if any(one.fault for one in lines)
    ]
    return good, bad


def _form(client_id: str, section: str, fields: Any, status: int = 200, **more: Any) -> Response:
    row = client_acts.get_row(client_id)
    context = {"judged": {}, "saved": None, "tested": None, **more}
    name, kind = row.client_metadata.get("name", ""), row.client_metadata.get("kind", "website")
    return show(
        "section", status, client_id=client_id, name=name, kind=kind, version=row.version, section=section,
        fields=fields, **context,
    )  # fmt: skip


def _names(section: str) -> tuple[str, ...]:
    if section not in ALL_SECTIONS:
        raise NotFound("no such section")
    return ALL_SECTIONS[section]


def _version() -> int:
    sent = one_field("version")
    return int(sent) if sent.isascii() and sent.isdecimal() and len(sent) < 10 else -1


def _test_keys(typed: Mapping[str, Any]) -> Any:
    return look(current_actor(), "client.try-keys", given={"jwks_uri": str(typed.get("jwks_uri") or "")})
