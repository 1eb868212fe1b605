"""How an answer, code or error, travels back to the relying party: in the query, in the fragment, as a form, signed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flask import Response

from idp.oidc.clients import Client
from idp.oidc.errors import OAuthError
from idp.oidc.jarm import sign_answer
from idp.oidc.request import Parameters
from idp.oidc.response_types import default_mode, parse_response_type
from idp.settings import settings
from idp.web import allow_form_target, page

# RFC 6749 §4.1.2.1: %x20-21 / %x23-5B / %x5D-7E.
_DESCRIPTION = frozenset(chr(code) for code in range(0x20, 0x7F)) - {'"', "\\"}

# RFC 9700 §4.2.4: nothing of an answer travels on in a Referer.
KEPT_BY_NOBODY = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


@dataclass(frozen=True)
class ReturnAddress:
    """Where and how an answer goes; only made from a redirect URI that was found registered."""

    client: Client
    redirect_uri: str
    state: str | None
    mode: str


def return_address(parameters: Parameters, client: Client, redirect_uri: str) -> ReturnAddress:
    """Return how to answer a request of which nothing else is known to be good: an odd mode becomes the default."""
    kind = parse_response_type(parameters["response_type"])
    return address_for(
        client, redirect_uri, state=parameters["state"], mode=parameters["response_mode"], response_type=kind
    )


def address_for(
    client: Client, redirect_uri: str, *, state: str | None, mode: str | None, response_type: str | None
) -> ReturnAddress:
    """Return how to answer, in the mode asked for where it may be used."""
    usual = default_mode(response_type)
    if mode is None or not is_allowed_mode(mode, client, response_type):
        mode = usual
    # JARM §2.3.4: `jwt` alone is the signed form of the usual way.
    return ReturnAddress(client, redirect_uri, state, f"{usual}.jwt" if mode == "jwt" else mode)


def is_allowed_mode(mode: str, client: Client, response_type: str | None) -> bool:
    """Tell whether an answer of this type may travel so (AC-99); tokens never in a query (JARM §2.3.1 alike)."""
    if mode not in RESPONSE_MODES or (JWT if RESPONSE_MODES[mode].is_signed else mode) not in client.response_modes:
        return False
    return mode not in {"query", "query.jwt"} or default_mode(response_type) == "query"


def answer(to: ReturnAddress, fields: Mapping[str, str]) -> Response:
    """Send ``fields`` to the relying party, with `state` and `iss`."""
    whole = _with_state(to, fields)
    mode = RESPONSE_MODES[to.mode]
    if mode.is_signed:
        whole = {"response": sign_answer(whole, to.client)}
    response = mode.send(to.redirect_uri, whole)
    response.headers.update(KEPT_BY_NOBODY)
    return response


def query_answer(to: ReturnAddress, fields: Mapping[str, str]) -> str:
    """Return the address that sends ``fields`` to the relying party in the mode `query`."""
    return _query_url(to.redirect_uri, _with_state(to, fields))


def refuse(to: ReturnAddress, fault: OAuthError) -> Response:
    """Tell the relying party why there is no code."""
    description = "".join(char for char in fault.description if char in _DESCRIPTION)
    return answer(to, {"error": fault.code, **({"error_description": description} if description else {})})


def _with_state(to: ReturnAddress, fields: Mapping[str, str]) -> dict[str, str]:
    """Return an answer with `state` as it came, and `iss` (RFC 9207 §2) always."""
    state = {} if to.state is None else {"state": to.state}
    return {**fields, **state, "iss": settings.issuer}


def _query_url(redirect_uri: str, fields: Mapping[str, str]) -> str:
    """RFC 6749 §4.1.2: a query that the registered URI has "MUST be retained"."""
    glue = "" if redirect_uri.endswith(("?", "&")) else "&" if "?" in redirect_uri else "?"
    return redirect_uri + glue + _encode(fields)


def _by_query(redirect_uri: str, fields: Mapping[str, str]) -> Response:
    return _redirect(_query_url(redirect_uri, fields))


def _by_fragment(redirect_uri: str, fields: Mapping[str, str]) -> Response:
    return _redirect(f"{redirect_uri}#{_encode(fields)}")


def _by_form(redirect_uri: str, fields: Mapping[str, str]) -> Response:
    """OAuth 2.0 Form Post Response Mode §2: the values are HTML-escaped by the template, never percent-encoded."""
    allow_form_target(redirect_uri)
    return page("form_post.html", redirect_uri=redirect_uri, fields=fields)


def _encode(fields: Mapping[str, str]) -> str:
    return urlencode(fields, quote_via=quote, safe="")


def _redirect(url: str) -> Response:
    # 303: a browser that came by POST must not post its form to the relying party (RFC 9700 §4.12).
    return Response(status=303, headers={"Location": url})


@dataclass(frozen=True, slots=True)
class Mode:
    """A way for an answer to travel, and whether it is signed first (JARM)."""

    send: Callable[[str, Mapping[str, str]], Response]
    is_signed: bool = False


JWT = "jwt"
RESPONSE_MODES: dict[str, Mode] = {
    "query": Mode(_by_query),
    "fragment": Mode(_by_fragment),
    "form_post": Mode(_by_form),
    "query.jwt": Mode(_by_query, is_signed=True),
    "fragment.jwt": Mode(_by_fragment, is_signed=True),
    "form_post.jwt": Mode(_by_form, is_signed=True),
    # Only asked for: `address_for` turns it into one of the three above.
    JWT: Mode(_by_query, is_signed=True),
}
