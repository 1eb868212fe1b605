"""The device code grant (RFC 8628 §3.4): a device that its owner has allowed collects its tokens, once."""

from typing import Any

from idp.oidc.device_requests import redeem_device_code
from idp.oidc.grants.asked import TokenRequest, answer_with_id_token, begin_family
from idp.oidc.resources import narrow_resources
from idp.oidc.tokens import Wanted


def exchange_device_code(asked: TokenRequest) -> dict[str, Any]:
    """Answer a poll: the tokens, or why there are none yet or ever (§3.5)."""
    grant, nonce = redeem_device_code(asked.get("device_code"), client_id=asked.client.client_id, now=asked.now)
    wanted = Wanted(
        scopes=grant.scopes,
        resources=narrow_resources(grant.resources, asked.resources),
        authorization_details=grant.authorization_details,
        bound_to=asked.bound_to,
    )
    # It may be undone while this poll is under way.
    refresh_token = begin_family(asked, grant)
    return answer_with_id_token(asked, grant, wanted, refresh_token=refresh_token, nonce=nonce)
