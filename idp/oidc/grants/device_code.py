"""The device code grant (RFC 8628 §3.4): a device that its owner has allowed collects its tokens, once."""

from typing import Any

from idp.db import db
from idp.oidc.device_requests import redeem_device_code
from idp.oidc.errors import InvalidGrant
from idp.oidc.grants.asked import TokenRequest, answer_with_id_token, get_entitled
from idp.oidc.refresh import issue_family, revoke_grant
from idp.oidc.resources import narrow_resources
from idp.oidc.tokens import Wanted, is_revoked


def exchange_device_code(asked: TokenRequest) -> dict[str, Any]:
    """Answer a poll: the tokens, or why there are none yet or ever (§3.5)."""
    grant, nonce = redeem_device_code(asked.get("device_code"), client_id=asked.client.client_id, now=asked.now)
    wanted = Wanted(
        scopes=grant.scopes,
        resources=narrow_resources(grant.resources, asked.resources),
        authorization_details=grant.authorization_details,
        bound_to=asked.bound_to,
    )
    account = get_entitled(grant)
    refresh_token = None
    if "refresh_token" in asked.client.grant_types:
        refresh_token = issue_family(grant, asked.now, bound_to=asked.bound_to if asked.client.is_public else None)
        db.session.commit()
    if is_revoked(grant.id):
        # Undone while this poll was under way: the family that was just begun ends too.
        revoke_grant(grant.id, asked.now, reason="device-undone")
        raise InvalidGrant("the account holder took the device back")
    return answer_with_id_token(asked, grant, wanted, account, refresh_token=refresh_token, nonce=nonce)
