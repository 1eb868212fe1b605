"""A real sign-in of a client that ends at our own console: the one redirect URI that no registration holds.

An administrator tries a client out. The request is the client's own, pushed in its name so that no browser can change
it, and goes the way of every request. Only where it comes back is ours: an address that is good once, for a quarter of
an hour, for this client and in the browser session that began it. Whoever else presents it is told what an unregistered
redirect URI is told. Nothing is remembered of it afterwards, and what it was issued is revoked before anybody reads it.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from idp import entropy
from idp.oidc.clients import Client
from idp.oidc.codes import grant_id_of
from idp.oidc.grants.asked import TokenRequest
from idp.oidc.grants.authorization_code import exchange_code
from idp.oidc.possession import Confirmation
from idp.oidc.pushed import push
from idp.oidc.refresh import revoke_grant
from idp.oidc.request import Parameters
from idp.session import Session
from idp.settings import settings
from idp.state import Space, state

# Where the console answers.
PATH = "/admin/trial/"
LIFE = timedelta(minutes=15)
_ID_LENGTH = 22


@dataclass(frozen=True)
class Trial:
    """One sign-in that an administrator tries, and what only its end may know."""

    id: str
    client_id: str
    # The browser session in which it began, and in which alone it may end.
    sid: str
    by: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    begun_at: datetime

    @property
    def redirect_uri(self) -> str:
        """Return the address at which it ends."""
        return f"{settings.issuer}{PATH}{self.id}"


TRIALS = Space("trial", Trial)


def can_be_tried(client: Client) -> bool:
    """Tell whether a client signs people in by a code."""
    has_code = "authorization_code" in client.grant_types and "code" in client.response_types
    return has_code and "openid" in client.scopes and not client.is_suspended


def begin_trial(client: Client, *, sid: str, by: str, now: datetime) -> tuple[Trial, str]:
    """Return a new trial and the `request_uri` under which its request was pushed (RFC 9126)."""
    trial = Trial(
        entropy.identifier(), client.client_id, sid, by, entropy.token(), entropy.token(), entropy.token(), now
    )
    state.put(TRIALS, trial.id, trial, ttl=LIFE)
    asked = {
        "client_id": client.client_id, "redirect_uri": trial.redirect_uri, "response_type": "code",
        "scope": " ".join(sorted(client.scopes)), "state": trial.state, "nonce": trial.nonce,
        "code_challenge": create_s256_code_challenge(trial.code_verifier), "code_challenge_method": "S256",
    }  # fmt: skip
    # Where the client must sign its requests, the console vouches in its place: it holds no key of the client.
    return trial, push(Parameters(asked), client_id=client.client_id, is_signed=client.require_signed_request_object)


def is_trial_address(redirect_uri: str) -> bool:
    """Tell whether an address is where trials end, whosever it is."""
    return redirect_uri.startswith(f"{settings.issuer}{PATH}")


def may_end_at(redirect_uri: str | None, client: Client, session: Session | None) -> bool:
    """Tell whether a request of ``client`` may come back to ``redirect_uri`` because this browser began that trial."""
    if redirect_uri is None or session is None or not is_trial_address(redirect_uri):
        return False
    trial_id = redirect_uri.rpartition("/")[2]
    trial = state.get(TRIALS, trial_id) if len(trial_id) == _ID_LENGTH else None
    return trial is not None and (trial.redirect_uri, trial.client_id, trial.sid) == (
        redirect_uri, client.client_id, session.sid,
    )  # fmt: skip


def end_trial(trial_id: str, *, sid: str) -> Trial | None:
    """Use a trial up and return it, if it is of this browser session."""
    trial = state.get(TRIALS, trial_id) if len(trial_id) == _ID_LENGTH else None
    if trial is None or trial.sid != sid:
        return None
    return state.take(TRIALS, trial_id)


def redeem_trial(trial: Trial, code: str, client: Client, now: datetime) -> dict[str, Any]:
    """Exchange the code as the client would, and revoke what comes at once; raises `InvalidGrant`.

    Tokens that must be bound are bound to keys that nobody has; but for that, they are what the client would get.
    """
    form = {"code": code, "redirect_uri": trial.redirect_uri, "code_verifier": trial.code_verifier}
    x5t = entropy.token() if client.binds_to_certificate else None
    jkt = entropy.token() if client.must_bind and x5t is None else None
    try:
        return exchange_code(TokenRequest(client, form, now, Confirmation(jkt, x5t)))
    finally:
        revoke_grant(grant_id_of(code), now, reason="trial")
