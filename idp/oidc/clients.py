"""The relying parties: what is registered of each, found from memory on the hot paths."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, ForeignKey, LargeBinary, String, select
from sqlalchemy.orm import Mapped, mapped_column

from idp import clock, crypto
from idp.db import Base, Moment, db
from idp.oidc.profiles import PROFILES, Profile
from idp.settings import settings


class ClientRow(Base):
    """A client as the database keeps it; everything but its state is one checked metadata document."""

    __tablename__ = "clients"

    client_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    client_metadata: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)
    suspended_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    archived_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    version: Mapped[int] = mapped_column(default=1)


class ClientSecret(Base):
    """One secret of a client, as its SHA-256: 256 random bits need no slow hash."""

    __tablename__ = "client_secrets"

    id: Mapped[int] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id", ondelete="CASCADE"), index=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    # Only for client_secret_jwt, whose HMAC needs the secret itself.
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    # What administrators call it.
    label: Mapped[str] = mapped_column(String(60), default="")
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    # To the day (`secret_use.py`).
    last_used_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    # Of how many days before its end its contacts were warned last (`admin/secret_warnings.py`).
    warned_days: Mapped[int | None] = mapped_column(default=None)


SECRET_CONTEXT = "client_secret:sealed"  # noqa: S105 - a context's name


@dataclass(frozen=True)
class Secret:
    """A secret that may still be used."""

    fingerprint: str
    expires_at: datetime | None
    sealed: bytes | None = None


@dataclass(frozen=True)
class Client:
    """A client as the protocol needs it."""

    client_id: str
    name: str
    kind: str = "website"
    security_profile: str = "oidc"
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    grant_types: frozenset[str] = frozenset({"authorization_code"})
    response_types: frozenset[str] = frozenset({"code"})
    response_modes: frozenset[str] = frozenset({"query", "fragment", "form_post", "jwt"})
    scopes: frozenset[str] = frozenset({"openid"})
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105 - a method's name
    id_token_signed_response_alg: str = "RS256"  # noqa: S105 - an algorithm's name
    subject_type: str = "pairwise"
    sector_identifier: str = ""
    require_pkce: bool = True
    first_party: bool = True
    default_max_age: int | None = None
    default_acr_values: tuple[str, ...] = ()
    client_uri: str | None = None
    logo_uri: str | None = None
    # The digest under which we serve a copy of the logo (`logos.py`).
    logo_digest: str | None = None
    policy_uri: str | None = None
    tos_uri: str | None = None
    initiate_login_uri: str | None = None
    names: dict[str, str] = field(default_factory=dict)
    # Its keys (RFC 7517), or where they are fetched.
    jwks: dict[str, Any] | None = None
    jwks_uri: str | None = None
    token_endpoint_auth_signing_alg: str | None = None
    # RFC 8705 §2.1.2: exactly one of these names the certificate of `tls_client_auth`.
    tls_client_auth_subject_dn: str | None = None
    tls_client_auth_san_dns: str | None = None
    tls_client_auth_san_uri: str | None = None
    tls_client_auth_san_ip: str | None = None
    tls_client_auth_san_email: str | None = None
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: str | None = None
    request_uris: tuple[str, ...] = ()
    authorization_signed_response_alg: str = "RS256"
    userinfo_signed_response_alg: str | None = None
    userinfo_encrypted_response_alg: str | None = None
    userinfo_encrypted_response_enc: str | None = None
    id_token_encrypted_response_alg: str | None = None
    id_token_encrypted_response_enc: str | None = None
    introspection_signed_response_alg: str | None = None
    access_token_format: str = "opaque"  # noqa: S105 - a format's name
    # RFC 8707: what it may ask tokens for, and what it is itself, as a resource server.
    resources: tuple[str, ...] = ()
    serves_resources: tuple[str, ...] = ()
    authorization_details_types: tuple[str, ...] = ()
    # Scopes of the client's own (client credentials), and the clients whose tokens it may exchange (RFC 8693).
    # OAuth 2.0 for First-Party Applications: whether it signs people in on screens of its own.
    in_app: bool = False
    machine_scopes: frozenset[str] = frozenset()
    exchanges_tokens_of: tuple[str, ...] = ()
    backchannel_logout_uri: str | None = None
    backchannel_logout_session_required: bool = True
    frontchannel_logout_uri: str | None = None
    frontchannel_logout_session_required: bool = True
    # Where security events are pushed (RFC 8935), and which.
    security_events_uri: str | None = None
    security_event_types: tuple[str, ...] = ()
    # From where it proves itself; empty: from anywhere.
    allowed_networks: tuple[str, ...] = ()
    # The lowest level at which anybody is let in there, whatever a request asks for.
    minimum_acr: str | None = None
    # Shorter than the settings', in seconds.
    access_token_lifetime: int | None = None
    id_token_lifetime: int | None = None
    # For administrators: what it is, whose it is, whom to call; why it needs each scope, by scope and language.
    description: str = ""
    team: str = ""
    contacts: tuple[str, ...] = ()
    purposes: dict[str, dict[str, str]] = field(default_factory=dict)
    help_uri: str | None = None
    # The apps that belong to it: iOS by team and bundle, Android by package and SHA-256 of its certificates.
    apple_apps: tuple[str, ...] = ()
    android_apps: dict[str, list[str]] = field(default_factory=dict)
    # What dynamic registration echoes and nothing here decides on (contacts, software_id, application_type …).
    registered: dict[str, Any] = field(default_factory=dict)
    secrets: tuple[Secret, ...] = ()
    is_suspended: bool = False

    @property
    def is_public(self) -> bool:
        """Whether the client cannot keep a secret."""
        return self.token_endpoint_auth_method == "none"  # noqa: S105 - a method's name

    @property
    def must_use_pkce(self) -> bool:
        """Whether a request without PKCE is refused (R14)."""
        return self.is_public or self.require_pkce or self.profile.pkce

    @property
    def profile(self) -> Profile:
        """What its security profile demands."""
        return PROFILES[self.security_profile]

    @property
    def must_push(self) -> bool:
        """Whether its authorization requests come by PAR only (RFC 9126 §6)."""
        return self.require_pushed_authorization_requests or self.profile.pushed

    @property
    def must_bind(self) -> bool:
        """Whether its access tokens are always bound to a key."""
        return self.profile.bound_tokens or self.dpop_bound_access_tokens or self.binds_to_certificate

    @property
    def binds_to_certificate(self) -> bool:
        """Whether its access tokens carry the thumbprint of its TLS certificate (RFC 8705 §3)."""
        return self.tls_client_certificate_bound_access_tokens

    @property
    def is_told_of_logout(self) -> bool:
        """Whether signing out here signs out there."""
        return self.backchannel_logout_uri is not None or self.frontchannel_logout_uri is not None

    def name_in(self, locale: str) -> str:
        """Return the name that visitors read in a language."""
        return self.names.get(locale, self.name)

    def living_secrets(self, now: datetime) -> list[Secret]:
        """Return the secrets that may be used at ``now``."""
        return [one for one in self.secrets if one.expires_at is None or now < one.expires_at]

    def find_secret(self, secret: str, now: datetime) -> Secret | None:
        """Return the living one that ``secret`` is, in a time that tells nothing of which."""
        theirs = crypto.fingerprint(secret)
        # Every one is compared, whichever matched.
        same = [one for one in self.living_secrets(now) if crypto.same(one.fingerprint, theirs)]
        return same[0] if same else None

    def has_secret(self, secret: str, now: datetime) -> bool:
        """Tell in constant time whether ``secret`` is one of the living ones."""
        return self.find_secret(secret, now) is not None


_FROZEN = {one.name for one in fields(Client) if str(one.type).startswith("frozenset")}
_TUPLES = {one.name for one in fields(Client) if str(one.type).startswith("tuple")}


@dataclass(frozen=True, slots=True)
class _Cached:
    client: Client | None
    until: datetime


_cache: dict[tuple[str, str], _Cached] = {}
_cache_lock = threading.Lock()
_CACHE_SIZE = 5_000
# What else remembers clients.
FORGET: list[Callable[[], None]] = []
# An unknown id is forgotten sooner: it may be registered the next moment.
_UNKNOWN_FOR = timedelta(seconds=1)


def find_client(client_id: str) -> Client | None:
    """Return a client, from memory if it was read in the last few seconds."""
    now = clock.now()
    key = (settings.issuer, client_id)
    cached = _cache.get(key)
    if cached is not None and now < cached.until:
        return cached.client
    client = read_client(client_id)
    until = now + (settings.lifetimes.client_cache if client else _UNKNOWN_FOR)
    with _cache_lock:
        if len(_cache) >= _CACHE_SIZE:
            _cache.clear()
        _cache[key] = _Cached(client, until)
    return client


def read_client(client_id: str) -> Client | None:
    """Return a client as the database has it now."""
    if len(client_id) > 80 or not (client_id.isascii() and client_id.isprintable()):
        # No such id can be registered, and PostgreSQL would stumble over a NUL.
        return None
    row = db.session.get(ClientRow, client_id, populate_existing=True)
    return None if row is None else _from_row(row)


def list_clients() -> list[Client]:
    """Return every client, by id."""
    return [_from_row(row) for row in db.session.scalars(select(ClientRow).order_by(ClientRow.client_id))]


def forget_cached_clients() -> None:
    """Make this process read its clients anew."""
    with _cache_lock:
        _cache.clear()
    for forget in FORGET:
        forget()


def suspend_client(client_id: str, now: datetime) -> bool:
    """Refuse a client everywhere from now on; the caller commits."""
    row = db.session.get(ClientRow, client_id)
    if row is None:
        return False
    row.suspended_at, row.updated_at, row.version = now, now, row.version + 1
    forget_cached_clients()
    return True


def describe_client(client: Client) -> dict[str, Any]:
    """Return what the console and the command line show; never a secret or its hash."""
    return {
        "client_id": client.client_id,
        "client_name": client.name,
        "kind": client.kind,
        "security_profile": client.security_profile,
        "redirect_uris": list(client.redirect_uris),
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "frontchannel_logout_uri": client.frontchannel_logout_uri,
        "security_events_uri": client.security_events_uri,
        "security_event_types": list(client.security_event_types),
        "grant_types": sorted(client.grant_types),
        "response_types": sorted(client.response_types),
        "scope": " ".join(sorted(client.scopes)),
        "token_endpoint_auth_method": client.token_endpoint_auth_method,
        "id_token_signed_response_alg": client.id_token_signed_response_alg,
        "subject_type": client.subject_type,
        "sector_identifier": client.sector_identifier or None,
        "require_pkce": client.must_use_pkce,
        "first_party": client.first_party,
        "in_app": client.in_app,
        "secrets": len(client.secrets),
        "suspended": client.is_suspended,
    }


def _from_row(row: ClientRow) -> Client:
    query = select(ClientSecret.fingerprint, ClientSecret.expires_at, ClientSecret.sealed).where(
        ClientSecret.client_id == row.client_id
    )
    values: dict[str, Any] = {}
    for name, value in row.client_metadata.items():
        values[name] = frozenset(value) if name in _FROZEN else tuple(value) if name in _TUPLES else value
    return Client(
        client_id=row.client_id,
        secrets=tuple(Secret(*one) for one in db.session.execute(query)),
        is_suspended=row.suspended_at is not None or row.archived_at is not None,
        **values,
    )
