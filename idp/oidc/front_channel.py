"""Tokens in the answer of the authorization endpoint: the hybrid and implicit flows, for certification only (R14)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from idp.accounts import directory
from idp.oidc.claims import SCOPES
from idp.oidc.grant import Grant
from idp.oidc.id_token import issue_id_token
from idp.oidc.needs import Standing
from idp.oidc.tokens import Wanted, issue_access_token


def issue_front_channel(
    words: Collection[str], grant: Grant, standing: Standing, issued: Mapping[str, str], now: datetime
) -> dict[str, str]:
    """Return the access token and the ID token that the response type asks for (OpenID Connect Core §3.2.2.5)."""
    client, fields = standing.client, {}
    if "token" in words:
        wanted = Wanted(scopes=grant.scopes, resources=grant.resources)
        access_token, lifetime = issue_access_token(grant, client, wanted, now)
        fields = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": str(int(lifetime.total_seconds())),
            "scope": " ".join(grant.scopes),
        }
    if "id_token" in words:
        account = directory.find_account(grant.holder)
        if set(words) == {"id_token"}:
            # §5.4: no access token, so the claims of the scopes have no other way to go.
            named = {claim for scope in grant.scopes for claim in SCOPES.get(scope, ())}
            grant = replace(grant, id_token_claims=tuple(sorted({*grant.id_token_claims, *named})))
        fields["id_token"] = issue_id_token(
            grant, client, now=now, access_token=fields.get("access_token"), code=issued.get("code"),
            nonce=standing.request.nonce, person=account.claims if account else None,
        )  # fmt: skip
    return fields
