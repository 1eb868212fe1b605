"""The refresh token grant (RFC 6749 §6)."""

from typing import Any

from idp.oidc.authorization_details import narrow_details, parse_details
from idp.oidc.grants.asked import TokenRequest, answer_with_id_token, get_entitled
from idp.oidc.refresh import rotate
from idp.oidc.resources import narrow_resources
from idp.oidc.tokens import Wanted


def refresh(asked: TokenRequest) -> dict[str, Any]:
    """Exchange a refresh token for its successor and new tokens, for all that was granted or a part of it."""
    details = parse_details(asked.form.get("authorization_details"))
    rotated = rotate(
        asked.get("refresh_token"), client=asked.client, bound_to=asked.bound_to, scope=asked.form.get("scope"),
        resources=asked.resources, details=details, now=asked.now,
    )  # fmt: skip
    grant = rotated.grant
    wanted = Wanted(
        scopes=rotated.scopes,
        resources=narrow_resources(grant.resources, asked.resources),
        authorization_details=narrow_details(grant.authorization_details, details),
        bound_to=asked.bound_to,
    )
    account = get_entitled(grant)
    return answer_with_id_token(asked, grant, wanted, account, refresh_token=rotated.successor, nonce=None)
