"""Trying a client out: the administrator signs in to it as themselves, and sees what it would get.

No token is kept or shown: what each says is read, and it is revoked before the page is written (`oidc/trials.py`).
Whoever tries is the person of the tokens, so that nobody sees what another person's account holds.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from idp.accounts import directory
from idp.admin.actors import Actor
from idp.admin.client_acts import get_client
from idp.admin.client_events import client_tried
from idp.admin.faults import Conflict
from idp.oidc.claims import claims_for
from idp.oidc.clients import Client
from idp.oidc.errors import OAuthError
from idp.oidc.id_token import TYPE as ID_TOKEN
from idp.oidc.jose.own import BadToken, half_hash, read_own
from idp.oidc.keys import keys_for
from idp.oidc.tokens import TYPE as ACCESS_TOKEN
from idp.oidc.trials import Trial, begin_trial, can_be_tried, redeem_trial
from idp.settings import settings
from idp.state import Space, state

PERMISSION = "clients.write"
# What the page has words for, beside the names themselves.
TOLD = frozenset(
    {
        "alg", "kid", "typ", "enc", "cty", "iss", "sub", "aud", "iat", "exp", "auth_time", "acr", "amr", "sid", "nonce",
        "at_hash", "client_id", "scope", "cnf",
    }
)  # fmt: skip
_SHOWN_FOR = timedelta(minutes=10)


@dataclass(frozen=True)
class Tried:
    """What came of a trial: the error, or what the tokens said."""

    client_id: str
    sid: str
    at: datetime
    error: str | None = None
    description: str = ""
    header: dict[str, Any] | None = None
    # None where the ID token is encrypted: only the client can read it.
    claims: dict[str, Any] | None = None
    # Check -> whether it held; what a relying party has to check itself.
    checks: dict[str, bool] | None = None
    token_type: str = ""
    expires_in: int = 0
    scopes: tuple[str, ...] = ()
    # What a JWT access token says; None for an opaque one.
    access_claims: dict[str, Any] | None = None
    has_refresh: bool = False
    # The names of what UserInfo would tell, never the values.
    userinfo: tuple[str, ...] = ()


TRIED = Space("trial-shown", Tried)


def begin(actor: Actor, client_id: str, *, sid: str, now: datetime) -> str:
    """Return the address at which the client's own request begins."""
    actor.require(PERMISSION)
    client = get_client(client_id)
    if not can_be_tried(client):
        raise Conflict("it signs nobody in by a code, or is suspended")
    _trial, request_uri = begin_trial(client, sid=sid, by=actor.name, now=now)
    client_tried(client_id=client_id, administrator=actor.name, outcome="begun")
    return request_uri


def finish(trial: Trial, answer: Mapping[str, str], account_id: str, now: datetime) -> Tried:
    """Return what came of a trial, and keep it for as long as somebody reads it; commits."""
    client = get_client(trial.client_id)
    error, description = _fault_of(trial, answer)
    tried = Tried(trial.client_id, trial.sid, now, error, description)
    if error is None:
        try:
            tokens = redeem_trial(trial, answer["code"], client, now)
            tried = _read(trial, tokens, client, account_id, now)
        except OAuthError as fault:
            tried = Tried(trial.client_id, trial.sid, now, fault.code, fault.description)
    state.put(TRIED, trial.id, tried, ttl=_SHOWN_FOR)
    outcome = "refused" if tried.error else "ok"
    client_tried(client_id=trial.client_id, administrator=trial.by, outcome=outcome, reason=tried.error)
    return tried


def find_tried(trial_id: str, *, client_id: str, sid: str) -> Tried | None:
    """Return what came of a trial of this client, begun in this browser session."""
    tried = state.get(TRIED, trial_id) if len(trial_id) <= 22 else None
    return tried if tried is not None and (tried.client_id, tried.sid) == (client_id, sid) else None


def _fault_of(trial: Trial, answer: Mapping[str, str]) -> tuple[str | None, str]:
    """Return why an answer cannot be believed, as a relying party must ask (RFC 6749 §10.12, RFC 9207 §2.4)."""
    if answer.get("state") != trial.state or answer.get("iss") != settings.issuer:
        return "invalid_request", "state or iss differ"
    if "error" in answer:
        return answer["error"][:60], answer.get("error_description", "")[:300]
    return (None, "") if answer.get("code") else ("invalid_request", "no code")


def _read(trial: Trial, tokens: Mapping[str, Any], client: Client, account_id: str, now: datetime) -> Tried:
    id_token, access_token = str(tokens["id_token"]), str(tokens["access_token"])
    claims = _claims_of(id_token, ID_TOKEN, now)
    scopes = tuple(str(tokens["scope"]).split())
    account = directory.get_account(account_id)
    checks = None if claims is None else {
        "iss": claims.get("iss") == settings.issuer,
        "aud": claims.get("aud") == client.client_id,
        "nonce": claims.get("nonce") == trial.nonce,
        "at_hash": claims.get("at_hash") == half_hash(access_token),
    }  # fmt: skip
    return Tried(
        trial.client_id, trial.sid, now, header=_header_of(id_token), claims=claims, checks=checks,
        token_type=str(tokens["token_type"]), expires_in=int(tokens["expires_in"]), scopes=scopes,
        access_claims=_without_jti(_claims_of(access_token, ACCESS_TOKEN, now)), has_refresh="refresh_token" in tokens,
        userinfo=("sub", *claims_for(account.claims, scopes=scopes)),
    )  # fmt: skip


def _claims_of(token: str, typ: str, now: datetime) -> dict[str, Any] | None:
    """Return what a token of ours says, its signature checked; ``None`` for one that is opaque or encrypted."""
    try:
        return read_own(token, keys_for(token), typ=typ, issuer=settings.issuer, now=now)
    except BadToken:
        return None


def _without_jti(claims: dict[str, Any] | None) -> dict[str, Any] | None:
    # The id of a JWT of ours is what we know it by: as good as the token, would it still live.
    return None if claims is None else {name: value for name, value in claims.items() if name != "jti"}


def _header_of(token: str) -> dict[str, Any]:
    part = token.partition(".")[0]
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return header
