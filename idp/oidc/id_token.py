"""The ID token: who signed in, for whom, when and how, signed with the client's algorithm (OpenID Connect Core §2)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from idp.oidc.claims import claims_for
from idp.oidc.clients import Client
from idp.oidc.grant import Grant
from idp.oidc.jose.own import half_hash, sign
from idp.oidc.keys import key_ring
from idp.oidc.sealed import seal_for
from idp.oidc.subjects import subject_for
from idp.oidc.tokens import lifetime_of
from idp.settings import settings

TYPE = "JWT"


def issue_id_token(
    grant: Grant,
    client: Client,
    *,
    now: datetime,
    access_token: str | None = None,
    code: str | None = None,
    nonce: str | None = None,
    person: Mapping[str, Any] | None = None,
) -> str:
    """Return a signed ID token; scope claims go to UserInfo, only those asked for under `id_token` are in here."""
    issued = int(now.timestamp())
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "sub": subject_for(grant.holder, client),
        "aud": client.client_id,
        "iat": issued,
        "exp": issued + int(lifetime_of(client.id_token_lifetime, settings.lifetimes.id_token).total_seconds()),
        "auth_time": int(grant.auth_time.timestamp()),
        "acr": grant.acr,
        "amr": list(grant.amr),
        "sid": sid_for(grant.sid, client),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if access_token is not None:
        claims["at_hash"] = half_hash(access_token)
    if code is not None:
        # OpenID Connect Core §3.3.2.11.
        claims["c_hash"] = half_hash(code)
    if person and grant.id_token_claims:
        claims.update(claims_for(person, named=grant.id_token_claims))
    signed = sign(claims, key_ring().active[client.id_token_signed_response_alg], typ=TYPE)
    if client.id_token_encrypted_response_alg is None:
        return signed
    return seal_for(
        client, signed, alg=client.id_token_encrypted_response_alg, enc=client.id_token_encrypted_response_enc, now=now
    )


def sid_for(sid: str, client: Client) -> str:
    """Return the session's name for one client: two clients cannot compare theirs (AC-217)."""
    return subject_for(f"sid:{sid}", client)[:22]
