"""What a test persona's tokens would hold for a client: nobody's data, the client's own rules."""

from typing import Any, Final

from idp import clock
from idp.mfa.levels import LEVELS, find_level
from idp.oidc.claims import claims_for
from idp.oidc.clients import Client
from idp.oidc.subjects import subject_for
from idp.oidc.tokens import lifetime_of
from idp.settings import settings

PERSONA: Final[dict[str, Any]] = {
    "name": "Camille Exemple", "given_name": "Camille", "family_name": "Exemple", "birthdate": "1990-01-31",
    "email": "camille@exemple.invalid", "email_verified": True, "phone_number": "+33639980000",
    "phone_number_verified": True, "locale": "fr", "updated_at": 0,
    "address": {"formatted": "1 rue de l’Essai\n75000 Paris", "country": "France"},
}  # fmt: skip


def preview_tokens(client: Client) -> dict[str, dict[str, Any]]:
    """Return the ID token's claims, UserInfo's answer and the token answer, as this client would get them."""
    now = int(clock.now().timestamp())
    level = find_level(client.minimum_acr or LEVELS[0].acr) or LEVELS[0]
    sub = subject_for("test-persona", client)
    id_token = {
        "iss": settings.issuer,
        "sub": sub,
        "aud": client.client_id,
        "iat": now,
        "exp": now + int(lifetime_of(client.id_token_lifetime, settings.lifetimes.id_token).total_seconds()),
        "auth_time": now,
        "acr": level.acr,
        "amr": list(level.amr),
    }
    answer = {
        "token_type": "DPoP" if client.dpop_bound_access_tokens else "Bearer",
        "expires_in": int(lifetime_of(client.access_token_lifetime, settings.lifetimes.access_token).total_seconds()),
        "scope": " ".join(sorted(client.scopes)),
        "refresh_token": "refresh_token" in client.grant_types and "offline_access" in client.scopes,
    }
    return {
        "id_token": id_token,
        "userinfo": {"sub": sub, **claims_for(PERSONA, scopes=client.scopes)},
        "token": answer,
    }
