"""What administrators do to clients: each act says what changes, whether it is risky, and how it is carried out."""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import delete, select, update

from idp import entropy
from idp.admin.faults import Conflict, Invalid, NotFound, Stale
from idp.admin.schema import ClientDocument, Line, Strict, check_document, document_of, plain
from idp.db import db
from idp.mfa.levels import ACR_VALUES
from idp.oidc.clients import (
    Client,
    ClientRow,
    ClientSecret,
    forget_cached_clients,
    read_client,
)
from idp.oidc.logos import LogoFault, clean_logo, find_logo, keep_logo
from idp.oidc.registration import SECRETLESS, MetadataFault, add_client, keep_secret
from idp.settings import settings


class Nothing(Strict):
    """An act that needs no more words."""


class SecretAsked(Strict):
    """A new secret; the older ones go on for a while, or end at once."""

    label: Line = Field(default="", max_length=60, description="what administrators call it")
    overlap_days: int | None = Field(default=None, ge=0, le=90, description="how long older secrets still work; 0: not")
    expires_days: int | None = Field(default=None, ge=1, le=730, description="when it ends; absent: never")


class SecretNamed(Strict):
    """One secret of a client."""

    secret_id: int = Field(ge=1, le=2**31 - 1)


class LogoGiven(Strict):
    """A logo, as base64 of a PNG or JPEG; absent, there is none any more."""

    content: str | None = Field(default=None, max_length=140_000)


@dataclass(frozen=True)
class Plan:
    """What an act would change: shown as a diff, carried out only on this version."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    version: int
    is_risky: bool = False


def get_row(client_id: str) -> ClientRow:
    """Return a client's row, or raise `NotFound`."""
    row = db.session.get(ClientRow, client_id, populate_existing=True) if len(client_id) <= 80 else None
    if row is None:
        raise NotFound("no such client")
    return row


def get_client(client_id: str) -> Client:
    """Return a client as the database has it, or raise `NotFound`."""
    client = read_client(client_id)
    if client is None:
        raise NotFound("no such client")
    return client


def state_of(row: ClientRow) -> str:
    """Return `active`, `suspended` or `archived`."""
    return "archived" if row.archived_at else "suspended" if row.suspended_at else "active"


# -- what is risky -------------------------------------------------------------------------------------------------


def _grows(before: Any, after: Any) -> bool:
    return not set(after or ()) <= set(before or ())


def _is_weaker_flag(before: Any, after: Any) -> bool:
    return bool(before) and not after


def _is_lower_level(before: Any, after: Any) -> bool:
    rank = {level: number for number, level in enumerate(ACR_VALUES, 1)}
    return rank.get(after, 0) < rank.get(before, 0)


def _is_longer(before: Any, after: Any) -> bool:
    return before is not None and (after is None or after > before)


def _is_wider(before: Any, after: Any) -> bool:
    # An empty list is every network there is.
    return bool(before) and (not after or _grows(before, after))


def _never(before: Any, after: Any) -> bool:
    return False


# Field -> whether a change of it is risky; every other field always is, a new one too.
_HARMLESS_WHEN: dict[str, Callable[[Any, Any], bool]] = {
    **dict.fromkeys(("description", "team", "contacts", "default_acr_values"), _never),
    **dict.fromkeys(("redirect_uris", "post_logout_redirect_uris", "scopes", "grant_types", "response_types",
                     "response_modes", "machine_scopes", "resources", "serves_resources", "exchanges_tokens_of",
                     "authorization_details_types", "request_uris", "apple_apps"), _grows),
    **dict.fromkeys(("require_pkce", "dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens",
                     "require_pushed_authorization_requests", "require_signed_request_object"), _is_weaker_flag),
    **dict.fromkeys(("default_max_age", "access_token_lifetime", "id_token_lifetime"), _is_longer),
    "minimum_acr": _is_lower_level,
    "allowed_networks": _is_wider,
}  # fmt: skip


def risky_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return the changed fields for which one person is not enough."""
    changed = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    return [name for name in changed if _HARMLESS_WHEN.get(name, _always)(before.get(name), after.get(name))]


def _always(before: Any, after: Any) -> bool:
    return True


# -- planning ------------------------------------------------------------------------------------------------------


def plan_create(client_id: str, given: ClientDocument) -> Plan:
    """A new client."""
    check_document(client_id, given)
    if read_client(client_id) is not None:
        raise Conflict(f"client_id {client_id} is taken")
    return Plan({}, plain(given), 0, is_risky=True)


def plan_update(client_id: str, given: ClientDocument) -> Plan:
    """Another document for a client."""
    row, client = get_row(client_id), get_client(client_id)
    if row.archived_at is not None:
        raise Conflict("the client is archived; restore it first")
    check_document(client_id, given)
    before, after = plain(document_of(client)), plain(given)
    return Plan(before, after, row.version, is_risky=bool(risky_fields(before, after)))


def plan_logo(client_id: str, given: LogoGiven) -> Plan:
    """Another logo; what is kept is drawn anew, never the file that was sent."""
    row, known = get_row(client_id), find_logo(client_id)
    after: dict[str, Any] = {"logo": None}
    if given.content is not None:
        try:
            logo = clean_logo(base64.b64decode(given.content, validate=True))
        except (LogoFault, binascii.Error, ValueError) as fault:
            told = str(fault) if isinstance(fault, LogoFault) else "is no base64"
            raise Invalid("the logo cannot be used", (("content", told),)) from None
        after = {"logo": logo.digest, "content": base64.b64encode(logo.content).decode()}
    return Plan({"logo": known.digest if known else None}, after, row.version, is_risky=given.content is not None)


# What can become of a client in which state; a client that is restored stays suspended until somebody resumes it.
_FROM = {
    "suspended": ("active",),
    "active": ("suspended",),
    "archived": ("active", "suspended"),
    "restored": ("archived",),
}


def plan_state(wanted: str) -> Callable[[str, Nothing], Plan]:
    """Suspend, resume, archive, restore: all at once, for an accident does not wait."""

    def plan(client_id: str, _given: Nothing) -> Plan:
        row = get_row(client_id)
        now = state_of(row)
        if now not in _FROM[wanted]:
            raise Conflict(f"the client is {now}")
        return Plan({"state": now}, {"state": "suspended" if wanted == "restored" else wanted}, row.version)

    return plan


def plan_secret(client_id: str, given: SecretAsked) -> Plan:
    """One more secret."""
    row, client = get_row(client_id), get_client(client_id)
    if client.token_endpoint_auth_method in SECRETLESS:
        raise Conflict(f"a client with {client.token_endpoint_auth_method} has no secret")
    if row.archived_at is not None:
        raise Conflict("the client is archived")
    overlap = settings.admin.secret_overlap.days if given.overlap_days is None else given.overlap_days
    after = {"label": given.label, "overlap_days": overlap, "expires_days": given.expires_days}
    return Plan({}, after, row.version)


def plan_revoke(client_id: str, given: SecretNamed) -> Plan:
    """One secret less, from now on."""
    row = get_row(client_id)
    secret = next((one for one in list_secrets(client_id) if one.id == given.secret_id), None)
    if secret is None:
        raise NotFound("no such secret of this client")
    return Plan({"secret": secret.id, "label": secret.label}, {}, row.version)


# -- carrying out --------------------------------------------------------------------------------------------------


def create(client_id: str, change: Any, now: datetime, *, shows_secret: bool) -> dict[str, Any]:
    """Register the client; a secret is made only where whoever asked for it sees it."""
    metadata = check_document(client_id, ClientDocument.model_validate(change.after))
    if not metadata["sector_identifier"]:
        # Left to `add_client`: the host that the redirect URIs share (OpenID Connect Core §8.1).
        del metadata["sector_identifier"]
    try:
        _client, secret = add_client({"client_id": client_id, **metadata}, now=now)
    except MetadataFault as fault:
        raise Conflict("; ".join(fault.faults)) from None
    if secret is not None and not shows_secret:
        db.session.execute(delete(ClientSecret).where(ClientSecret.client_id == client_id))
        forget_cached_clients()
    return {"client_secret": secret} if secret is not None and shows_secret else {}


def change_document(client_id: str, change: Any, now: datetime) -> dict[str, Any]:
    """Replace what is registered; a secret that the new method cannot use ends."""
    row = get_row(client_id)
    metadata = check_document(client_id, ClientDocument.model_validate(change.after))
    kept = {name: value for name, value in row.client_metadata.items() if name in {"registered", "logo_digest"}}
    bump(client_id, change.base_version, now, client_metadata={**kept, **metadata})
    if metadata["token_endpoint_auth_method"] in SECRETLESS:
        db.session.execute(delete(ClientSecret).where(ClientSecret.client_id == client_id))
    return {}


def change_logo(client_id: str, change: Any, now: datetime) -> dict[str, Any]:
    """Keep the picture and its name."""
    content = change.after.get("content")
    logo = clean_logo(base64.b64decode(content)) if content else None
    metadata = {**get_row(client_id).client_metadata, "logo_digest": logo.digest if logo else None}
    bump(client_id, change.base_version, now, client_metadata=metadata)
    keep_logo(client_id, logo, now)
    return {}


def change_state(client_id: str, change: Any, now: datetime) -> dict[str, Any]:
    """Refuse a client everywhere, or let it back in (AC-204)."""
    moments: dict[str, dict[str, Any]] = {
        "active": {"suspended_at": None, "archived_at": None},
        "suspended": {"suspended_at": now, "archived_at": None},
        "archived": {"archived_at": now},
    }
    bump(client_id, change.base_version, now, **moments[change.after["state"]])
    return {}


def make_secret(client_id: str, change: Any, now: datetime) -> dict[str, Any]:
    """Make a secret, shown this once, and let the older ones end after their overlap."""
    asked, client = change.after, get_client(client_id)
    bump(client_id, change.base_version, now)
    ends = now + timedelta(days=asked["overlap_days"])
    for older in list_secrets(client_id):
        older.expires_at = min(older.expires_at or ends, ends)
    secret = entropy.token()
    expires_at = now + timedelta(days=asked["expires_days"]) if asked["expires_days"] else None
    readable = client.token_endpoint_auth_method == "client_secret_jwt"  # noqa: S105 - a method's name
    keep_secret(client_id, secret, now, expires_at=expires_at, readable=readable, label=asked["label"])
    return {"client_secret": secret}


def revoke_secret(client_id: str, change: Any, now: datetime) -> dict[str, Any]:
    """End a secret now."""
    bump(client_id, change.base_version, now)
    db.session.execute(
        delete(ClientSecret).where(ClientSecret.client_id == client_id, ClientSecret.id == change.before["secret"])
    )
    return {}


def list_secrets(client_id: str) -> list[ClientSecret]:
    """Return the secrets of a client, the newest first; their values are nowhere (AC-198)."""
    query = select(ClientSecret).where(ClientSecret.client_id == client_id)
    return list(db.session.scalars(query.order_by(ClientSecret.created_at.desc(), ClientSecret.id.desc())))


def bump(client_id: str, base_version: int, now: datetime, **values: Any) -> None:
    """Change a client if it is still at the version that was looked at, or raise `Stale`."""
    moved = db.session.execute(
        update(ClientRow)
        .where(ClientRow.client_id == client_id, ClientRow.version == base_version)
        .values(version=base_version + 1, updated_at=now, **values)
        .returning(ClientRow.client_id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if moved is None:
        raise Stale("the client was changed meanwhile")
    forget_cached_clients()
