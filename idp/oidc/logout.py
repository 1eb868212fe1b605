"""Signing out: at once where a relying party proves whom it means, after a question in every other case.

OpenID Connect RP-Initiated Logout 1.0: "the OP MUST NOT perform post-logout redirection" unless the request is good.
"""

from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import audit, clock, i18n
from idp.db import db
from idp.oidc.clients import Client, find_client
from idp.oidc.hints import Hint, find_hint, find_hinted_session
from idp.oidc.refresh import revoke_families_of_session
from idp.oidc.request import UnreadableRequest, read_parameters
from idp.oidc.subjects import subject_for
from idp.session import SESSIONS, Session
from idp.signin.interaction import INTERACTIONS
from idp.state import state
from idp.web import PageError, check_csrf, csrf_token, current_session, end_current_session, page

blueprint = Blueprint("logout", __name__)
CSRF_SCOPE = "logout"
_PARAMETERS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales")
# AC-173: on a shared computer the back button must show nothing. Cookies stay: they hold the recognised device.
_CLEAR = '"cache", "storage"'


@dataclass(frozen=True)
class LogoutRequest:
    """A request to sign out; ``hint`` and ``client`` are set only when the hint is genuine and names that client."""

    hint: Hint | None
    client: Client | None
    post_logout_redirect_uri: str | None
    state: str | None
    is_odd: bool

    @property
    def return_url(self) -> str | None:
        """Where the browser may go afterwards: the registered string, character by character (AC-165, P-57)."""
        uri = self.post_logout_redirect_uri
        if self.client is None or uri is None or uri not in self.client.post_logout_redirect_uris:
            return None
        if self.state is None:
            return uri
        return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'state': self.state}, quote_via=quote, safe='')}"

    @property
    def may_act(self) -> bool:
        """Whether nothing is wrong with it; otherwise the visitor is asked, and never sent anywhere."""
        wants_to_return = self.post_logout_redirect_uri is not None
        return self.client is not None and not self.is_odd and (not wants_to_return or self.return_url is not None)


@blueprint.route("/logout", methods=["GET", "POST"])
def logout() -> BaseResponse:
    """Sign out, or ask first (RP-Initiated Logout §2, §3; GET and POST)."""
    if request.method == "POST" and "csrf" in request.form:
        check_csrf(CSRF_SCOPE)
        return _signed_out(_end_here())
    asked = _parse()
    session = current_session()
    if asked.may_act and asked.hint is not None and asked.client is not None:
        if session is None or session.account_id is None:
            # No cookie came: it ended, or a POST from another site left it behind. The hint names the session.
            ended = _end_hinted(asked.hint, asked.client)
            return _gone_back(asked, ended)
        if subject_for(session.account_id, asked.client) == asked.hint.sub:
            return _gone_back(asked, _end_here())
    if request.method == "POST" and session is None:
        # A cross-site POST brings no cookie; as a GET of our own it does, and the question can be asked.
        return redirect("/logout", 303)
    if session is None or session.account_id is None:
        return _signed_out(())
    return page("logout/confirm.html", logout_token=csrf_token(CSRF_SCOPE))


def _parse() -> LogoutRequest:
    if request.method == "POST" and request.query_string:
        raise PageError("bad_request", 400, "a POST with a query")
    raw = request.get_data() if request.method == "POST" else request.query_string
    try:
        parameters = read_parameters(raw, _PARAMETERS)
    except UnreadableRequest as fault:
        raise PageError("bad_request", fault.status, fault.detail) from fault
    token, named = parameters["id_token_hint"], parameters["client_id"]
    hint = find_hint(token) if token else None
    client_id = hint.audience[0] if hint and len(hint.audience) == 1 else None
    # §2: "the OP MUST verify that the Client Identifier matches the one provided when issuing the ID Token".
    is_odd = bool(parameters.repeated) or (named is not None and named != client_id)
    return LogoutRequest(
        hint=hint,
        client=find_client(client_id) if client_id else None,
        post_logout_redirect_uri=parameters["post_logout_redirect_uri"],
        state=parameters["state"],
        is_odd=is_odd,
    )


def _gone_back(asked: LogoutRequest, services: tuple[str, ...]) -> Response:
    if asked.return_url is None:
        return _signed_out(services)
    return _cleared(Response(status=303, headers={"Location": asked.return_url}))


def _signed_out(services: tuple[str, ...]) -> Response:
    names = [client.name_in(i18n.current_locale()) for name in services if (client := find_client(name)) is not None]
    return _cleared(page("logout/done.html", services=names, return_url=None))


def _cleared(response: Response) -> Response:
    response.headers["Clear-Site-Data"] = _CLEAR
    return response


def _end_here() -> tuple[str, ...]:
    """End this browser's session and the sign-ins under way in it; return the clients that it had served."""
    session = end_current_session()
    if session is None:
        return ()
    db.session.commit()
    for interaction_id in session.interactions:
        state.delete(INTERACTIONS, interaction_id)
    return _told(session)


def _end_hinted(hint: Hint, client: Client) -> tuple[str, ...]:
    """End the session that a genuine hint was issued for, wherever its browser is."""
    record = find_hinted_session(hint, client)
    if record is None or record.ended_at is not None:
        db.session.rollback()
        return ()
    session = state.take(SESSIONS, record.state_key)
    record.ended_at = clock.now()
    db.session.commit()
    return _told(session) if session is not None else ()


def _told(session: Session) -> tuple[str, ...]:
    """End what was granted for as long as the visitor is signed in, and write down who left."""
    if session.sid is not None:
        revoke_families_of_session(session.sid, clock.now())
        audit.record("sign-out", account_id=session.account_id, clients=len(session.clients))
    return session.clients
