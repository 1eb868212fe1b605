"""Which claims a relying party gets: those of its scopes, and those it asked for by name; never the NIR."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from idp.strict_json import parse_json

# OpenID Connect Core §5.4. The closed list: no configuration can add the NIR to it (F-10).
SCOPES: dict[str, tuple[str, ...]] = {
    "openid": (),
    "profile": (
        "name", "family_name", "given_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
        "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
    "offline_access": (),
}  # fmt: skip
USER_CLAIMS: frozenset[str] = frozenset(claim for claims in SCOPES.values() for claim in claims)
# What the consent page says of a scope, in catalogue ids.
CONSENT_TEXTS: dict[str, str] = {
    "profile": "claim.profile",
    "email": "claim.email",
    "address": "claim.address",
    "phone": "claim.phone",
    "offline_access": "claim.offline_access",
}
_LONGEST = 8 * 1024
_DEEPEST = 4


@dataclass(frozen=True)
class ClaimsRequest:
    """The `claims` parameter (OpenID Connect Core §5.5), as far as we know its members."""

    userinfo: tuple[str, ...] = ()
    id_token: tuple[str, ...] = ()
    essential_acr: tuple[str, ...] = ()
    wished_acr: tuple[str, ...] = ()
    sub: str | None = None


def parse_claims_request(text: str) -> ClaimsRequest:
    """Read the `claims` parameter; raises `ValueError` when it is not the object that it should be (AC-118)."""
    tree = parse_json(text, longest=_LONGEST, deepest=_DEEPEST)
    if not isinstance(tree, dict):
        raise ValueError("not an object")
    members = {name: tree.get(name) or {} for name in ("userinfo", "id_token")}
    for member in members.values():
        if not isinstance(member, dict) or any(not isinstance(ask, dict | None) for ask in member.values()):
            raise ValueError("a member is not an object of objects")
    acr = members["id_token"].get("acr") or {}
    values = _acr_values(acr)
    essential = acr.get("essential") is True
    subjects = [asked["value"] for member in members.values() if (asked := member.get("sub")) and "value" in asked]
    if any(not isinstance(subject, str) for subject in subjects) or len(set(subjects)) > 1:
        raise ValueError("sub has no single value")
    return ClaimsRequest(
        # Unknown names are ignored, never an oracle (AC-119).
        userinfo=tuple(sorted(USER_CLAIMS & members["userinfo"].keys())),
        id_token=tuple(sorted(USER_CLAIMS & members["id_token"].keys())),
        essential_acr=values if essential else (),
        wished_acr=() if essential else values,
        sub=subjects[0] if subjects else None,
    )


def claims_for(known: Mapping[str, Any], *, scopes: Iterable[str] = (), named: Iterable[str] = ()) -> dict[str, Any]:
    """Return what is known of a person under ``scopes`` and ``named`` claims; nothing null or empty."""
    wanted = {claim for scope in scopes for claim in SCOPES.get(scope, ())} | (set(named) & USER_CLAIMS)
    return {claim: known[claim] for claim in sorted(wanted) if known.get(claim) not in (None, "", {}, [])}


def _acr_values(acr: Mapping[str, Any]) -> tuple[str, ...]:
    values = acr.get("values", [acr["value"]] if "value" in acr else [])
    if not isinstance(values, list) or any(not isinstance(value, str) for value in values):
        raise ValueError("acr has odd values")
    return tuple(values)
