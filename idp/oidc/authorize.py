"""The authorization endpoint: who comes with a good request leaves with a code, an error, or for the sign-in pages."""

from datetime import datetime

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from idp import clock, i18n, logs, metrics
from idp.oidc import bounces, trials
from idp.oidc.checks import bad_link, check_request, get_client, get_redirect_uri
from idp.oidc.clients import Client
from idp.oidc.errors import OAuthError
from idp.oidc.hand_over import hand_over, send_to_sign_in, turn_away
from idp.oidc.needs import UNMET, Standing, find_need, fresh_after
from idp.oidc.once import use_up
from idp.oidc.request import Parameters, UnreadableRequest, is_cross_site, read_parameters, restore_request
from idp.oidc.response_modes import ReturnAddress, address_for, return_address
from idp.oidc.sources import get_source, parse_source
from idp.settings import settings
from idp.signin.interaction import Interaction, answer_interaction, get_interaction
from idp.web import PageError, current_session, page

blueprint = Blueprint("authorize", __name__)
log = logs.get_logger()


@blueprint.route("/authorize", methods=["GET", "POST"])
def authorize() -> BaseResponse:
    """Answer an authorization request (OIDC Core §3.1.2.1: GET and POST alike)."""
    now = clock.now()
    sent = _sent_parameters()
    client = get_client(sent)
    try:
        source = get_source(sent, client, now)
    except OAuthError as fault:
        return _refuse_source(sent, client, fault)
    redirect_uri = _redirect_uri(source.parameters, client)
    to = return_address(source.parameters, client, redirect_uri)
    try:
        asked = parse_source(source, client, redirect_uri)
        check_request(asked, client)
    except OAuthError as fault:
        return turn_away(to, fault, client)
    if request.method == "POST" and current_session() is None and is_cross_site(request.headers, settings.issuer):
        # Answered now, it would overwrite a living session; the same request as a GET brings the cookie along.
        return redirect(_same_request(sent), 303)
    return _answer_or_send(to, Standing(asked, client, current_session(), fresh_after(asked, client, now)), sent, now)


def _answer_or_send(to: ReturnAddress, standing: Standing, sent: Parameters, now: datetime) -> BaseResponse:
    """Hand over at once if nothing is missing; else lead to the pages that ask for it, or say what is missing."""
    need = find_need(standing)
    is_silent = "none" in standing.request.prompt
    if need is not None and is_silent:
        return turn_away(to, OAuthError(need.description, code=need.error), standing.client)
    if need is not None:
        return send_to_sign_in(standing, need, restart_url=_same_request(sent), now=now)
    if not is_silent and _is_bouncing(standing):
        return _loop_page(standing.client, sent)
    return hand_over(to, standing, now)


def _redirect_uri(parameters: Parameters, client: Client) -> str:
    """Return where the answer goes: an address that is registered, or the console's for a trial of this browser."""
    asked = parameters["redirect_uri"]
    if asked is not None and trials.is_trial_address(asked) and trials.may_end_at(asked, client, current_session()):
        return asked
    return get_redirect_uri(parameters, client)


def _same_request(sent: Parameters) -> str:
    return f"/authorize?{sent.as_query()}"


def _refuse_source(sent: Parameters, client: Client, fault: OAuthError) -> BaseResponse:
    """Answer a request whose real parameters cannot be had: at a registered redirect URI beside them, or by a page."""
    redirect_uri = sent["redirect_uri"]
    if redirect_uri is None or sent.repeated:
        raise bad_link(fault.code, fault.detail or fault.description)
    return turn_away(return_address(sent, client, get_redirect_uri(sent, client)), fault, client)


@blueprint.get("/authorize/<interaction_id>")
def resume(interaction_id: str) -> BaseResponse:
    """Answer the relying party once the visitor has walked through the sign-in pages."""
    now = clock.now()
    interaction = get_interaction(interaction_id, "/authorize")
    if request.method == "HEAD":
        # Whoever only looks must not use up the one answer.
        return Response(status=204)
    if interaction.outcome is None:
        return redirect(f"/signin/{interaction.id}/", 303)
    if interaction.answered_at is not None:
        return _already(interaction)
    asked = restore_request(interaction.payload)
    # The registration may have changed while the visitor walked.
    known = Parameters({"client_id": asked.client_id, "redirect_uri": asked.redirect_uri})
    client = get_client(known)
    to = address_for(
        client, _redirect_uri(known, client), state=asked.state, mode=asked.response_mode,
        response_type=asked.response_type,
    )  # fmt: skip
    standing = Standing(
        asked, client, current_session(), interaction.demand.fresh_after, has_walked=True,
        agreed=interaction.consented is True,
    )  # fmt: skip
    fault = _fault_of(interaction, standing)
    need = None if fault else find_need(standing)
    if answer_interaction(interaction, now) is None:
        return _already(interaction)
    if need is not None and need.name == "consent":
        # Only now is it known who they are, and that they have not agreed before.
        return send_to_sign_in(standing, need, restart_url=f"/signin/{interaction.id}/restart", now=now)
    if need is not None:
        fault = OAuthError(need.description, code=need.error_after_walk)
    if fault is None:
        return hand_over(to, standing, now)
    if asked.once is not None:
        # A refusal is an answer too: the request is not tried again with somebody else in front.
        use_up(asked.once, now)
    return turn_away(to, fault, client)


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
    if not bounces.is_one_too_many(standing.session, standing.client):
        return False
    # « Réessayer » starts counting anew.
    bounces.forget(standing.session, standing.client)
    return True


def _loop_page(client: Client, sent: Parameters) -> Response:
    metrics.BOUNCED.inc()
    log.info("bounced", client_id=client.client_id)
    return page(
        "signin/loop.html",
        409,
        service=client.name_in(i18n.current_locale()),
        retry_url=_same_request(sent),
        logout_url="/logout",
    )
