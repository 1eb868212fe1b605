"""Rich authorization requests (RFC 9396): what exactly is to be allowed, for clients that register types."""

from typing import Any

from idp.oidc.clients import Client
from idp.oidc.errors import InvalidAuthorizationDetails
from idp.settings import settings
from idp.strict_json import parse_json

Details = tuple[dict[str, Any], ...]
_LONGEST = 8 * 1024
_DEEPEST = 6
_MOST = 10
# RFC 9396 §2.2: the common fields, and what each holds.
_LISTS = frozenset({"locations", "actions", "datatypes", "privileges"})


def parse_details(text: str | None) -> Details:
    """Return the parameter's objects; raises `InvalidAuthorizationDetails`."""
    if text is None:
        return ()
    try:
        entries = parse_json(text, longest=_LONGEST, deepest=_DEEPEST)
    except ValueError as fault:
        raise InvalidAuthorizationDetails(
            "authorization_details is not the JSON of RFC 9396 2.", detail=str(fault)
        ) from fault
    if not isinstance(entries, list) or not 0 < len(entries) <= _MOST:
        raise InvalidAuthorizationDetails(f"authorization_details must be an array of 1 to {_MOST} objects.")
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
            raise InvalidAuthorizationDetails("Each of authorization_details must be an object with a type.")
        for name in _LISTS & entry.keys():
            if not isinstance(entry[name], list) or any(not isinstance(one, str) for one in entry[name]):
                raise InvalidAuthorizationDetails(f"{name} must be an array of strings.")
    return tuple(entries)


def check_details(details: Details, client: Client) -> None:
    """Raise unless every type is known here and registered for the client, and has the fields that it needs (§5)."""
    for entry in details:
        kind = settings.authorization_details.get(entry["type"])
        if kind is None or entry["type"] not in client.authorization_details_types:
            raise InvalidAuthorizationDetails("A type of authorization_details is not registered for this client.")
        if entry.keys() - {"type"} - set(kind.fields):
            raise InvalidAuthorizationDetails("authorization_details has a field that its type does not have.")
        if set(kind.required) - entry.keys():
            raise InvalidAuthorizationDetails("authorization_details lacks a field that its type needs.")


def narrow_details(granted: Details, asked: Details) -> Details:
    """Return the details of one token: those granted, or some of them (§6.1); raises `InvalidAuthorizationDetails`."""
    if any(entry not in granted for entry in asked):
        raise InvalidAuthorizationDetails("More was asked for than was granted.")
    return tuple(entry for entry in granted if entry in asked) or granted


def describe_details(details: Details, locale: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what the consent page says: for each entry the text of its type, and its fields as lines."""
    described = []
    for entry in details:
        kind = settings.authorization_details[entry["type"]]
        lines = tuple(f"{kind.label(name, locale)}: {_shown(entry[name])}" for name in kind.fields if name in entry)
        described.append((kind.text(locale), lines))
    return tuple(described)


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(part)}" for name, part in value.items())
    return ", ".join(_shown(part) for part in value) if isinstance(value, list) else str(value)
