"""What a client must be to be registered: every fault named at once, each with the value that it is about."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.exc import IntegrityError

from idp import crypto, entropy
from idp.db import db
from idp.mfa.levels import ACR_VALUES
from idp.oidc import client_events
from idp.oidc.claims import SCOPES
from idp.oidc.client_auth import CLIENT_AUTH, offered_methods
from idp.oidc.client_networks import network_faults
from idp.oidc.clients import SECRET_CONTEXT, Client, ClientRow, ClientSecret, forget_cached_clients, read_client
from idp.oidc.device_requests import DEVICE_CODE
from idp.oidc.grants import grant_types
from idp.oidc.jose.foreign import BadKeys, read_public_keys
from idp.oidc.jose.own import ALGORITHMS
from idp.oidc.jose.sealing import CONTENT_ALGORITHMS, KEY_ALGORITHMS
from idp.oidc.logout_uris import event_faults, logout_uri_faults
from idp.oidc.profiles import ASYMMETRIC, PROFILES
from idp.oidc.redirect_uris import fault_of
from idp.oidc.resources import is_resource
from idp.oidc.response_modes import JWT, RESPONSE_MODES
from idp.oidc.response_types import response_types
from idp.oidc.subjects import SUBJECT
from idp.settings import APPLE_APP, FINGERPRINT, PACKAGE, settings

_CLIENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{1,79}")
_MOST_URIS = 20

# What a kind of client is, unless its registration says otherwise.
KINDS: dict[str, dict[str, Any]] = {
    "website": {"token_endpoint_auth_method": "client_secret_basic", "security_profile": "oidc"},
    "single-page": {"token_endpoint_auth_method": "none", "security_profile": "oidc"},
    "mobile": {"token_endpoint_auth_method": "none", "security_profile": "native"},
    "device": {"token_endpoint_auth_method": "none", "security_profile": "native"},
    "machine": {"token_endpoint_auth_method": "client_secret_basic", "security_profile": "oidc"},
}
_WEB_PAGES = (
    "client_uri", "logo_uri", "policy_uri", "tos_uri", "jwks_uri", "initiate_login_uri", "help_uri",
)  # fmt: skip
# Methods for which we hold nothing secret.
SECRETLESS = frozenset({"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "none"})
_CERTIFICATE_NAMES = tuple(
    f"tls_client_auth_{part}" for part in ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email")
)
# What we can only do with the client's own keys.
_NEED_KEYS = (
    "request_object_signing_alg", "require_signed_request_object", "userinfo_encrypted_response_alg",
    "id_token_encrypted_response_alg",
)  # fmt: skip
_OUR_ALGORITHMS = (None, *ALGORITHMS)
_PUBLIC_RESPONSE_TYPES = ("code",)
# Fields whose value is one of a few.
_CHOICES: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("kind", tuple(KINDS)),
    ("security_profile", tuple(PROFILES)),
    ("token_endpoint_auth_method", tuple(CLIENT_AUTH)),
    ("id_token_signed_response_alg", ALGORITHMS),
    ("subject_type", ("pairwise", "public")),
    ("authorization_signed_response_alg", ALGORITHMS),
    ("userinfo_signed_response_alg", _OUR_ALGORITHMS),
    ("introspection_signed_response_alg", _OUR_ALGORITHMS),
    ("request_object_signing_alg", (None, *ASYMMETRIC)),
    ("token_endpoint_auth_signing_alg", (None, *ASYMMETRIC, "HS256")),
    ("userinfo_encrypted_response_alg", (None, *KEY_ALGORITHMS)),
    ("userinfo_encrypted_response_enc", (None, *CONTENT_ALGORITHMS)),
    ("id_token_encrypted_response_alg", (None, *KEY_ALGORITHMS)),
    ("id_token_encrypted_response_enc", (None, *CONTENT_ALGORITHMS)),
    ("access_token_format", ("opaque", "jwt")),
    ("minimum_acr", (None, *ACR_VALUES)),
)
_LISTED = (
    "resources", "serves_resources", "authorization_details_types", "exchanges_tokens_of", "request_uris",
    "machine_scopes", "response_modes", "default_acr_values", "contacts", "apple_apps", "allowed_networks",
    "security_event_types",
)  # fmt: skip
# RFC 6749 §3.3.
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")
# Taken over from whoever registers as they are; `check_client_metadata` judges them.
_CARRIED = (
    "require_pkce", "client_uri", "logo_uri", "policy_uri", "tos_uri", "names", "sector_identifier", "security_profile",
    "jwks", "jwks_uri", "initiate_login_uri", "default_max_age", "response_types", "registered",
    "tls_client_certificate_bound_access_tokens", "dpop_bound_access_tokens", "require_pushed_authorization_requests",
    "require_signed_request_object", "in_app",
    "backchannel_logout_uri", "backchannel_logout_session_required", "frontchannel_logout_uri",
    "frontchannel_logout_session_required", "security_events_uri", "access_token_format", "description", "team",
    "purposes", "help_uri", "android_apps", "access_token_lifetime", "id_token_lifetime", *_CERTIFICATE_NAMES, *_LISTED,
    *(name for name, _ in _CHOICES[6:]),
)  # fmt: skip


class MetadataFault(Exception):
    """The registration cannot stand; ``faults`` lists every reason."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


def metadata_from_form(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata that a few answers stand for, filled up by kind."""
    kind = str(asked.get("kind") or "website")
    scopes = sorted(set(str(asked.get("scope") or "openid").split()))
    # OpenID Connect Core §15.1 for everybody, FAPI 2.0 §5.4.1 for those who are stricter.
    usual_alg = "ES256" if asked.get("security_profile") == "fapi2" else "RS256"
    metadata = {
        "client_id": asked.get("client_id") or entropy.identifier(),
        "name": asked.get("name") or "",
        "kind": kind,
        **KINDS.get(kind, {}),
        "redirect_uris": list(asked.get("redirect_uris") or ()),
        "post_logout_redirect_uris": list(asked.get("post_logout_redirect_uris") or ()),
        "scopes": scopes,
        "grant_types": sorted(asked.get("grant_types") or _usual_grants(kind, scopes)),
        "id_token_signed_response_alg": asked.get("id_token_alg") or usual_alg,
        "authorization_signed_response_alg": asked.get("authorization_signed_response_alg") or usual_alg,
        "subject_type": asked.get("subject_type") or "pairwise",
        "first_party": not asked.get("third_party"),
    }
    if asked.get("auth_method"):
        metadata["token_endpoint_auth_method"] = asked["auth_method"]
    for name in _CARRIED:
        if asked.get(name) is not None:
            value = asked[name]
            metadata[name] = list(value) if isinstance(value, tuple | set | frozenset) else value
    return metadata


def _usual_grants(kind: str, scopes: list[str]) -> list[str]:
    if kind == "machine":
        return ["client_credentials"]
    first = DEVICE_CODE if kind == "device" else "authorization_code"
    return [first, *(["refresh_token"] if "offline_access" in scopes else [])]


def check_client_metadata(metadata: Mapping[str, Any]) -> None:
    """Raise `MetadataFault` with everything that is wrong."""
    kind, name = metadata.get("kind"), str(metadata.get("name") or "")
    faults = [
        f"{field}: {metadata[field]!r} is none of {', '.join(str(one) for one in allowed if one)}"
        for field, allowed in _CHOICES
        if field in metadata and metadata[field] not in allowed
    ]
    for field in ("kind", "token_endpoint_auth_method", "id_token_signed_response_alg", "subject_type"):
        if field not in metadata:
            faults.append(f"{field}: missing")
    if not _CLIENT_ID.fullmatch(str(metadata.get("client_id") or "")):
        faults.append("client_id: 2 to 80 letters, digits and . _ ~ -")
    elif SUBJECT.fullmatch(str(metadata["client_id"])):
        # P-15, P-27: in a token's `sub`, the name of a machine must never be what somebody calls a person.
        faults.append("client_id: 43 letters, digits, _ and - are what a person is called")
    if not 1 <= len(name.strip()) <= 80 or not name.isprintable():
        faults.append("name: 1 to 80 printable characters")
    faults += [f"scope: {scope!r} is not offered" for scope in sorted(set(metadata.get("scopes", ())) - set(SCOPES))]
    faults += [
        f"grant_types: {grant!r} is not offered"
        for grant in metadata.get("grant_types", ())
        if grant not in grant_types()
    ]
    if metadata.get("token_endpoint_auth_method") in set(CLIENT_AUTH) - set(offered_methods()):
        faults.append("token_endpoint_auth_method: certificates need mtls.header and mtls.authorities")
    faults += [
        f"{field}: must be a list of texts"
        for field in _LISTED
        if field in metadata and not all(isinstance(one, str) and 0 < len(one) <= 2000 for one in metadata[field])
    ]
    faults += _response_type_faults(metadata) + _key_faults(metadata) + _profile_faults(metadata)
    faults += _reach_faults(metadata) + _in_app_faults(metadata)
    faults += _lifetime_faults(metadata) + _app_faults(metadata) + network_faults(metadata)
    faults += _uri_faults(metadata, str(kind))
    if faults:
        raise MetadataFault(faults)


def add_client(metadata: Mapping[str, Any], *, now: datetime) -> tuple[Client, str | None]:
    """Register a client, or raise `MetadataFault`; return it with its secret, shown this once. The caller commits."""
    check_client_metadata(metadata)
    kept = {name: value for name, value in metadata.items() if name != "client_id"}
    kept.setdefault("sector_identifier", _sector_of(kept))
    client_id = str(metadata["client_id"])
    secret = None if metadata["token_endpoint_auth_method"] in SECRETLESS else entropy.token()
    try:
        with db.session.begin_nested():
            db.session.add(ClientRow(client_id=client_id, client_metadata=kept, created_at=now, updated_at=now))
    except IntegrityError:
        raise MetadataFault([f"client_id: {client_id!r} is taken"]) from None
    if secret is not None:
        is_hmac = metadata["token_endpoint_auth_method"] == "client_secret_jwt"  # noqa: S105 - a method's name
        keep_secret(client_id, secret, now, readable=is_hmac)
    client_events.client_added(client_id=client_id, kind=str(metadata["kind"]))
    forget_cached_clients()
    client = read_client(client_id)
    if client is None:
        raise LookupError(client_id)
    return client, secret


def keep_secret(
    client_id: str,
    secret: str,
    now: datetime,
    *,
    expires_at: datetime | None = None,
    readable: bool = False,
    label: str = "",
) -> None:
    """Let ``secret`` prove the client; ``readable`` for `client_secret_jwt`, sealed at rest. The caller commits."""
    db.session.add(
        ClientSecret(
            client_id=client_id,
            fingerprint=crypto.fingerprint(secret),
            label=label,
            sealed=crypto.seal(secret, context=SECRET_CONTEXT) if readable else None,
            created_at=now,
            expires_at=expires_at,
        )
    )
    db.session.flush()
    forget_cached_clients()


def _response_type_faults(metadata: Mapping[str, Any]) -> list[str]:
    asked = metadata.get("response_types", _PUBLIC_RESPONSE_TYPES)
    return [f"response_types: {one!r} is not offered" for one in asked if one not in response_types()]


def _reach_faults(metadata: Mapping[str, Any]) -> list[str]:
    """What a client may ask for: APIs, scopes of its own, details, ways for answers to travel."""
    faults = [
        f"{field}: {one!r} is no absolute URI without a fragment (RFC 8707 2)"
        for field in ("resources", "serves_resources")
        for one in metadata.get(field, ())
        if not is_resource(str(one))
    ]
    faults += [
        f"machine_scopes: {one!r} cannot be a scope of the client's own"
        for one in metadata.get("machine_scopes", ())
        if one in SCOPES or not _SCOPE.fullmatch(str(one))
    ]
    faults += [
        f"authorization_details_types: {one!r} is not in the settings"
        for one in metadata.get("authorization_details_types", ())
        if one not in settings.authorization_details
    ]
    faults += [
        f"response_modes: {one!r} is not offered; {JWT!r} stands for every signed one"
        for one in metadata.get("response_modes", ())
        if one not in {JWT, *(name for name, mode in RESPONSE_MODES.items() if not mode.is_signed)}
    ]
    return faults


def _lifetime_faults(metadata: Mapping[str, Any]) -> list[str]:
    """A client's tokens may live shorter than the settings say, never longer: keys are kept for those."""
    faults = []
    for name in ("access_token", "id_token"):
        asked, longest = metadata.get(f"{name}_lifetime"), int(getattr(settings.lifetimes, name).total_seconds())
        if asked is not None and not (type(asked) is int and min(60, longest) <= asked <= longest):
            faults.append(f"{name}_lifetime: {min(60, longest)} to {longest} seconds")
    return faults


def _app_faults(metadata: Mapping[str, Any]) -> list[str]:
    """Which apps are the client's: what Apple and Google compare (Associated Domains, Digital Asset Links)."""
    faults = [
        f"apple_apps: {app!r} is no team and bundle, such as ABCDE12345.fr.example.app"
        for app in metadata.get("apple_apps", ())
        if not APPLE_APP.fullmatch(str(app))
    ]
    for package, prints in metadata.get("android_apps", {}).items():
        if not PACKAGE.fullmatch(package) or not prints or not all(FINGERPRINT.fullmatch(str(one)) for one in prints):
            faults.append(f"android_apps: {package!r} is no package with SHA-256 fingerprints AB:CD:…")
    return faults


def _key_faults(metadata: Mapping[str, Any]) -> list[str]:
    """A method that needs keys needs a place where they are; and only public keys belong in a registration."""
    method = metadata.get("token_endpoint_auth_method")
    faults = []
    if metadata.get("jwks") is not None and metadata.get("jwks_uri") is not None:
        faults.append("jwks: not together with jwks_uri (RFC 7591 2)")
    if metadata.get("jwks") is not None:
        try:
            read_public_keys(metadata["jwks"])
        except BadKeys as fault:
            faults.append(f"jwks: {fault}")
    needs_keys = method in {"private_key_jwt", "self_signed_tls_client_auth"} or any(map(metadata.get, _NEED_KEYS))
    if needs_keys and metadata.get("jwks") is None and metadata.get("jwks_uri") is None:
        faults.append("jwks: needed, or jwks_uri")
    faults += [
        f"{what}_encrypted_response_enc: not without {what}_encrypted_response_alg (OpenID Registration 2)"
        for what in ("userinfo", "id_token")
        if metadata.get(f"{what}_encrypted_response_enc") and not metadata.get(f"{what}_encrypted_response_alg")
    ]
    named = [name for name in _CERTIFICATE_NAMES if metadata.get(name)]
    if method == "tls_client_auth" and len(named) != 1:
        faults.append("tls_client_auth: exactly one subject of the certificate must be named (RFC 8705 2.1.2)")
    if method == "client_secret_jwt" and metadata.get("token_endpoint_auth_signing_alg") not in {None, "HS256"}:
        faults.append("token_endpoint_auth_signing_alg: client_secret_jwt signs with HS256")
    return faults


def _profile_faults(metadata: Mapping[str, Any]) -> list[str]:
    """What the client's security profile demands (FAPI 2.0 §5.3.2, §5.4)."""
    profile = PROFILES.get(str(metadata.get("security_profile", "oidc")))
    if profile is None:
        return []
    faults = []
    method = metadata.get("token_endpoint_auth_method")
    if profile.client_auth and method not in profile.client_auth:
        faults.append(f"token_endpoint_auth_method: {profile.name} allows {', '.join(sorted(profile.client_auth))}")
    signing = (
        "id_token_signed_response_alg", "authorization_signed_response_alg", "userinfo_signed_response_alg",
        "introspection_signed_response_alg", "request_object_signing_alg", "token_endpoint_auth_signing_alg",
    )  # fmt: skip
    faults += [
        f"{field}: {profile.name} allows {', '.join(profile.algorithms)}"
        for field in signing
        if metadata.get(field) not in {None, "HS256", *profile.algorithms}
    ]
    binds = metadata.get("dpop_bound_access_tokens") or metadata.get("tls_client_certificate_bound_access_tokens")
    if profile.bound_tokens and not binds:
        faults.append(f"dpop_bound_access_tokens: {profile.name} binds tokens, by DPoP or by certificate")
    if profile.code_only and set(metadata.get("response_types", ())) - {"code"}:
        faults.append(f"response_types: {profile.name} allows code")
    if profile.pkce and metadata.get("require_pkce") is False:
        faults.append(f"require_pkce: {profile.name} demands PKCE")
    return faults


def _in_app_faults(metadata: Mapping[str, Any]) -> list[str]:
    """What a client must be that asks people for their proofs itself (OAuth 2.0 for First-Party Applications §9)."""
    if not metadata.get("in_app"):
        return []
    demands = (
        (metadata["in_app"] is True, "must be true or false"),
        # §9.8: "NOT RECOMMENDED to use this specification in browser-based applications".
        (metadata.get("kind") == "mobile", "only for mobile and desktop apps"),
        # §1.1: "MUST NOT be used by third party applications".
        (metadata.get("first_party", True) is True, "never for a third party"),
        (metadata.get("dpop_bound_access_tokens") is True, "needs dpop_bound_access_tokens"),
        ("authorization_code" in metadata.get("grant_types", ()), "needs the authorization_code grant"),
    )
    return [f"in_app: {why}" for holds, why in demands if not holds]


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
    if not metadata.get("redirect_uris") and "authorization_code" in metadata.get("grant_types", ()):
        faults.append("redirect_uris: at least one")
    for field in _WEB_PAGES:
        uri = metadata.get(field)
        if uri is not None and urlsplit(uri).scheme not in ({"https"} if production else {"https", "http"}):
            faults.append(f"{field}: {uri!r} must be https")
    faults += event_faults(metadata, is_production=production)
    return faults + logout_uri_faults(metadata, is_production=production)


def _sector_of(metadata: Mapping[str, Any]) -> str:
    """Return the host that all redirect URIs share, or a sector of the client's own (OpenID Connect Core §8.1)."""
    hosts = {urlsplit(uri).hostname or uri.split(":")[0] for uri in metadata["redirect_uris"]}
    loopback = hosts <= {"127.0.0.1", "::1", "localhost"}
    return hosts.pop() if len(hosts) == 1 and not loopback else ""
