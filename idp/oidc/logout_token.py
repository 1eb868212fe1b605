"""The logout token: which session of which person ended, for one client (Back-Channel Logout 1.0 §2.4)."""

from datetime import datetime, timedelta
from typing import Any

from idp import entropy
from idp.oidc.clients import Client
from idp.oidc.jose.own import sign
from idp.oidc.keys import key_ring
from idp.oidc.sealed import seal_for
from idp.oidc.subjects import subject_for
from idp.settings import settings

TYPE = "logout+jwt"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
# §2.4: "it is RECOMMENDED that Logout Tokens be short-lived, preferably expiring at most two minutes in the future".
_LIFETIME = timedelta(minutes=2)


def issue_logout_token(client: Client, *, account_id: str, their_sid: str, now: datetime) -> str:
    """Return a signed logout token; made anew for each attempt, so that it is always fresh.

    `sid` and `sub` are those of the client's ID tokens. §2.4: "a nonce MUST NOT be present", so that nobody can take it
    for an ID token; its own `typ` says the same (§2.6, RFC 8725 §3.11).
    """
    issued = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "sub": subject_for(account_id, client),
        "aud": client.client_id,
        "iat": issued,
        "exp": issued + int(_LIFETIME.total_seconds()),
        "jti": entropy.identifier(),
        "events": {EVENT: {}},
        "sid": their_sid,
    }
    return sign(claims, key_ring().active[client.id_token_signed_response_alg], typ=TYPE)


def seal_logout_token(client: Client, token: str, now: datetime) -> str:
    """Return a logout token as its client reads ID tokens, encrypted or not; raises `InvalidRequest` without a key.

    §2.4: "The same keys are used to sign and encrypt Logout Tokens as are used for ID Tokens". May fetch the keys.
    """
    alg, enc = client.id_token_encrypted_response_alg, client.id_token_encrypted_response_enc
    return token if alg is None else seal_for(client, token, alg=alg, enc=enc, now=now)
