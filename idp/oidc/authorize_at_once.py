"""The visitor whom nothing keeps here: signed in, known to the service already, sent back with a code at once.

By the lane, without Flask (R21): the same functions as in `authorize.py`, in the same order. Whoever needs a page, an
error, a cookie or a word of explanation gets ``None`` here, before anything is used up, and is served there.
"""

from datetime import datetime
from typing import Any

from werkzeug.sansio.http import parse_cookie

from idp import session
from idp.oidc import bounces
from idp.oidc.checks import check_request, get_client, get_redirect_uri
from idp.oidc.clients import find_client
from idp.oidc.errors import OAuthError
from idp.oidc.hand_over import grant_of, issue
from idp.oidc.needs import Standing, find_need, fresh_after
from idp.oidc.protocol import ProtocolResponse
from idp.oidc.request import Parameters, UnreadableRequest, read_parameters
from idp.oidc.response_modes import KEPT_BY_NOBODY, ReturnAddress, query_answer, return_address
from idp.oidc.sources import Source, parse_source
from idp.session import Session
from idp.web import SESSION_COOKIE, PageError, cookie_name

# Nothing that is signed, pushed, prompts, hints, or asks for another language or way of answering.
_PLAIN = frozenset(
    {
        "client_id", "redirect_uri", "response_type", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method", "max_age", "acr_values",
    }
)  # fmt: skip
_LONGEST_QUERY = 4096


def may_be_at_once(environ: dict[str, Any]) -> bool:
    """Tell whether a WSGI request for `/authorize` comes with a query and a cookie: without, nobody is signed in."""
    query = environ.get("QUERY_STRING")
    return environ["REQUEST_METHOD"] == "GET" and "HTTP_COOKIE" in environ and 0 < len(query or "") <= _LONGEST_QUERY


def authorize_at_once(environ: dict[str, Any], now: datetime) -> ProtocolResponse | None:
    """Answer an authorization request with a code, or leave it to Flask."""
    try:
        sent = read_parameters(environ["QUERY_STRING"].encode("latin-1"))
    except UnreadableRequest:
        return None
    if sent.repeated or sent.resources or not sent.values.keys() <= _PLAIN:
        return None
    browser = session.find_session(parse_cookie(environ["HTTP_COOKIE"]).get(cookie_name(SESSION_COOKIE)), now)
    if browser is None or (found := _stand(sent, browser, now)) is None:
        return None
    standing, to = found
    if _is_kept_here(standing, browser, to, navigates=environ.get("HTTP_SEC_FETCH_MODE") == "navigate"):
        return None
    fields = issue(standing, grant_of(standing.request, standing.client, browser), to, now)
    # 303, as in `response_modes.py`; werkzeug calls a body that is not there a page, and so do we.
    headers = {"Location": query_answer(to, fields), "Content-Type": "text/html; charset=utf-8", **KEPT_BY_NOBODY}
    return ProtocolResponse(303, b"", headers)


def _stand(sent: Parameters, browser: Session, now: datetime) -> tuple[Standing, ReturnAddress] | None:
    """Return what a good request asks for, and where its answer goes; ``None`` for one that is told what is wrong."""
    client = find_client(sent["client_id"] or "")
    if client is None or client.is_suspended:
        return None
    try:
        client = get_client(sent)
        redirect_uri = get_redirect_uri(sent, client)
        asked = parse_source(Source(sent), client, redirect_uri)
        check_request(asked, client)
    except (PageError, OAuthError):
        return None
    standing = Standing(asked, client, browser, fresh_after(asked, client, now))
    return standing, return_address(sent, client, redirect_uri)


def _is_kept_here(standing: Standing, browser: Session, to: ReturnAddress, *, navigates: bool) -> bool:
    """Tell whether anything stands between a good request and its answer, or the answer is no plain redirect."""
    client = standing.client
    return (
        # That it will be signed out of this session is not written down yet.
        client.client_id not in browser.clients
        or to.mode != "query"
        or standing.request.response_type != "code"
        or not to.redirect_uri.isascii()
        or find_need(standing) is not None
        # Other programs do not say that they navigate.
        or (navigates and bounces.is_one_too_many(browser, client))
    )
