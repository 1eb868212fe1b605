"""The end of a sign-in in an app: one session, one code, bound to the app's key, for the one request that was first."""

from dataclasses import replace
from datetime import datetime

from idp import metrics, session
from idp.accounts import devices, new_devices
from idp.db import db
from idp.messages.compose import label_device
from idp.mfa.guard import UNKNOWN_DEVICES
from idp.mfa.levels import level_of
from idp.mfa.stopping import note_begun
from idp.oidc import events
from idp.oidc.codes import AuthorizationCode, issue_code
from idp.oidc.errors import InvalidSession, OAuthError
from idp.oidc.hand_over import grant_of, join
from idp.oidc.in_app_answers import Answer
from idp.oidc.in_app_session import AppWalk
from idp.oidc.needs import Standing, find_need
from idp.oidc.protocol import ProtocolRequest
from idp.session import Session
from idp.signin.journey import Facts
from idp.signin.walk import finish, forgive, time_sign_in


def finish_in_app(walk: AppWalk, facts: Facts, request: ProtocolRequest, now: datetime) -> Answer:
    """Sign the person in and hand the code over (§5.2.1); of many rivals one does."""
    done = replace(walk.interaction, proofs=facts.proofs)
    if not finish(done, "done", now, reason=facts.decision.reason):
        raise InvalidSession("the sign-in ended meanwhile")
    walk.forget()
    begun = _sign_in(replace(walk, interaction=done), facts, request, now)
    asked, client = walk.asked, walk.client
    # The same last look as where a browser comes back: the right person, fresh enough, at the level.
    standing = Standing(asked, client, begun, walk.interaction.demand.fresh_after, has_walked=True)
    need = find_need(standing)
    if need is not None:
        session.end_session_by_id(begun.sid or "", now)
        db.session.commit()
        raise OAuthError(need.description, code=need.error_after_walk)
    grant = grant_of(asked, client, begun)
    join(grant, client, now)
    code = issue_code(AuthorizationCode(grant, None, asked.nonce, asked.code_challenge, now, walk.session.jkt))
    metrics.IN_APP.labels("end", "code").inc()
    events.in_app_ended(account_id=grant.account_id, client_id=client.client_id, grant_id=grant.id)
    return Answer(200, {"authorization_code": code})


def _sign_in(walk: AppWalk, facts: Facts, request: ProtocolRequest, now: datetime) -> Session:
    """Begin a session that no browser holds: it is listed, ended and told of like every other."""
    interaction = walk.interaction
    account, level = facts.account, level_of(proof.name for proof in interaction.proofs)
    if account is None or level is None:
        raise ValueError("an unfinished sign-in cannot be completed")
    browser = label_device(request.headers.get("user-agent", ""))
    label = " – ".join(part for part in (interaction.demand.service, browser) if part)
    account_id = account.id
    forgive(account, interaction.proofs, facts.lane)
    devices.remember_key(walk.session.jkt, account_id, label, now)
    cookie, begun = session.sign_in_session(
        None,
        account_id=account_id,
        proofs=interaction.proofs,
        acr=level.acr,
        amr=level.amr,
        device_label=label,
        now=now,
    )
    sid = begun.sid or ""
    if facts.lane == UNKNOWN_DEVICES:
        new_devices.note_new_device(account_id, sid=sid, label=label, now=now)
    if interaction.challenge_id and not note_begun(interaction.challenge_id, sid):
        # « Ce n'est pas vous ? » was answered between the right code and here.
        db.session.rollback()
        session.end_session(cookie, now)
        db.session.commit()
        raise InvalidSession("sign-in stopped")
    db.session.commit()
    time_sign_in(interaction, level, now)
    client_id = walk.client.client_id
    return session.change_session(cookie, lambda held: held.with_client(client_id)) or begun
