"""The authorization endpoint: who comes with a good request leaves with a code, an error, or for the sign-in pages."""

from datetime import timedelta

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, i18n, logs, metrics
from idp.oidc.checks import check_request, get_caller
from idp.oidc.clients import Client
from idp.oidc.errors import OAuthError
from idp.oidc.hand_over import hand_over, send_to_sign_in, turn_away
from idp.oidc.needs import UNMET, Standing, find_need, fresh_after
from idp.oidc.request import (
    Parameters,
    UnreadableRequest,
    is_cross_site,
    parse_request,
    read_parameters,
    restore_request,
)
from idp.oidc.response_modes import DEFAULT_MODE, ReturnAddress, return_address
from idp.settings import settings
from idp.signin.interaction import Interaction, answer_interaction, get_interaction
from idp.state import state
from idp.web import PageError, current_session, page

blueprint = Blueprint("authorize", __name__)
log = logs.get_logger()

# A relying party that sends a signed-in visitor back this often in this time is in a loop (U20).
_BOUNCES = 8
_BOUNCE_TIME = timedelta(seconds=10)


@blueprint.route("/authorize", methods=["GET", "POST"])
def authorize() -> BaseResponse:
    """Answer an authorization request (OIDC Core §3.1.2.1: GET and POST alike)."""
    parameters = _sent_parameters()
    client, redirect_uri = get_caller(parameters)
    to = return_address(parameters, client, redirect_uri)
    try:
        asked = parse_request(parameters, client_id=client.client_id, redirect_uri=redirect_uri)
        check_request(asked, client)
    except OAuthError as fault:
        return turn_away(to, fault, client)
    if request.method == "POST" and current_session() is None and is_cross_site(request.headers, settings.issuer):
        # Answered now, it would overwrite a living session; the same request as a GET brings the cookie along.
        return redirect(f"/authorize?{parameters.as_query()}", 303)
    now = clock.now()
    standing = Standing(asked, client, current_session(), fresh_after(asked, client, now))
    need = find_need(standing)
    if need is not None and "none" in asked.prompt:
        return turn_away(to, OAuthError(need.description, code=need.error), client)
    if need is not None:
        return send_to_sign_in(standing, need, restart_url=f"/authorize?{parameters.as_query()}", now=now)
    if "none" not in asked.prompt and _is_bouncing(standing):
        return _loop_page(client, parameters)
    return hand_over(to, standing, now)


@blueprint.get("/authorize/<interaction_id>")
def resume(interaction_id: str) -> BaseResponse:
    """Answer the relying party once the visitor has walked through the sign-in pages."""
    now = clock.now()
    interaction = get_interaction(interaction_id)
    if request.method == "HEAD":
        # Whoever only looks must not use up the one answer.
        return Response(status=204)
    if interaction.outcome is None:
        return redirect(f"/signin/{interaction.id}/", 303)
    if interaction.answered_at is not None:
        return _already(interaction)
    asked = restore_request(interaction.payload)
    # The registration may have changed while the visitor walked.
    client, redirect_uri = get_caller(Parameters({"client_id": asked.client_id, "redirect_uri": asked.redirect_uri}))
    to = ReturnAddress(redirect_uri, asked.state, asked.response_mode or DEFAULT_MODE)
    standing = Standing(
        asked, client, current_session(), interaction.demand.fresh_after, has_walked=True,
        agreed=interaction.consented is True,
    )  # fmt: skip
    fault = _fault_of(interaction, standing)
    need = None if fault else find_need(standing)
    if answer_interaction(interaction, now) is None:
        return _already(interaction)
    if fault is not None:
        return turn_away(to, fault, client)
    if need is not None and need.name == "consent":
        # Only now is it known who they are, and that they have not agreed before.
        return send_to_sign_in(standing, need, restart_url=f"/signin/{interaction.id}/restart", now=now)
    if need is not None:
        return turn_away(to, OAuthError(need.description, code=need.error_after_walk), client)
    return hand_over(to, standing, now)


def _sent_parameters() -> Parameters:
    """Read the query of a GET or the form of a POST, never a mixture of both (AC-106)."""
    try:
        if request.method != "POST":
            return read_parameters(request.query_string)
        if request.query_string:
            raise UnreadableRequest("a POST with a query")
        if request.mimetype != "application/x-www-form-urlencoded":
            raise UnreadableRequest("not a form", 415)
        return read_parameters(request.get_data())
    except UnreadableRequest as fault:
        raise PageError("bad_request", fault.status, fault.detail) from fault


def _fault_of(interaction: Interaction, standing: Standing) -> OAuthError | None:
    """Return why a finished walk gives no code, or ``None``."""
    if interaction.outcome == "cancelled":
        return OAuthError("The account holder cancelled.", code="access_denied")
    if interaction.outcome == "unmet":
        return OAuthError("The demanded acr cannot be reached.", code=UNMET)
    if standing.session is None or standing.session.account_id != interaction.account_id:
        # Another tab signed someone else in meanwhile; whoever is there now did not walk this walk.
        return OAuthError("Another person is signed in.", code="login_required")
    return None


def _already(interaction: Interaction) -> BaseResponse:
    """Lead a second tab or a back button to the page that says so (U19); the answer is given once (AC-22)."""
    return redirect(f"/signin/{interaction.id}/already", 303)


def _is_bouncing(standing: Standing) -> bool:
    """Count how often a browser is sent straight back; other programs do not say that they navigate."""
    if standing.session is None or request.headers.get("Sec-Fetch-Mode") != "navigate":
        return False
    key = f"{standing.session.sid}:{standing.client.client_id}"
    if state.bump("bounces", key, ttl=_BOUNCE_TIME) <= _BOUNCES:
        return False
    # « Réessayer » starts counting anew.
    state.clear("bounces", key)
    return True


def _loop_page(client: Client, parameters: Parameters) -> Response:
    metrics.BOUNCED.inc()
    log.info("bounced", client_id=client.client_id)
    return page(
        "signin/loop.html",
        409,
        service=client.name_in(i18n.current_locale()),
        retry_url=f"/authorize?{parameters.as_query()}",
        logout_url="/logout",
    )
