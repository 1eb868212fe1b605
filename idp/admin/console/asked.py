"""How a form that is kept for its sender reads: what it does, to whom, and each field under the name of its own page.

What says nothing to a person is left out: empty fields, versions, what only the browser needs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import current_app

from idp.admin.changes import find_change
from idp.admin.console.fields import ALL_SECTIONS
from idp.admin.roles import ROLES
from idp.i18n import _
from idp.settings import settings

# The act behind each form, in the words of the history; `{act}` is a word of the address.
_ACTS: Final[Mapping[str, str]] = {
    "client_state": "client.{act}", "client_secret": "client.add-secret", "client_logo": "client.logo",
    "client_secret_revoke": "client.revoke-secret", "client_transfer": "client.transfer", "new_create": "client.create",
    "section_submit": "client.update", "people_add": "administrator.add", "person_change": "administrator.{act}",
    "key_act": "key.{act}", "channel_switch": "channel.{act}", "banner_put": "banner.set", "text_set": "text.set",
    "banner_remove": "banner.remove", "text_reset": "text.reset", "text_revert": "text.set", "limit_set": "limit.set",
    "limit_reset": "limit.reset",
}  # fmt: skip
_TARGETS: Final = ("client_id", "name", "alg", "channel")
_LABELS: Final[Mapping[str, str]] = {
    "reason": "admin.reason", "roles": "admin.roles", "name": "admin.enrol.name", "label": "admin.token.label",
    "scopes": "admin.token.scopes", "networks": "admin.token.networks", "days": "admin.token.days",
    "service": "admin.token.for_service", "anyway": "admin.key.anyway", "keep_next": "admin.key.keep_next",
    "value": "admin.limit.value", "expires_days": "admin.secret.expires", "overlap": "admin.secret.old",
    "team": "admin.transfer.team", "contacts": "admin.transfer.contacts", "emergency": "admin.emergency",
    "why": "support.why", "fr": "admin.banner.fr", "en": "admin.banner.en", "begins_at": "admin.banner.begins_at",
    "ends_at": "admin.banner.ends_at",
}  # fmt: skip
# What a person has nothing to read in.
_SILENT: Final = frozenset({"csrf", "version", "confirm", "change", "secret", "token", "skip", "test"})
_NAMED: Final = {name for section, names in ALL_SECTIONS.items() if section != "advanced" for name in names}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked for, to which thing, and the fields as label and value."""

    what: str
    target: str
    fields: tuple[tuple[str, str], ...]


def describe_asked(path: str, fields: Iterable[tuple[str, str]]) -> Asked:
    """Return how a form to ``path`` reads; the path is one of ours, for it was asked for."""
    endpoint, given = current_app.url_map.bind("localhost").match(path, method="POST")
    view = endpoint.rpartition(".")[2]
    told: dict[str, list[str]] = {}
    for name, text in fields:
        if text.strip() and name not in _SILENT:
            told.setdefault(name, []).append(_value(name, text))
    of_client = view in {"section_submit", "new_create"}
    return Asked(*_what(view, given), tuple((_label(name, of_client), ", ".join(one)) for name, one in told.items()))


def _what(view: str, given: Mapping[str, Any]) -> tuple[str, str]:
    if view == "change_decide":
        change = find_change(given["change_id"])
        about = f"{_(f'admin.act.{change.act}')}, {change.target}" if change else ""
        return _(f"admin.{given['decision']}"), about
    if view == "token_make":
        return _("admin.token.new"), ""
    act = _ACTS.get(view)
    target = next((str(given[name]) for name in _TARGETS if name in given), "")
    return (_(f"admin.act.{act.format(**given)}") if act else "", target)


def _label(name: str, of_client: bool) -> str:
    base, _dot, detail = name.partition(".")
    if base.startswith("text-") and base[5:] in settings.locales:
        return _("admin.text.in", language=base[5:])
    if of_client and base in _NAMED:
        label = _(f"admin.field.{base}")
        return f"{label} ({detail})" if detail else label
    return _(_LABELS[base]) if base in _LABELS else name


def _value(name: str, text: str) -> str:
    if name == "roles" and text in ROLES:
        return _(f"admin.role.{text}")
    if name == "overlap" and text in {"keep", "now"}:
        return _(f"admin.secret.overlap.{text}")
    return _("admin.again.yes") if text == "yes" else text
