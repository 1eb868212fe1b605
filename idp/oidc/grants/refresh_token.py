"""The refresh token grant (RFC 6749 §6)."""

from typing import Any

from idp.oidc.authorization_details import narrow_details, parse_details
from idp.oidc.grants.asked import TokenRequest, answer_with_id_token, get_entitled
from idp.oidc.refresh import Rotated, rotate
from idp.oidc.refresh_at_once import rotate_at_once
from idp.oidc.resources import narrow_resources
from idp.oidc.tokens import Wanted


def refresh(asked: TokenRequest) -> dict[str, Any]:
    """Exchange a refresh token for its successor and new tokens, for all that was granted or a part of it."""
    details = parse_details(asked.form.get("authorization_details"))
    rotated = _rotate_plainly(asked)
    if rotated is None:
        rotated = rotate(
            asked.get("refresh_token"), client=asked.client, bound_to=asked.bound_to, scope=asked.form.get("scope"),
            resources=asked.resources, details=details, now=asked.now,
        )  # fmt: skip
        get_entitled(rotated.grant)
    grant = rotated.grant
    wanted = Wanted(
        scopes=rotated.scopes,
        resources=narrow_resources(grant.resources, asked.resources),
        authorization_details=narrow_details(grant.authorization_details, details),
        bound_to=asked.bound_to,
    )
    return answer_with_id_token(asked, grant, wanted, refresh_token=rotated.successor, nonce=None)


def _rotate_plainly(asked: TokenRequest) -> Rotated | None:
    """Rotate in one statement where all that was granted is asked for again; ``None`` where there is more to say."""
    asks_for_less = asked.resources or not asked.form.keys().isdisjoint({"scope", "authorization_details"})
    if asks_for_less or asked.client.profile.keeps_refresh_tokens:
        return None
    return rotate_at_once(
        asked.get("refresh_token"), client_id=asked.client.client_id, bound_to=asked.bound_to, now=asked.now
    )
