"""Signing out: at once where a relying party proves whom it means, after a question in every other case.

OpenID Connect RP-Initiated Logout 1.0: "the OP MUST NOT perform post-logout redirection" unless the request is good.
What ends with the session is in `sign_out.py`; how others are told, in `back_` and `front_channel_logout.py`.
"""

import math
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, i18n, metrics
from idp.guard import allow_frames
from idp.messages import outbox
from idp.oidc.clients import Client, find_client
from idp.oidc.front_channel_logout import frames_for
from idp.oidc.hints import Hint, find_hint, is_about
from idp.oidc.request import Parameters, UnreadableRequest, is_cross_site, read_parameters
from idp.oidc.sign_out import Farewell, sign_out, sign_out_of_idle
from idp.settings import settings
from idp.signin.interaction import INTERACTIONS
from idp.state import state
from idp.web import PageError, check_csrf, csrf_token, current_session, end_current_session, page

blueprint = Blueprint("logout", __name__)
CSRF_SCOPE = "logout"
_PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "csrf")
# AC-173: on a shared computer the back button must show nothing. Cookies stay: they hold the recognised device.
_CLEAR = '"cache", "storage"'


@dataclass(frozen=True)
class LogoutRequest:
    """A request to sign out; ``hint`` and ``client`` are set only by a genuine hint that nothing contradicts."""

    hint: Hint | None
    client: Client | None
    post_logout_redirect_uri: str | None
    state: str | None

    @property
    def return_url(self) -> str | None:
        """Where the browser may go afterwards: the registered string, character by character (AC-165, P-57)."""
        uri = self.post_logout_redirect_uri
        if self.client is None or uri is None or uri not in self.client.post_logout_redirect_uris:
            return None
        if self.state is None:
            return uri
        return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'state': self.state}, quote_via=quote, safe='')}"

    def is_about(self, account_id: str) -> bool:
        """Whether everything in it is right and it means this account; otherwise the visitor is asked first."""
        if self.hint is None or self.client is None or not is_about(self.hint, account_id, self.client):
            return False
        return self.post_logout_redirect_uri is None or self.return_url is not None


@blueprint.route("/logout", methods=["GET", "POST"])
def logout() -> BaseResponse:
    """Sign out, or ask first (RP-Initiated Logout §2, §3; GET and POST)."""
    parameters = _sent_parameters()
    if request.method == "POST" and parameters["csrf"] is not None:
        check_csrf(CSRF_SCOPE)
        return _leave(None, _end_here())
    session = current_session()
    if request.method == "POST" and session is None and is_cross_site(request.headers, settings.issuer):
        return redirect(f"/logout?{parameters.as_query()}", 303)
    asked = _parse(parameters)
    account_id = session.account_id if session else None
    if account_id is not None and not asked.is_about(account_id):
        return page("logout/confirm.html", logout_token=csrf_token(CSRF_SCOPE))
    here = _end_here() if account_id is not None else []
    return _leave(asked.return_url, here + _end_idle(asked))


def _sent_parameters() -> Parameters:
    if request.method == "POST" and request.query_string:
        raise PageError("bad_request", 400, "a POST with a query")
    try:
        return read_parameters(request.get_data() if request.method == "POST" else request.query_string, _PARAMETERS)
    except UnreadableRequest as fault:
        raise PageError("bad_request", fault.status, fault.detail) from fault


def _parse(parameters: Parameters) -> LogoutRequest:
    token, named = parameters["id_token_hint"], parameters["client_id"]
    hint = find_hint(token) if token else None
    client_id = hint.audience[0] if hint and len(hint.audience) == 1 else None
    # §2: "the OP MUST verify that the Client Identifier matches the one provided when issuing the ID Token".
    if parameters.repeated or named not in {None, client_id}:
        client_id = None
    client = find_client(client_id) if client_id else None
    return LogoutRequest(
        hint=hint if client else None,
        client=client,
        post_logout_redirect_uri=parameters["post_logout_redirect_uri"],
        state=parameters["state"],
    )


def _end_here() -> list[Farewell]:
    """End this browser's session and the sign-ins under way in it."""
    session = end_current_session()
    if session is None:
        return []
    farewell = sign_out(session, clock.now())
    for interaction_id in session.interactions:
        state.delete(INTERACTIONS, interaction_id)
    return [farewell] if farewell else []


def _end_idle(asked: LogoutRequest) -> list[Farewell]:
    """End the session that the hint is from, where the browser has another by now, or none."""
    if asked.hint is None or asked.client is None:
        return []
    farewell = sign_out_of_idle(asked.hint, asked.client, clock.now())
    return [farewell] if farewell else []


def _leave(return_url: str | None, farewells: list[Farewell]) -> Response:
    """Tell the services that are told by the browser, then lead back to the service, or say that it is done."""
    outbox.wake()
    locale = i18n.current_locale()
    parties = [(farewell.sid, _clients_of(farewell)) for farewell in farewells]
    frames = [frame for sid, clients in parties for frame in frames_for(sid, clients, locale)]
    if return_url is not None and not frames:
        return _cleared(Response(status=303, headers={"Location": return_url}))
    everyone = {client.client_id: client for _, clients in parties for client in clients}.values()
    allow_frames(frame.origin for frame in frames)
    metrics.LOGOUT_DELIVERY.labels("front", "shown").inc(len(frames))
    done = page(
        "logout/done.html",
        services=[client.name_in(locale) for client in everyone if client.is_told_of_logout],
        others=[client.name_in(locale) for client in everyone if not client.is_told_of_logout],
        frames=frames,
        frame_wait=math.ceil(settings.logout.frame_wait.total_seconds()),
        return_url=return_url,
    )
    return _cleared(done)


def _clients_of(farewell: Farewell) -> list[Client]:
    return [client for name in farewell.clients if (client := find_client(name)) is not None]


def _cleared(response: Response) -> Response:
    response.headers["Clear-Site-Data"] = _CLEAR
    return response
