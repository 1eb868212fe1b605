"""Where the parameters of an authorization request come from: sent plainly, signed, or pushed before."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urldefrag

from idp.fetch import FetchFault, fetch
from idp.oidc.clients import Client
from idp.oidc.errors import InvalidRequest, InvalidRequestObject, InvalidRequestUri, OAuthError
from idp.oidc.once import is_used
from idp.oidc.pushed import PREFIX, get_pushed
from idp.oidc.request import AuthorizationRequest, Parameters, parse_request
from idp.oidc.request_objects import read_request_object
from idp.settings import settings


@dataclass(frozen=True)
class Source:
    """The parameters that count, and how far they can be trusted."""

    parameters: Parameters
    is_signed: bool = False
    is_pushed: bool = False
    # The key to use it up by, if it is good for one answer only.
    once: str | None = None


def get_source(sent: Parameters, client: Client, now: datetime) -> Source:
    """Return the parameters that count of a request as ``sent``, or raise an `OAuthError`.

    RFC 9101 §6.3: "The authorization server MUST only use the parameters in the Request Object", whatever stands
    beside it (AC-109).
    """
    if sent.repeated & {"request", "request_uri"}:
        raise InvalidRequest("request or request_uri was sent more than once.")
    request, request_uri = sent["request"], sent["request_uri"]
    if request is not None and request_uri is not None:
        raise InvalidRequest("request and request_uri exclude each other.")
    if request is not None:
        return _signed(request, client, now)
    if request_uri is None:
        return Source(sent)
    if request_uri.startswith(PREFIX):
        key, pushed = get_pushed(request_uri, client.client_id)
        return Source(Parameters(pushed.values, resources=pushed.resources), pushed.is_signed, is_pushed=True, once=key)
    return _signed(_fetch(request_uri, client), client, now)


def _signed(token: str, client: Client, now: datetime) -> Source:
    signed = read_request_object(token, client, now)
    if signed.once is not None and is_used(signed.once):
        raise InvalidRequestObject("The request object was used before.")
    return Source(signed.parameters, is_signed=True, once=signed.once)


def parse_source(source: Source, client: Client, redirect_uri: str) -> AuthorizationRequest:
    """Return the request that the parameters make; raises an `OAuthError` where one is malformed."""
    return parse_request(
        source.parameters,
        client_id=client.client_id,
        redirect_uri=redirect_uri,
        is_signed=source.is_signed,
        is_pushed=source.is_pushed,
        once=source.once,
    )


def _fetch(request_uri: str, client: Client) -> str:
    """OpenID Connect Core §6.2, for certification only: nothing is fetched that is not registered (AC-107, P-43)."""
    if not settings.certification.remote_request_uri:
        raise OAuthError("A request_uri must come from the PAR endpoint.", code="request_uri_not_supported")
    address = urldefrag(request_uri).url
    # The fragment is a hash of the content that clients may register along; it is never sent.
    if address not in {urldefrag(registered).url for registered in client.request_uris}:
        raise InvalidRequestUri("The request_uri is not registered for this client.")
    try:
        answer = fetch(address, accept="application/oauth-authz-req+jwt, application/jwt")
        if answer.status != 200:
            raise InvalidRequestUri("The request_uri could not be fetched.", detail=f"status {answer.status}")
        return answer.body.decode("ascii").strip()
    except (FetchFault, UnicodeDecodeError) as fault:
        raise InvalidRequestUri("The request_uri could not be fetched.", detail=str(fault)) from fault
