"""Client metadata as the specifications name it, and as we keep it: one table, read in both directions.

A name that is not in the table is ignored (RFC 7591 §2: "MUST ignore any metadata sent by the client that it does not
understand"): nobody registers `first_party`, `kind` or `security_profile` by posting it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from idp.oidc.response_types import parse_response_type
from idp.settings import settings

_LONGEST = 2000
_LONGEST_URI = 500
_MOST = 20


@dataclass(frozen=True, slots=True)
class Shape:
    """How a value is read, or refused with a reason, and how it is told."""

    read: Callable[[Any], Any]
    tell: Callable[[Any], Any] = lambda value: value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise ValueError("must be printable text")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _seconds(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 10**9:
        raise ValueError("must be a number of seconds")
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > _MOST:
        raise ValueError(f"must be a list of at most {_MOST} texts")
    return [_text(one) for one in value]


def _uris(value: Any) -> list[str]:
    """Redirect URIs are judged elsewhere, each with its reason; here they only have to be texts."""
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError("must be a list of URIs")
    return list(value)


def _page(value: Any) -> str:
    if not _is_web_address(value, {"https", "http"} if settings.is_loopback else {"https"}):
        raise ValueError("must be an https URL")
    return str(value)


def _https(value: Any) -> str:
    """Where the specification says "URL using the https scheme", whatever the issuer is."""
    if not _is_web_address(value, {"https"}):
        raise ValueError("must be an https URL")
    return str(value)


def _request_uris(value: Any) -> list[str]:
    """The fragment is the hash of what is there, and no part of the address (OpenID Connect Registration §2)."""
    uris = _texts(value)
    for uri in uris:
        _page(uri.partition("#")[0])
    return uris


def _is_web_address(value: Any, schemes: set[str]) -> bool:
    if not isinstance(value, str) or len(value) > _LONGEST_URI or not value.isascii() or not value.isprintable():
        return False
    if set(value) & set(' "<>\\^`{|}#'):
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in schemes and bool(parts.hostname) and "@" not in parts.netloc


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    return value


def _response_types(value: Any) -> list[str]:
    return [parse_response_type(one) or "" for one in _texts(value)]


TEXT, FLAG, SECONDS, TEXTS, URIS = Shape(_text), Shape(_flag), Shape(_seconds), Shape(_texts), Shape(_uris)
PAGE, HTTPS, OBJECT = Shape(_page), Shape(_https), Shape(_object)
REQUEST_URIS, RESPONSE_TYPES = Shape(_request_uris), Shape(_response_types)
WORDS = Shape(lambda value: sorted(set(_text(value).split())), lambda value: " ".join(sorted(value)))

# Our name, when it is another than the specification's.
OURS = {"client_name": "name", "scope": "scopes"}
FIELDS: Mapping[str, Shape] = {
    # RFC 7591 §2
    "redirect_uris": URIS,
    "token_endpoint_auth_method": TEXT,
    "grant_types": TEXTS,
    "response_types": RESPONSE_TYPES,
    "client_name": TEXT,
    "client_uri": PAGE,
    "logo_uri": PAGE,
    "tos_uri": PAGE,
    "policy_uri": PAGE,
    "scope": WORDS,
    "jwks_uri": PAGE,
    "jwks": OBJECT,
    # OpenID Connect Dynamic Client Registration §2
    "subject_type": TEXT,
    "id_token_signed_response_alg": TEXT,
    "id_token_encrypted_response_alg": TEXT,
    "id_token_encrypted_response_enc": TEXT,
    "userinfo_signed_response_alg": TEXT,
    "userinfo_encrypted_response_alg": TEXT,
    "userinfo_encrypted_response_enc": TEXT,
    "request_object_signing_alg": TEXT,
    "token_endpoint_auth_signing_alg": TEXT,
    "default_max_age": SECONDS,
    "default_acr_values": TEXTS,
    "initiate_login_uri": HTTPS,
    "request_uris": REQUEST_URIS,
    # RP-Initiated, Back-Channel and Front-Channel Logout
    "post_logout_redirect_uris": URIS,
    "backchannel_logout_uri": PAGE,
    "backchannel_logout_session_required": FLAG,
    "frontchannel_logout_uri": PAGE,
    "frontchannel_logout_session_required": FLAG,
    # RFC 8705, 9101, 9126, 9396, 9449, 9701, JARM
    "tls_client_auth_subject_dn": TEXT,
    "tls_client_auth_san_dns": TEXT,
    "tls_client_auth_san_uri": TEXT,
    "tls_client_auth_san_ip": TEXT,
    "tls_client_auth_san_email": TEXT,
    "tls_client_certificate_bound_access_tokens": FLAG,
    "require_signed_request_object": FLAG,
    "require_pushed_authorization_requests": FLAG,
    "authorization_details_types": TEXTS,
    "dpop_bound_access_tokens": FLAG,
    "introspection_signed_response_alg": TEXT,
    "authorization_signed_response_alg": TEXT,
    # Ours: a confidential client may bind itself to PKCE (docs/howto/dynamic-registration.md).
    "require_pkce": FLAG,
}
# Kept and told, and nothing here decides on them. `auth_time` is in every ID token anyway.
ECHOED: Mapping[str, Shape] = {
    "application_type": TEXT,
    "sector_identifier_uri": HTTPS,
    "contacts": TEXTS,
    "software_id": TEXT,
    "software_version": TEXT,
    "require_auth_time": FLAG,
}
# A client whose wish for one of these went unheard would be less safe than it believes: refused, not ignored.
_NEVER = (
    "request_object_encryption_alg", "request_object_encryption_enc", "authorization_encrypted_response_alg",
    "authorization_encrypted_response_enc", "introspection_encrypted_response_alg",
    "introspection_encrypted_response_enc",
)  # fmt: skip


@dataclass
class Asked:
    """A document that was read: our names with their values, and what is wrong with it, by the names on the wire."""

    metadata: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def read_wire(document: Mapping[str, Any]) -> Asked:
    """Return what ``document`` asks for. Null, like an empty text, is what is not there (RFC 7592 §2.2)."""
    asked, registered, names = Asked(), {}, {}
    for name, value in document.items():
        if value is None or value == "":
            continue
        base, _, tag = name.partition("#")
        shape = FIELDS.get(name) or ECHOED.get(name) or (TEXT if base == "client_name" else None)
        if name in _NEVER:
            asked.faults.append(f"{name}: not offered")
        if shape is None:
            continue
        try:
            found = shape.read(value)
        except ValueError as fault:
            asked.faults.append(f"{name}: {fault}")
            continue
        if tag:
            # RFC 7591 §2.2: human-readable values by language; we keep those that we speak.
            language = tag.lower().partition("-")[0]
            names.update({language: found} if language in settings.locales else {})
        elif name in ECHOED:
            registered[name] = found
        else:
            asked.metadata[OURS.get(name, name)] = found
    asked.metadata |= {"registered": registered, "names": names}
    return asked


def tell_wire(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is kept of a client under the names of the specifications."""
    told = {
        name: shape.tell(metadata[OURS.get(name, name)])
        for name, shape in FIELDS.items()
        if metadata.get(OURS.get(name, name)) is not None
    }
    named = {f"client_name#{language}": name for language, name in metadata.get("names", {}).items()}
    return {**told, **named, **metadata.get("registered", {})}


def wire_name(ours: str) -> str:
    """Return the specification's name of one of our fields."""
    return next((wire for wire, name in OURS.items() if name == ours), ours)
