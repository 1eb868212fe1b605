"""What a good request leads to: a code for the relying party, an error for it, or the sign-in pages."""

from datetime import datetime

from flask import Response, redirect
from werkzeug.wrappers import Response as BaseResponse

from idp import figures, i18n, logs, metrics, session_clients
from idp.db import db
from idp.oidc.authorization_details import describe_details
from idp.oidc.clients import Client
from idp.oidc.codes import AuthorizationCode, issue_code
from idp.oidc.consents import (
    allowed_claims,
    consent_purposes,
    consent_texts,
    granted_scopes,
    record_consent,
    wanted_scopes,
)
from idp.oidc.errors import InvalidRequestObject, InvalidRequestUri, OAuthError
from idp.oidc.front_channel import issue_front_channel
from idp.oidc.grant import Grant, new_grant_id
from idp.oidc.id_token import sid_for
from idp.oidc.needs import (
    UNMET,
    Need,
    Standing,
    expected_account,
    must_agree,
    needed_levels,
    reported_acr,
    wished_levels,
)
from idp.oidc.once import use_up
from idp.oidc.request import AuthorizationRequest
from idp.oidc.response_modes import ReturnAddress, answer, refuse
from idp.oidc.trials import is_trial_address
from idp.session import Session
from idp.signin.interaction import Demand, start_interaction
from idp.web import change_session, ensure_session

log = logs.get_logger()
# What a good request is answered when the visitor, or nobody, goes on.
_NO_ERRORS = frozenset(
    {"access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required", UNMET}
)


def send_to_sign_in(standing: Standing, need: Need, *, restart_url: str, now: datetime) -> BaseResponse:
    """Keep the request and lead the visitor to the pages that ask for what is missing."""
    demand = demand_of(standing, need)
    db.session.rollback()
    interaction = start_interaction(
        session=ensure_session(),
        demand=demand,
        payload=standing.request.as_payload(),
        resume_at="/authorize",
        restart_url=restart_url,
        now=now,
    )
    metrics.AUTHORIZE.labels(need.name).inc()
    return redirect(f"/signin/{interaction.id}/", 303)


def demand_of(standing: Standing, need: Need) -> Demand:
    """Return what is asked of a sign-in, as plain values."""
    asked, client = standing.request, standing.client
    agree = must_agree(standing, need)
    locale = i18n.locale_for(asked.ui_locales)
    return Demand(
        service=client.name_in(locale),
        service_id=client.client_id,
        levels=needed_levels(asked, client),
        wished_levels=wished_levels(asked, client),
        fresh_after=standing.fresh_after,
        consent_to=consent_texts(wanted_scopes(asked, client)) if agree else None,
        consent_purposes=consent_purposes(wanted_scopes(asked, client), client) if agree else {},
        account_id=expected_account(standing),
        locale=locale,
        consent_details=describe_details(asked.authorization_details, locale) if agree else (),
        form_target=asked.redirect_uri,
        logo=f"/logos/{client.logo_digest}" if client.logo_digest else None,
        policy=client.policy_uri,
        terms=client.tos_uri,
    )


def hand_over(to: ReturnAddress, standing: Standing, now: datetime) -> Response:
    """Issue the code: the fast path of a signed-in visitor, and the end of every walk."""
    asked, client, session = standing.request, standing.client, standing.session
    if session is None or session.account_id is None:
        raise ValueError("only a complete sign-in gets a code")
    if asked.once is not None and not use_up(asked.once, now):
        fault = InvalidRequestUri if asked.is_pushed else InvalidRequestObject
        return turn_away(to, fault("The request was used before."), client)
    grant = grant_of(asked, client, session)
    # A trial ends in the console: the client has seen nobody, and nobody has agreed to what it will ask for.
    is_trial = is_trial_address(asked.redirect_uri)
    if standing.agreed and not client.first_party and not is_trial:
        agreed = wanted_scopes(asked, client)
        record_consent(account_id=session.account_id, client_id=client.client_id, scopes=agreed, now=now)
        db.session.commit()
    if client.client_id not in session.clients and not is_trial:
        join(grant, client, now)
        change_session(lambda held: held.with_client(client.client_id))
    return answer(to, issue(standing, grant, to, now))


def grant_of(asked: AuthorizationRequest, client: Client, session: Session) -> Grant:
    """Return what a complete sign-in grants to a client that asked for it."""
    if not (session.account_id and session.sid and session.acr and session.auth_time):
        raise ValueError("only a complete sign-in gets a code")
    return Grant(
        id=new_grant_id(session.sid, client.client_id),
        client_id=client.client_id,
        account_id=session.account_id,
        sid=session.sid,
        scopes=granted_scopes(asked, client),
        auth_time=session.auth_time,
        acr=reported_acr(asked, session.acr),
        amr=session.amr,
        userinfo_claims=allowed_claims(asked.claims.userinfo, client),
        id_token_claims=allowed_claims(asked.claims.id_token, client),
        resources=asked.resources,
        authorization_details=asked.authorization_details,
    )


def join(grant: Grant, client: Client, now: datetime) -> None:
    """Write down what the client will be signed out of; before it has a code, so that no end is missed. Commits."""
    session_clients.join(
        sid=grant.sid,
        account_id=grant.holder,
        client_id=client.client_id,
        their_sid=sid_for(grant.sid, client),
        wants_notice=client.backchannel_logout_uri is not None,
        wants_event="session-revoked" in client.security_event_types,
        now=now,
    )
    db.session.commit()


def issue(standing: Standing, grant: Grant, to: ReturnAddress, now: datetime) -> dict[str, str]:
    """Return what the response type asks for; anything but a code exists for certification only (R14)."""
    asked = standing.request
    words = (asked.response_type or "code").split()
    fields: dict[str, str] = {}
    if "code" in words:
        fields["code"] = issue_code(
            AuthorizationCode(grant, to.redirect_uri, asked.nonce, asked.code_challenge, now, asked.dpop_jkt)
        )
    if words != ["code"]:
        fields |= issue_front_channel(words, grant, standing, fields, now)
    metrics.AUTHORIZE.labels("code").inc()
    log.info("code-issued", client_id=grant.client_id, account_id=grant.account_id, grant=grant.id)
    return fields


def turn_away(to: ReturnAddress, fault: OAuthError, client: Client) -> Response:
    metrics.AUTHORIZE.labels(fault.code).inc()
    if fault.code not in _NO_ERRORS:
        figures.count_client_error(client.client_id, fault.code)
    detail = fault.detail or fault.description
    log.info("authorization-refused", client_id=client.client_id, error=fault.code, detail=detail)
    return refuse(to, fault)
