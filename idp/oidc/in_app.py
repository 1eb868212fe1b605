"""The authorization challenge endpoint: the operator's own app asks for what it needs and shows its own screens.

OAuth 2.0 for First-Party Applications (draft-ietf-oauth-first-party-apps-03); section numbers here are the draft's. Off
unless the settings say otherwise, and only for clients registered for it. Whoever walks here walks the same steps as in
a browser (`signin/journey.py`), with the same counters and pauses; what an app cannot show is sent to the web. Every
request carries a DPoP proof of the key to which `auth_session`, code and tokens are bound (§9.5.1, §9.6.1).
"""

from dataclasses import replace
from datetime import datetime

from idp import clock, metrics, web
from idp.oidc import dpop, events, redirect_uris
from idp.oidc.checks import check_request
from idp.oidc.client_auth import authenticate_client, read_presented
from idp.oidc.clients import Client
from idp.oidc.errors import InvalidDpopProof, InvalidRequest, InvalidSession, OAuthError, UnauthorizedClient
from idp.oidc.hand_over import demand_of
from idp.oidc.in_app_answers import Answer, describe, lead_to_web
from idp.oidc.in_app_finish import finish_in_app
from idp.oidc.in_app_session import AppWalk, begin, find_app_session, find_walk
from idp.oidc.in_app_steps import Notice, find_act
from idp.oidc.needs import Standing, find_need, fresh_after
from idp.oidc.par import bind_to_key, check_push_rate, read_request
from idp.oidc.protocol import NO_STORE, ProtocolRequest, ProtocolResponse, json_response
from idp.oidc.request import parse_request
from idp.settings import settings
from idp.signin.journey import next_step
from idp.state import state

# A page of ours would show it.
_NOTHING_TO_SHOW = {"logo": None, "policy": None, "terms": None}


def authorize_challenge(request: ProtocolRequest) -> ProtocolResponse:
    """Take one step of a sign-in in an app, and say what comes next or hand the code over (§5)."""
    if not settings.in_app.enabled:
        raise InvalidRequest("", code="", status=404)
    now = clock.now()
    try:
        walk = _enter(request, now)
        answer = _go_on(walk, request, now)
    except OAuthError as refusal:
        metrics.IN_APP.labels("door", refusal.code).inc()
        raise
    return json_response(answer.status, answer.content, {**NO_STORE, **dpop.nonce_headers(now)})


def _enter(request: ProtocolRequest, now: datetime) -> AppWalk:
    """Return the sign-in that this request may go on with: its own client's, with its own key."""
    value = request.form.get("auth_session")
    known = find_app_session(value) if value is not None else None
    if value is not None and not read_presented(request):
        # §5.1: the client need not name itself where the session does.
        if known is None:
            raise InvalidSession("auth_session unknown or over")
        request = replace(request, form={**request.form, "client_id": known.client_id})
    client = authenticate_client(request)
    if not client.in_app:
        raise UnauthorizedClient("This client is not registered for sign-ins inside the app.")
    jkt = dpop.find_proof(request, now)
    if jkt is None:
        raise InvalidDpopProof("Every request here carries a DPoP proof.")
    if value is None:
        return _begin(request, client, jkt, now)
    if known is None or (known.client_id, known.jkt) != (client.client_id, jkt):
        # §9.6.1: what was stolen is worth nothing elsewhere; and its owner goes on, whatever the thief sends.
        if known is not None:
            events.in_app_session_refused(client_id=client.client_id)
        raise InvalidSession("auth_session unknown, of another client or of another key")
    # §9.3: "SHOULD rate-limit requests from the same auth_session".
    requests = state.bump("in-app-requests", known.interaction_id, ttl=settings.lifetimes.interaction)
    if requests > settings.in_app.requests:
        raise InvalidSession("too many requests")
    walk = find_walk(value, known, client)
    if walk is None:
        raise InvalidSession("the sign-in is over")
    return walk


def _begin(request: ProtocolRequest, client: Client, jkt: str, now: datetime) -> AppWalk:
    """Check an authorization request as at `/authorize` and `/par`, and keep it (§5.1)."""
    check_push_rate(request, client)
    if "request" in request.form:
        raise InvalidRequest("A signed request is not taken here.")
    parameters = bind_to_key(read_request(request, client, None), jkt)
    redirect_uri = parameters["redirect_uri"]
    if redirect_uri is not None and not redirect_uris.matches(client.redirect_uris, redirect_uri, kind=client.kind):
        raise InvalidRequest("redirect_uri is not registered for this client.")
    asked = parse_request(
        parameters, client_id=client.client_id, redirect_uri=redirect_uri or "", is_signed=False, is_pushed=True
    )
    check_request(asked, client)
    standing = Standing(asked, client, None, fresh_after(asked, client, now))
    need = find_need(standing)
    if need is None or "none" in asked.prompt:
        raise OAuthError("Nobody is signed in.", code="login_required")
    return begin(parameters, asked, demand_of(standing, need), client=client, jkt=jkt, now=now)


def _go_on(walk: AppWalk, request: ProtocolRequest, now: datetime) -> Answer:
    """Do what the request brings, if that is due, and answer with what is due then."""
    web.show_interaction(walk.interaction.reference, walk.interaction.demand.service, None, _NOTHING_TO_SHOW)
    if walk.interaction.demand.consent_to is not None:
        # Known from the start: nobody is asked for a face first.
        return lead_to_web(walk, "consent", now)
    notice: Notice = {}
    facts = walk.facts(now)
    act = find_act(request)
    if act is not None and next_step(facts) in act.steps:
        walk, notice = act.do(walk, facts, request, now)
        facts = walk.facts(now)
    step = next_step(facts)
    if step is None:
        return finish_in_app(walk, facts, request, now)
    return describe(walk, facts, step, notice, now) or lead_to_web(walk, step, now)
