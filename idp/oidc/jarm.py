"""JARM: the answer of the authorization endpoint as a token that its client can verify (OAuth 2.0 JWT Secured
Authorization Response Mode §2.1)."""

from collections.abc import Mapping
from datetime import timedelta

from idp import clock
from idp.oidc.clients import Client
from idp.oidc.jose.own import sign
from idp.oidc.keys import key_ring

# No type is registered for these answers; verifiers of several libraries take nothing but JWT.
TYPE = "JWT"
# §2.1: "a maximum lifetime of 10 minutes is RECOMMENDED".
_LIFETIME = timedelta(minutes=10)


def sign_answer(fields: Mapping[str, str], client: Client) -> str:
    """Return the answer, which holds `iss` already, for this client alone."""
    end = int((clock.now() + _LIFETIME).timestamp())
    claims = {**fields, "aud": client.client_id, "exp": end}
    return sign(claims, key_ring().active[client.authorization_signed_response_alg], typ=TYPE)
