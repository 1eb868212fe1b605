"""How an answer, code or error, travels back to the relying party: in the query, in the fragment, or as a form."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flask import Response

from idp.oidc.clients import Client
from idp.oidc.errors import OAuthError
from idp.oidc.request import Parameters
from idp.settings import settings
from idp.web import allow_form_target, page

DEFAULT_MODE = "query"
# RFC 6749 §4.1.2.1: %x20-21 / %x23-5B / %x5D-7E.
_DESCRIPTION = frozenset(chr(code) for code in range(0x20, 0x7F)) - {'"', "\\"}


@dataclass(frozen=True)
class ReturnAddress:
    """Where and how an answer goes; only made from a redirect URI that was found registered."""

    redirect_uri: str
    state: str | None
    mode: str = DEFAULT_MODE


def return_address(parameters: Parameters, client: Client, redirect_uri: str) -> ReturnAddress:
    """Return how to answer a request of which nothing else is known to be good: an odd mode becomes the default."""
    mode = parameters["response_mode"]
    allowed = mode is not None and mode in RESPONSE_MODES and mode in client.response_modes
    return ReturnAddress(redirect_uri, parameters["state"], mode if allowed and mode else DEFAULT_MODE)


def answer(to: ReturnAddress, fields: Mapping[str, str]) -> Response:
    """Send ``fields`` to the relying party, with `state` as it came and `iss` (RFC 9207 §2) always."""
    whole = dict(fields)
    if to.state is not None:
        whole["state"] = to.state
    whole["iss"] = settings.issuer
    response = RESPONSE_MODES[to.mode](to.redirect_uri, whole)
    response.headers["Cache-Control"] = "no-store"
    # RFC 9700 §4.2.4: nothing of this answer travels on in a Referer.
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def refuse(to: ReturnAddress, fault: OAuthError) -> Response:
    """Tell the relying party why there is no code."""
    description = "".join(char for char in fault.description if char in _DESCRIPTION)
    return answer(to, {"error": fault.code, **({"error_description": description} if description else {})})


def _by_query(redirect_uri: str, fields: Mapping[str, str]) -> Response:
    """RFC 6749 §4.1.2: a query that the registered URI has "MUST be retained"."""
    glue = "" if redirect_uri.endswith(("?", "&")) else "&" if "?" in redirect_uri else "?"
    return _redirect(redirect_uri + glue + _encode(fields))


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


RESPONSE_MODES: dict[str, Callable[[str, Mapping[str, str]], Response]] = {
    "query": _by_query,
    "fragment": _by_fragment,
    "form_post": _by_form,
}
