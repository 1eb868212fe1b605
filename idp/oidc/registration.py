"""What a client must be to be registered: every fault named at once, each with the value that it is about."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import IntegrityError

from idp import audit, crypto, entropy
from idp.db import db
from idp.oidc.claims import SCOPES
from idp.oidc.clients import Client, ClientRow, ClientSecret, forget_cached_clients, read_client
from idp.oidc.redirect_uris import fault_of
from idp.settings import settings

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{1,79}")
_MOST_URIS = 20

# What a kind of client is, unless its registration says otherwise.
KINDS: dict[str, dict[str, Any]] = {
    "website": {"token_endpoint_auth_method": "client_secret_basic", "security_profile": "oidc"},
    "single-page": {"token_endpoint_auth_method": "none", "security_profile": "oidc"},
    "mobile": {"token_endpoint_auth_method": "none", "security_profile": "native"},
    "machine": {"token_endpoint_auth_method": "client_secret_basic", "security_profile": "oidc"},
}
_GRANTS = ("authorization_code", "refresh_token")
_AUTH_METHODS = ("client_secret_basic", "client_secret_post", "none")
_ALGORITHMS = ("RS256", "ES256")


class MetadataFault(Exception):
    """The registration cannot stand; ``faults`` lists every reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def metadata_from_form(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that a few answers stand for, filled up by kind."""
    kind = str(asked.get("kind") or "website")
    scopes = sorted(set(str(asked.get("scope") or "openid").split()))
    metadata = {
        "client_id": asked.get("client_id") or entropy.identifier(),
        "name": asked.get("name") or "",
        "kind": kind,
        **KINDS.get(kind, {}),
        "redirect_uris": list(asked.get("redirect_uris") or ()),
        "post_logout_redirect_uris": list(asked.get("post_logout_redirect_uris") or ()),
        "scopes": scopes,
        "grant_types": ["authorization_code", *(["refresh_token"] if "offline_access" in scopes else [])],
        "id_token_signed_response_alg": asked.get("id_token_alg") or "RS256",
        "subject_type": asked.get("subject_type") or "pairwise",
        "first_party": not asked.get("third_party"),
    }
    if asked.get("auth_method"):
        metadata["token_endpoint_auth_method"] = asked["auth_method"]
    for name in ("require_pkce", "client_uri", "policy_uri", "tos_uri", "names", "sector_identifier"):
        if asked.get(name) is not None:
            metadata[name] = asked[name]
    return metadata


def check_client_metadata(metadata: Mapping[str, Any]) -> None:
    """Raise `MetadataFault` with everything that is wrong."""
    kind, name = metadata.get("kind"), str(metadata.get("name") or "")
    choices = (
        ("kind", kind, tuple(KINDS)),
        ("token_endpoint_auth_method", metadata.get("token_endpoint_auth_method"), _AUTH_METHODS),
        ("id_token_signed_response_alg", metadata.get("id_token_signed_response_alg"), _ALGORITHMS),
        ("subject_type", metadata.get("subject_type"), ("pairwise", "public")),
    )
    faults = [
        f"{field}: {value!r} is none of {', '.join(allowed)}"
        for field, value, allowed in choices
        if value not in allowed
    ]
    if not _CLIENT_ID.fullmatch(str(metadata.get("client_id") or "")):
        faults.append("client_id: 2 to 80 letters, digits and . _ ~ -")
    if not 1 <= len(name.strip()) <= 80 or not name.isprintable():
        faults.append("name: 1 to 80 printable characters")
    faults += [f"scope: {scope!r} is not offered" for scope in sorted(set(metadata.get("scopes", ())) - set(SCOPES))]
    faults += [
        f"grant_types: {grant!r} is not offered" for grant in metadata.get("grant_types", ()) if grant not in _GRANTS
    ]
    faults += _uri_faults(metadata, str(kind))
    if faults:
        raise MetadataFault(faults)


def add_client(metadata: Mapping[str, Any], *, now: datetime) -> tuple[Client, str | None]:
    """Register a client, or raise `MetadataFault`; return it with its secret, shown this once. The caller commits."""
    check_client_metadata(metadata)
    kept = {name: value for name, value in metadata.items() if name != "client_id"}
    kept.setdefault("sector_identifier", _sector_of(kept))
    client_id = str(metadata["client_id"])
    secret = None if metadata["token_endpoint_auth_method"] == "none" else entropy.token()  # noqa: S105 - a name
    try:
        with db.session.begin_nested():
            db.session.add(ClientRow(client_id=client_id, client_metadata=kept, created_at=now, updated_at=now))
    except IntegrityError:
        raise MetadataFault([f"client_id: {client_id!r} is taken"]) from None
    if secret is not None:
        keep_secret(client_id, secret, now)
    audit.record("client-added", client_id=client_id, kind=str(metadata["kind"]))
    forget_cached_clients()
    client = read_client(client_id)
    if client is None:
        raise LookupError(client_id)
    return client, secret


def keep_secret(client_id: str, secret: str, now: datetime, *, expires_at: datetime | None = None) -> None:
    """Let ``secret`` prove the client; the caller commits."""
    db.session.add(
        ClientSecret(client_id=client_id, fingerprint=crypto.fingerprint(secret), created_at=now, expires_at=expires_at)
    )
    db.session.flush()
    forget_cached_clients()


def _uri_faults(metadata: Mapping[str, Any], kind: str) -> list[str]:
    production = not settings.is_loopback
    faults = []
    for field in ("redirect_uris", "post_logout_redirect_uris"):
        uris = metadata.get(field, ())
        if len(uris) > _MOST_URIS:
            faults.append(f"{field}: more than {_MOST_URIS}")
        if len(set(uris)) != len(uris):
            faults.append(f"{field}: one is there twice")
        for uri in uris:
            fault = fault_of(uri, kind=kind, is_production=production)
            if fault:
                faults.append(f"{field}: {uri!r} {fault}")
    if not metadata.get("redirect_uris") and kind != "machine":
        faults.append("redirect_uris: at least one")
    for field in ("client_uri", "policy_uri", "tos_uri"):
        uri = metadata.get(field)
        if uri is not None and urlsplit(uri).scheme not in ({"https"} if production else {"https", "http"}):
            faults.append(f"{field}: {uri!r} must be https")
    return faults


def _sector_of(metadata: Mapping[str, Any]) -> str:
    """Return the host that all redirect URIs share, or a sector of the client's own (OpenID Connect Core §8.1)."""
    hosts = {urlsplit(uri).hostname or uri.split(":")[0] for uri in metadata["redirect_uris"]}
    loopback = hosts <= {"127.0.0.1", "::1", "localhost"}
    return hosts.pop() if len(hosts) == 1 and not loopback else ""
