"""What a client that registers itself may be: a third party, asked about, within the limits of its initial token.

Whatever may be registered at all is decided in `registration.py`; here is only what a stranger may not have of it.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2.rfc7591 import ClientMetadataClaims as OAuthMetadata
from authlib.oauth2.rfc7591.claims import InvalidClaimError
from authlib.oidc.registration import ClientMetadataClaims as OidcMetadata
from sqlalchemy import select

from idp.db import db
from idp.oidc.clients import ClientRow
from idp.oidc.discovery import metadata as provider_metadata
from idp.oidc.errors import InvalidClientMetadata, InvalidRedirectUri, InvalidSoftwareStatement, OAuthError
from idp.oidc.initial_access import APPLICATION_TYPES, Limits
from idp.oidc.profiles import PROFILES
from idp.oidc.registration import KINDS, MetadataFault, check_client_metadata
from idp.oidc.self_registrations import SelfRegistration
from idp.oidc.wire_metadata import Asked, read_wire, tell_wire, wire_name
from idp.settings import settings

# RFC 7591 §2, OpenID Connect Dynamic Client Registration §2: what holds where nothing is said.
_DEFAULTS: Mapping[str, Any] = {
    "token_endpoint_auth_method": "client_secret_basic",
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
    "redirect_uris": [],
    "post_logout_redirect_uris": [],
}
# What only an administrator gives: tokens without a person, tokens for tokens of others.
_SELF_GRANTS = frozenset({"authorization_code", "refresh_token", "implicit"})
_OF_REDIRECTS = ("redirect_uris", "post_logout_redirect_uris")
_VISITED = (*_OF_REDIRECTS, "initiate_login_uri", "backchannel_logout_uri", "frontchannel_logout_uri")
_LONGEST_TOLD = 1_000


def metadata_of(
    document: Mapping[str, Any], *, client_id: str, limits: Limits, registrant: str
) -> tuple[dict[str, Any], str]:
    """Return what would be kept of ``document``, and its `sector_identifier_uri`; or raise an `OAuthError`.

    ``registrant`` is the initial access token's id: clients of one registrant may share a redirect URI.
    """
    if document.get("software_statement") is not None:
        raise InvalidSoftwareStatement("Software statements are not accepted.")
    asked = read_wire(document)
    metadata = _complete(asked, client_id, limits)
    faults = [*asked.faults, *_limit_faults(metadata, limits), *_name_faults(metadata)]
    try:
        check_client_metadata(metadata)
    except MetadataFault as fault:
        faults += [_by_wire_name(one) for one in fault.faults]
    faults += _address_faults(metadata, limits)
    # One list or the other: what is wrong in the values can make a question about them meaningless.
    faults = faults or [*_discovery_faults(metadata), *_taken_faults(metadata, client_id, registrant)]
    if faults:
        raise _refusal(faults)
    return metadata, metadata["registered"].get("sector_identifier_uri", "")


def _complete(asked: Asked, client_id: str, limits: Limits) -> dict[str, Any]:
    """Fill up what is missing, and put in what is not the client's to choose (P-15)."""
    told = asked.metadata
    application_type = told["registered"].setdefault("application_type", "web")
    method = told.get("token_endpoint_auth_method", _DEFAULTS["token_endpoint_auth_method"])
    web = "single-page" if method == "none" else "website"
    kind = "mobile" if application_type == "native" else web
    profile = limits.security_profile or KINDS[kind]["security_profile"]
    signing = "RS256" if "RS256" in PROFILES[profile].algorithms else "ES256"
    metadata = {
        **_DEFAULTS,
        "scopes": sorted(limits.scopes),
        "subject_type": limits.subject_types[0],
        "id_token_signed_response_alg": signing,
        "require_pkce": PROFILES[profile].pkce or settings.registration.require_pkce,
        **told,
        "client_id": client_id,
        "kind": kind,
        "security_profile": profile,
        "first_party": False,
    }
    metadata["name"] = metadata.get("name") or _host(next(iter(metadata["redirect_uris"]), "")) or client_id
    metadata["sector_identifier"] = _sector(metadata)
    return metadata


def _sector(metadata: Mapping[str, Any]) -> str:
    """Return the sector (OpenID Connect Core §8.1): a host that the client is proved to have a part in, or none.

    A private-use scheme is nobody's: two apps may claim it, and would be told the same `sub`.
    """
    declared = metadata["registered"].get("sector_identifier_uri")
    if declared:
        return _host(declared)
    hosts = {_host(uri) if uri.startswith("https:") else "" for uri in metadata["redirect_uris"]}
    return hosts.pop() if len(hosts) == 1 else ""


def _limit_faults(metadata: Mapping[str, Any], limits: Limits) -> Iterator[str]:
    """What the initial access token does not allow."""
    application_type = metadata["registered"]["application_type"]
    if application_type not in APPLICATION_TYPES:
        yield f"application_type: none of {', '.join(APPLICATION_TYPES)}"
    elif application_type not in limits.application_types:
        yield f"application_type: {application_type} is not allowed with this initial access token"
    if metadata["subject_type"] not in limits.subject_types:
        yield f"subject_type: only {', '.join(limits.subject_types)} with this initial access token"
    for scope in sorted(set(metadata["scopes"]) - set(limits.scopes)):
        yield f"scope: {scope} is not allowed with this initial access token"
    for grant in sorted(set(metadata["grant_types"]) - _SELF_GRANTS):
        yield f"grant_types: {grant} is not given to clients that register themselves"


def _name_faults(metadata: Mapping[str, Any]) -> Iterator[str]:
    """A stranger that calls itself by our name would be believed on our own pages."""
    ours = {_folded(settings.site_name), _folded(settings.site_address)}
    for name in (metadata["name"], *metadata["names"].values()):
        if len(name) > 80:
            yield "client_name: more than 80 characters"
        if _folded(name) in ours or settings.site_address.casefold() in name.casefold():
            yield "client_name: is the provider's own"


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def _address_faults(metadata: Mapping[str, Any], limits: Limits) -> Iterator[str]:
    """Addresses beyond the token's domains, look-alikes, and hosts that share no sector."""
    for name in _VISITED:
        value = metadata.get(name)
        for uri in value if isinstance(value, list) else [value] if value else []:
            host = _host(uri)
            if not _is_local(host) and not limits.allows_host(host):
                yield f"{name}: {uri!r} is not in a domain of this initial access token"
            if any(label.startswith("xn--") for label in host.split(".")) and not limits.hosts:
                # AC-196: whether it looks like another's is for a person to see.
                yield f"{name}: {uri!r} has an international host, which only an administrator registers"
    hosts = {_host(uri) for uri in metadata["redirect_uris"] if uri.startswith("https:")}
    sector = metadata["registered"].get("sector_identifier_uri")
    if len(hosts) > 1 and metadata["subject_type"] == "pairwise" and not sector:
        yield "sector_identifier_uri: needed, since the redirect_uris have several hosts (OpenID Connect Core 8.1)"


def _host(uri: str) -> str:
    """Return the host; of a private-use scheme, the domain that it is the reverse of."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ""
    return parts.hostname or ".".join(reversed(parts.scheme.split(".")))


def _is_local(host: str) -> bool:
    return host in {"127.0.0.1", "::1", "localhost"}


def _discovery_faults(metadata: Mapping[str, Any]) -> list[str]:
    """Ask Authlib, too, whether this goes with what the discovery document offers.

    Not about redirect URIs, of which it accepts less (private-use schemes) and more (wildcards) than we do, nor about
    keys: it refuses a set that holds one of an unknown type (RFC 7517 §5 says to ignore that one).
    """
    offered, wire = provider_metadata(), tell_wire(metadata)
    document = {name: value for name, value in wire.items() if name not in {*_OF_REDIRECTS, "jwks"}}
    faults = []
    for rules in (OAuthMetadata, OidcMetadata):
        try:
            rules(dict(document), {}, rules.get_claims_options(offered)).validate()
        except InvalidClaimError as fault:
            faults.append(f"{fault.claim}: is not offered")
    return faults


def _taken_faults(metadata: Mapping[str, Any], client_id: str, registrant: str) -> list[str]:
    """Refuse redirect URIs of others' clients: a code for one would arrive at the other (AC-196)."""
    wanted = [uri for uri in metadata["redirect_uris"] if not _is_local(_host(uri))]
    rows = db.session.execute(
        select(ClientRow.client_id, ClientRow.client_metadata, SelfRegistration.initial_token_id)
        .outerjoin(SelfRegistration, SelfRegistration.client_id == ClientRow.client_id)
        .where(ClientRow.client_id != client_id)
    )
    taken = {uri for _, kept, token in rows if token != registrant for uri in kept.get("redirect_uris", ())}
    return [f"redirect_uris: {uri!r} belongs to another client" for uri in wanted if uri in taken]


def _by_wire_name(fault: str) -> str:
    name, colon, rest = fault.partition(":")
    return f"{wire_name(name)}{colon}{rest}"


def _refusal(faults: list[str]) -> OAuthError:
    """Return every fault in one answer, under the code that RFC 7591 §3.2.2 has for them."""
    faults = list(dict.fromkeys(faults))
    kind = InvalidRedirectUri if all(one.startswith("redirect_uris:") for one in faults) else InvalidClientMetadata
    return kind(told("; ".join(faults)))


def told(text: str) -> str:
    """Return ``text`` as an `error_description` may hold it (RFC 6749 §5.2)."""
    plain = text.replace('"', "'")
    return re.sub(r"[^\x20-\x5b\x5d-\x7e]", "?", plain)[:_LONGEST_TOLD]
