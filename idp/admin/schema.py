"""What an administrator may say of a client: the one schema behind form, REST and YAML.

It only says what shape values have; what may stand is judged by `oidc/registration.py`, as for every registration.
Unknown names are refused (over-posting), nothing is turned from one type into another.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from idp.admin.faults import Invalid, field_faults
from idp.mfa.levels import ACR_VALUES
from idp.oidc.claims import SCOPES
from idp.oidc.client_auth import CLIENT_AUTH
from idp.oidc.clients import Client
from idp.oidc.profiles import PROFILES
from idp.oidc.registration import KINDS, MetadataFault, check_client_metadata, metadata_from_form

Body = TypeVar("Body", bound=BaseModel)


def _printable(text: str) -> str:
    if not all(char.isprintable() or char in "\n\t" for char in text) or "\ufffd" in text:
        raise ValueError("holds characters that cannot be shown")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("is not text") from None
    return text


Text = Annotated[str, Field(max_length=2000), AfterValidator(_printable)]
Line = Annotated[str, Field(max_length=200), AfterValidator(_printable)]
Url = Annotated[str, Field(max_length=2000), AfterValidator(_printable)]
Lines = Annotated[list[Line], Field(max_length=50)]
Urls = Annotated[list[Url], Field(max_length=20)]
ByLanguage = Annotated[dict[Annotated[str, Field(pattern=r"^[a-z]{2}$")], Line], Field(max_length=20)]
Seconds = Annotated[int, Field(ge=0, le=10**9)]
Alg = Annotated[str, Field(max_length=40), AfterValidator(_printable)]
# The columns of PostgreSQL take no NUL; ids are ASCII.
ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._~-]{1,79}$")]


class Strict(BaseModel):
    """A body of which every name is known and every value has its type already."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ClientDocument(Strict):
    """Everything that is registered of a client, but its id, its secrets and its state."""

    name: Line = Field(min_length=1, max_length=80, description="what visitors read")
    names: ByLanguage = Field(default={}, description="the name in other languages")
    kind: Literal[tuple(KINDS)] = Field(default="website", description="what sort of program it is")  # type: ignore[valid-type]
    description: Text = Field(default="", description="what it is for, for administrators")
    team: Line = Field(default="", max_length=80, description="whose it is")
    contacts: Lines = Field(default=[], description="whom to call: technical and security contacts")
    security_profile: Literal[tuple(PROFILES)] = Field(default="oidc", description="the demands it is held to")  # type: ignore[valid-type]
    redirect_uris: Urls = Field(default=[], description="where visitors go back to; compared character by character")
    post_logout_redirect_uris: Urls = Field(default=[], description="where they go after signing out")
    grant_types: Lines = Field(default=["authorization_code"], description="how it gets tokens")
    response_types: Lines = Field(default=["code"], description="what `/authorize` answers")
    response_modes: Lines = Field(default=["form_post", "fragment", "jwt", "query"], description="how answers travel")
    scopes: list[Literal[tuple(SCOPES)]] = Field(default=["openid"], max_length=20, description="what it may learn")  # type: ignore[valid-type]
    purposes: Annotated[dict[Literal[tuple(SCOPES)], ByLanguage], Field(max_length=20)] = Field(  # type: ignore[valid-type]
        default={}, description="why it needs each scope, by scope and language"
    )
    token_endpoint_auth_method: Literal[tuple(CLIENT_AUTH)] = Field(  # type: ignore[valid-type]
        default="client_secret_basic", description="how it proves itself"
    )
    token_endpoint_auth_signing_alg: Alg | None = None
    jwks: dict[str, Any] | None = Field(default=None, description="its public keys (RFC 7517)")
    jwks_uri: Url | None = Field(default=None, description="where its public keys are fetched")
    first_party: bool = Field(default=True, description="ours: visitors are not asked before the first sign-in")
    subject_type: Literal["pairwise", "public"] = Field(default="pairwise", description="whose own `sub` values are")
    sector_identifier: Line = Field(default="", description="the host that pairwise `sub` values belong to")
    require_pkce: bool = Field(default=True, description="refuse requests without PKCE")
    minimum_acr: Literal[tuple(ACR_VALUES)] | None = Field(  # type: ignore[valid-type]
        default=None, description="the lowest level at which anybody is let in"
    )
    default_acr_values: list[Literal[tuple(ACR_VALUES)]] = Field(  # type: ignore[valid-type]
        default=[], max_length=10, description="levels that it wishes for when a request says nothing"
    )
    default_max_age: Seconds | None = Field(default=None, description="how old a sign-in may be, in seconds")
    access_token_lifetime: Seconds | None = Field(default=None, description="seconds; at most the provider's own")
    id_token_lifetime: Seconds | None = Field(default=None, description="seconds; at most the provider's own")
    access_token_format: Literal["opaque", "jwt"] = "opaque"  # noqa: S105 - a format's name
    client_uri: Url | None = None
    policy_uri: Url | None = Field(default=None, description="its page on personal data")
    tos_uri: Url | None = Field(default=None, description="its terms of use")
    help_uri: Url | None = Field(default=None, description="its page of help")
    logo_uri: Url | None = None
    initiate_login_uri: Url | None = None
    backchannel_logout_uri: Url | None = Field(default=None, description="where its server learns of a sign-out")
    backchannel_logout_session_required: bool = True
    frontchannel_logout_uri: Url | None = Field(default=None, description="what browsers load at a sign-out")
    frontchannel_logout_session_required: bool = True
    security_events_uri: Url | None = Field(default=None, description="where security events are pushed (RFC 8935)")
    security_event_types: Lines = Field(default=[], max_length=10, description="which security events it wants")
    apple_apps: Lines = Field(default=[], description="iOS apps that belong to it, TEAM.bundle")
    android_apps: Annotated[dict[Line, Lines], Field(max_length=20)] = Field(
        default={}, description="Android apps that belong to it: package to SHA-256 fingerprints"
    )
    allowed_networks: Lines = Field(
        default=[], description="from where it may prove itself, as `192.0.2.0/24`; empty: from anywhere"
    )
    tls_client_auth_subject_dn: Line | None = None
    tls_client_auth_san_dns: Line | None = None
    tls_client_auth_san_uri: Line | None = None
    tls_client_auth_san_ip: Line | None = None
    tls_client_auth_san_email: Line | None = None
    tls_client_certificate_bound_access_tokens: bool = False
    dpop_bound_access_tokens: bool = False
    in_app: bool = Field(default=False, description="may sign people in inside the app, where the provider lets any")
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    request_object_signing_alg: Alg | None = None
    request_uris: Urls = []
    id_token_signed_response_alg: Alg = "RS256"  # noqa: S105 - an algorithm's name
    id_token_encrypted_response_alg: Alg | None = None
    id_token_encrypted_response_enc: Alg | None = None
    authorization_signed_response_alg: Alg = "RS256"
    userinfo_signed_response_alg: Alg | None = None
    userinfo_encrypted_response_alg: Alg | None = None
    userinfo_encrypted_response_enc: Alg | None = None
    introspection_signed_response_alg: Alg | None = None
    resources: Urls = Field(default=[], description="what it may ask tokens for (RFC 8707)")
    serves_resources: Urls = Field(default=[], description="what it is itself, as a resource server")
    authorization_details_types: Lines = []
    machine_scopes: Lines = Field(default=[], description="scopes of its own, for client credentials")
    exchanges_tokens_of: Annotated[list[ClientId], Field(max_length=20)] = []


# Of a client, and not said by an administrator.
_SETS: Final = {one.name for one in fields(Client) if str(one.type).startswith("frozenset")}
NOT_SAID: Final = frozenset({"client_id", "secrets", "is_suspended", "logo_digest", "registered"})


def read_document(given: Mapping[str, Any]) -> ClientDocument:
    """Return what was given as a document, or raise `Invalid` with every fault."""
    return read_body(ClientDocument, given)


def read_body(shape: type[Body], given: Mapping[str, Any]) -> Body:
    """Return ``given`` as ``shape``, or raise `Invalid`; never quotes what was given."""
    try:
        return shape.model_validate(given)
    except ValidationError as fault:
        found = fault.errors(include_input=False, include_url=False, include_context=False)
        told = [(".".join(map(str, one["loc"])), str(one["msg"])) for one in found]
        raise Invalid("the values cannot stand", tuple(told)) from None


def document_of(client: Client) -> ClientDocument:
    """Return what is registered of a client; sent back unchanged, it changes nothing (AC-201)."""
    values = {name: _plain(getattr(client, name)) for name in ClientDocument.model_fields}
    return ClientDocument.model_validate(values)


def plain(document: ClientDocument) -> dict[str, Any]:
    """Return a document as JSON and YAML have it, in the order of the schema."""
    whole = document.model_dump(mode="json")
    return {name: sorted(value) if name in _SETS else value for name, value in whole.items()}


def brief(document: ClientDocument) -> dict[str, Any]:
    """Return what a document says beyond the defaults: what a person reads in YAML."""
    whole, usual = plain(document), {name: _default(name) for name in ClientDocument.model_fields}
    return {name: value for name, value in whole.items() if value != usual[name]}


def check_document(client_id: str, document: ClientDocument) -> dict[str, Any]:
    """Return the metadata to keep of a document, or raise `Invalid` with all that cannot stand."""
    metadata = {name: value for name, value in plain(document).items() if value is not None}
    try:
        check_client_metadata({"client_id": client_id, **metadata})
    except MetadataFault as fault:
        raise Invalid("the client cannot stand", field_faults(fault.faults)) from None
    return metadata


def starting_document(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``given`` filled up with what a client of this kind usually is (`registration.KINDS`)."""
    scope = " ".join(given.get("scopes") or ["openid"])
    usual = metadata_from_form({"kind": kind, "scope": scope, "security_profile": given.get("security_profile")})
    kept = {name: value for name, value in usual.items() if name in ClientDocument.model_fields and name != "name"}
    return {**kept, **given, "kind": kind}


def _plain(value: Any) -> Any:
    return sorted(value) if isinstance(value, frozenset) else list(value) if isinstance(value, tuple) else value


def _default(name: str) -> Any:
    field = ClientDocument.model_fields[name]
    return None if field.is_required() else field.default


def undocumented() -> set[str]:
    """Return the fields of a client that the schema forgot; a test holds it empty."""
    known = {one.name for one in fields(Client) if one.default is not MISSING or one.default_factory is not MISSING}
    return known - set(ClientDocument.model_fields) - NOT_SAID
