"""How Flask serves the table of routes: bearer tokens only, strict JSON, problems as RFC 9457 wants them.

No cookie is ever read here, so that no page of another site can act through a browser (AC-203).
"""

import json
import re
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, abort, request
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from idp import clock, logs, metrics
from idp.accounts.passwords import HashingBusy
from idp.admin.actors import Actor
from idp.admin.api.answers import Problem
from idp.admin.api.openapi import PREFIX, openapi
from idp.admin.api.routes import ROUTES
from idp.admin.api.shape import Call, Reply, Route
from idp.admin.entry import is_reachable_from
from idp.admin.faults import Refused
from idp.admin.schema import read_body
from idp.admin.tokens import find_actor
from idp.db import db
from idp.oidc.json_body import BadJson, read_object
from idp.state import StateDown
from idp.web import reference

blueprint = Blueprint("admin_api", __name__, url_prefix=PREFIX)
log = logs.get_logger()
_LARGEST = 200_000
_ETAG = re.compile(r'"(\d{1,9})"')
_TITLES = {400: "Bad request", 404: "Not found", 405: "Method not allowed", 413: "Too large", 503: "Unavailable"}


class Bad(Refused):
    """The request itself is not what the address takes."""

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.kind = status, kind


@blueprint.before_request
def _check_address() -> None:
    if not is_reachable_from(request.remote_addr):
        abort(404)


@blueprint.get("/openapi.json")
def document() -> Response:
    """Publish the OpenAPI document."""
    return Response(json.dumps(openapi(), ensure_ascii=False), mimetype="application/json")


def _serve(route: Route) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        reply = route.function(_read(route, path))
        model = route.answers[reply.status]
        return _answer(route, reply, model)

    view.__doc__ = route.summary
    return view


def _read(route: Route, path: dict[str, str]) -> Call:
    actor = _actor()
    if route.permission:
        actor.require(route.permission)
    return Call(
        actor=actor,
        path=path,
        query=_query(route),
        body=_body(route),
        version=_version(route),
        now=clock.now(),
    )


def _actor() -> Actor:
    sent = request.headers.getlist("Authorization")
    scheme, _, value = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    actor = find_actor(value.strip(), request.remote_addr or "", clock.now()) if scheme.lower() == "bearer" else None
    if actor is None:
        raise Bad(401, "token", "a token of an administrator is needed")
    return actor


def _query(route: Route) -> Any:
    values = request.args.to_dict(flat=False)
    if any(len(one) > 1 for one in values.values()):
        raise Bad(400, "query", "a parameter came more than once")
    try:
        return route.query.model_validate({name: one[0] for name, one in values.items()})
    except ValidationError as fault:
        names = sorted({str(one["loc"][0]) if one["loc"] else "" for one in fault.errors(include_input=False)})
        raise Bad(400, "query", f"cannot be read: {', '.join(names)}"[:300]) from None


def _body(route: Route) -> BaseModel | None:
    if route.body is None:
        return None
    request.max_content_length = _LARGEST
    # AC-203: what a form of another site can send without asking first is no JSON.
    if request.mimetype != "application/json" or request.headers.get("Content-Encoding", "identity") != "identity":
        raise Bad(415, "media-type", "the body must be application/json, not compressed")
    try:
        return read_body(route.body, read_object(request.get_data()))
    except BadJson as fault:
        raise Bad(400, "json", str(fault)) from None


def _version(route: Route) -> int | None:
    if not route.needs_version:
        return None
    sent = request.headers.get("If-Match")
    if sent is None:
        raise Bad(428, "version", "send the ETag of what you looked at in If-Match")
    found = _ETAG.fullmatch(sent.strip())
    # A weak tag, a list or * names no version that somebody looked at.
    return int(found[1]) if found else -1


def _answer(route: Route, reply: Reply, model: type[BaseModel]) -> Response:
    metrics.ADMIN_API.labels(route.path, str(reply.status)).inc()
    text = model.model_validate(reply.body, from_attributes=False).model_dump_json()
    response = Response(text, reply.status, mimetype="application/json")
    if reply.version is not None:
        response.set_etag(str(reply.version))
    return response


def problem(status: int, kind: str, detail: str, faults: tuple[tuple[str, str], ...] = ()) -> Response:
    """Return a problem (RFC 9457); the kind is a URN of ours, for it leads nowhere."""
    body = Problem(
        type=f"urn:sesame:problem:{kind}",
        title=_TITLES.get(status, kind.replace("-", " ").capitalize()),
        status=status,
        detail=detail,
        reference=reference(),
        errors=[{"field": name[:200], "message": message[:500]} for name, message in faults[:100]],
    )
    response = Response(body.model_dump_json(), status, mimetype="application/problem+json")
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


@blueprint.errorhandler(Refused)
def _refused(refusal: Refused) -> Response:
    db.session.rollback()
    metrics.ADMIN_API.labels(request.url_rule.rule if request.url_rule else "-", str(refusal.status)).inc()
    log.info("admin-api-refused", kind=refusal.kind, status=refusal.status)
    return problem(refusal.status, refusal.kind, refusal.detail, refusal.faults)


@blueprint.errorhandler(HashingBusy)
def _busy(_fault: HashingBusy) -> Response:
    db.session.rollback()
    return problem(503, "busy", "too many passwords are being looked at; nothing was done")


@blueprint.errorhandler(HTTPException)
def _http(fault: HTTPException) -> Response:
    status = 413 if isinstance(fault, RequestEntityTooLarge) else fault.code or 500
    return problem(status, "request", fault.name)


@blueprint.errorhandler(StateDown)
@blueprint.errorhandler(DBAPIError)
@blueprint.errorhandler(PoolTimeout)
def _down(fault: Exception) -> Response:
    db.session.rollback()
    log.error("store-down", error_type=type(fault).__name__)
    return problem(503, "unavailable", "a store does not answer")


@blueprint.route("/<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def elsewhere(rest: str) -> Response:
    """Say that there is nothing here, or nothing by this method."""
    patterns = {re.sub(r"<\w+>", "[^/]+", route.path[1:]): [] for route in ROUTES}  # type: dict[str, list[str]]
    for route in ROUTES:
        patterns[re.sub(r"<\w+>", "[^/]+", route.path[1:])].append(route.method)
    allowed = sorted({method for one, methods in patterns.items() if re.fullmatch(one, rest) for method in methods})
    if not allowed:
        return problem(404, "not-found", "there is nothing here")
    response = problem(405, "method", f"this address takes {', '.join(allowed)}")
    response.headers["Allow"] = ", ".join(allowed)
    return response


for _route in ROUTES:
    blueprint.add_url_rule(
        _route.path, _route.name, _serve(_route), methods=[_route.method], provide_automatic_options=False
    )
