"""The OpenAPI 3.1 document, read off the table of routes and the models: it cannot promise what is not there."""

import re
from functools import lru_cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from idp.admin.api.answers import Problem
from idp.admin.api.routes import ROUTES
from idp.admin.api.shape import Route

PREFIX = "/admin/api"
_SCHEMA = "#/components/schemas/{model}"
# What may go wrong at any address; each is a `Problem`.
REFUSALS = {
    400: "The request is not what this address takes.",
    401: "There is no usable token.",
    403: "The token does not allow this, or nobody may do this alone.",
    404: "There is no such thing.",
    405: "This address does not take this method.",
    409: "The state of things does not allow this.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    421: "This is not the host of the provider.",
    422: "The values cannot stand; `errors` lists each fault.",
    503: "A store does not answer; nothing was done.",
}
_VERSIONED = {
    412: "Somebody changed it meanwhile; look at it again.",
    428: "The version looked at must be sent in `If-Match`.",
}


@lru_cache(maxsize=1)
def openapi() -> dict[str, Any]:
    """Return the document."""
    models: set[type[BaseModel]] = {Problem}
    for route in ROUTES:
        models |= {*route.answers.values(), *([route.body] if route.body else [])}
    ordered = sorted(models, key=lambda one: one.__name__)
    refs, definitions = models_json_schema([(one, "validation") for one in ordered], ref_template=_SCHEMA)
    names: dict[Any, str] = {model: schema["$ref"] for (model, _mode), schema in refs.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        path = PREFIX + re.sub(r"<(\w+)>", r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route, names)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sésame: administration",
            "version": "1",
            "description": "Clients, changes, administrators, tokens, support desk, audit trail. See docs/howto.",
        },
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(route: Route, names: dict[Any, str]) -> dict[str, Any]:
    refusals = {**REFUSALS, **(_VERSIONED if route.needs_version else {}), **route.refusals}
    problem = {"application/problem+json": {"schema": {"$ref": names[Problem]}}}
    responses: dict[str, Any] = {
        str(status): {
            "description": "Done." if status != 202 else "It waits for a second person.",
            "content": {"application/json": {"schema": {"$ref": names[model]}}},
            **({"headers": {"ETag": {"schema": {"type": "string"}, "required": True}}} if route.tells_version else {}),
        }
        for status, model in route.answers.items()
    }
    responses |= {str(status): {"description": text, "content": problem} for status, text in refusals.items()}
    needs = f" Needs `{route.permission}`." if route.permission else ""
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "description": route.summary + needs,
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_headers(route)],
        "responses": responses,
    }
    if route.body is not None:
        content = {"application/json": {"schema": {"$ref": names[route.body]}}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    named = re.findall(r"<(\w+)>", route.path)
    text = {"type": "string", "minLength": 1}
    return [{"name": one, "in": "path", "required": True, "schema": text} for one in named]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    properties = route.query.model_json_schema().get("properties", {})
    return [{"name": name, "in": "query", "required": False, "schema": one} for name, one in properties.items()]


def _headers(route: Route) -> list[dict[str, Any]]:
    if not route.needs_version:
        return []
    schema = {"type": "string", "pattern": r'^"[0-9]{1,9}"$'}
    return [{"name": "If-Match", "in": "header", "required": True, "schema": schema}]
