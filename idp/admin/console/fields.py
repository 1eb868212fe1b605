"""The form of a client, read off the schema: which field stands in which section, as what control, and back again.

A field that the schema gains stands in the last section at once: form, REST and YAML always know the same.
"""

import json
import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from werkzeug.datastructures import MultiDict

from idp.admin.redirect_lines import read_lines
from idp.admin.schema import ClientDocument, Strict
from idp.oidc.claims import SCOPES
from idp.settings import settings

Control = Literal["text", "prose", "flag", "choice", "choices", "lines", "number", "json", "languages", "purposes"]

# Where a field stands; what is not named here stands in `advanced`.
SECTIONS: Mapping[str, tuple[str, ...]] = {
    "identity": ("name", "names", "description", "team", "contacts", "client_uri", "help_uri", "policy_uri", "tos_uri"),
    "addresses": (
        "redirect_uris", "post_logout_redirect_uris", "backchannel_logout_uri", "frontchannel_logout_uri",
        "initiate_login_uri",
    ),
    "proof": ("token_endpoint_auth_method", "jwks_uri", "jwks", "allowed_networks"),
    "data": ("scopes", "purposes", "first_party", "subject_type"),
    "security": (
        "security_profile", "minimum_acr", "default_max_age", "access_token_lifetime", "id_token_lifetime",
        "require_pkce", "dpop_bound_access_tokens", "require_pushed_authorization_requests", "grant_types",
    ),
    "mobile": ("apple_apps", "android_apps"),
}  # fmt: skip
_SPECIAL: Mapping[str, Control] = {
    "description": "prose", "names": "languages", "purposes": "purposes", "jwks": "json", "android_apps": "json",
}  # fmt: skip
NOT_IN_FORMS = frozenset({"kind", "logo_uri"})
_NAMED = {name for names in SECTIONS.values() for name in names} | NOT_IN_FORMS
ALL_SECTIONS: Mapping[str, tuple[str, ...]] = {
    **SECTIONS,
    "advanced": tuple(name for name in ClientDocument.model_fields if name not in _NAMED),
}


@dataclass(frozen=True)
class Field:
    """One control, as the template draws it."""

    name: str
    control: Control
    value: Any
    choices: tuple[str, ...] = ()
    # Whether the catalogues have a name for it; else the specification's own stands there.
    has_label: bool = True


def fields_of(names: tuple[str, ...], document: Mapping[str, Any], section: str) -> list[Field]:
    """Return the controls of a section, filled in."""
    return [_field(name, document.get(name), section != "advanced") for name in names]


def typed_fields(names: tuple[str, ...], form: "MultiDict[str, str]", section: str) -> list[Field]:
    """Return the controls as somebody left them: what was typed is never lost."""
    return [
        Field(one.name, one.control, _as_typed(one, form), one.choices, one.has_label)
        for one in (_field(name, None, section != "advanced") for name in names)
    ]


def read_fields(names: tuple[str, ...], form: "MultiDict[str, str]") -> dict[str, Any]:
    """Return what a form says, in the types of the schema; what is not there is empty."""
    return {name: _READERS[_control(name)](name, form) for name in names}


def _control(name: str) -> Control:
    if name in _SPECIAL:
        return _SPECIAL[name]
    kind = _bare(ClientDocument.model_fields[name].annotation)
    if kind is bool:
        return "flag"
    if kind is int:
        return "number"
    if get_origin(kind) is Literal:
        return "choice"
    if get_origin(kind) is list:
        return "choices" if get_origin(_bare(get_args(kind)[0])) is Literal else "lines"
    return "text"


def _bare(kind: Any) -> Any:
    """Return a type without `None` and without its annotations."""
    if get_origin(kind) in {Union, types.UnionType}:
        kind = next(one for one in get_args(kind) if one is not type(None))
    return kind.__origin__ if hasattr(kind, "__metadata__") else kind


def _field(name: str, value: Any, has_label: bool) -> Field:
    control, kind = _control(name), _bare(ClientDocument.model_fields[name].annotation)
    choices: tuple[str, ...] = ()
    if control == "choice":
        is_optional = type(None) in get_args(ClientDocument.model_fields[name].annotation)
        choices = (*(("",) if is_optional else ()), *get_args(kind))
    if control == "choices":
        choices = get_args(_bare(get_args(kind)[0]))
    if control == "purposes":
        choices = tuple(scope for scope in SCOPES if scope != "openid")
    if control == "json" and value:
        value = json.dumps(value, ensure_ascii=False, indent=2)
    return Field(name, control, value if value is not None else "", choices, has_label)


def _as_typed(one: Field, form: "MultiDict[str, str]") -> Any:
    if one.control in {"choices", "lines"}:
        return form.getlist(one.name) if one.control == "choices" else read_lines(form.get(one.name, ""))
    if one.control == "flag":
        return form.get(one.name) == "yes"
    if one.control in {"languages", "purposes"}:
        return _READERS[one.control](one.name, form)
    return form.get(one.name, "")


def _text(name: str, form: "MultiDict[str, str]") -> str | None:
    typed = form.get(name, "").replace("\r\n", "\n").strip()
    is_optional = type(None) in get_args(ClientDocument.model_fields[name].annotation)
    return typed or (None if is_optional else "")


def _number(name: str, form: "MultiDict[str, str]") -> int | str | None:
    typed = form.get(name, "").strip()
    # Text that is no number is refused by the schema, which names the field.
    return int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else typed or None


def _json(name: str, form: "MultiDict[str, str]") -> Any:
    typed = form.get(name, "").strip()
    if not typed:
        return {} if name == "android_apps" else None
    try:
        return json.loads(typed)
    except (ValueError, RecursionError):
        return typed


def _languages(name: str, form: "MultiDict[str, str]") -> dict[str, str]:
    typed = {locale: form.get(f"{name}.{locale}", "").strip() for locale in settings.locales}
    return {locale: text for locale, text in typed.items() if text}


def _purposes(name: str, form: "MultiDict[str, str]") -> dict[str, dict[str, str]]:
    found = {scope: _languages(f"{name}.{scope}", form) for scope in SCOPES}
    return {scope: texts for scope, texts in found.items() if texts}


_READERS: Mapping[str, Any] = {
    "text": _text,
    "prose": _text,
    "choice": _text,
    "flag": lambda name, form: form.get(name) == "yes",
    "choices": lambda name, form: form.getlist(name),
    "lines": lambda name, form: read_lines(form.get(name, "")),
    "number": _number,
    "json": _json,
    "languages": _languages,
    "purposes": _purposes,
}
__all__ = ["ALL_SECTIONS", "Field", "Strict", "fields_of", "read_fields", "typed_fields"]
