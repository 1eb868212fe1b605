"""The client credentials grant (RFC 6749 §4.4): a machine acts for itself; nobody is behind its tokens."""

from typing import Any

from idp import entropy
from idp.oidc import events
from idp.oidc.authorization_details import check_details, parse_details
from idp.oidc.errors import InvalidScope, UnauthorizedClient
from idp.oidc.grant import Grant
from idp.oidc.grants.asked import TokenRequest, answer_with_tokens
from idp.oidc.resources import check_resources
from idp.oidc.tokens import Wanted


def grant_machine(asked: TokenRequest) -> dict[str, Any]:
    """Return an access token of the client's own; no refresh token (§4.4.3), no ID token."""
    client = asked.client
    if client.is_public:
        # §4.4: "MUST only be used by confidential clients".
        raise UnauthorizedClient("A public client has no credentials.")
    details = parse_details(asked.form.get("authorization_details"))
    check_details(details, client)
    resources = tuple(dict.fromkeys(asked.resources))
    check_resources(resources, client)
    scopes = _scopes(asked)
    grant = Grant(
        id=entropy.identifier(), client_id=client.client_id, account_id=None, sid="", scopes=scopes,
        auth_time=asked.now, acr="", amr=(), resources=resources, authorization_details=details,
    )  # fmt: skip
    events.machine_token_issued(client_id=client.client_id, scopes=scopes)
    wanted = Wanted(scopes=scopes, resources=resources, authorization_details=details, bound_to=asked.bound_to)
    return answer_with_tokens(asked, grant, wanted)


def _scopes(asked: TokenRequest) -> tuple[str, ...]:
    """Return what was asked for of the client's own scopes; all of them when nothing was (RFC 6749 §3.3)."""
    own, text = asked.client.machine_scopes, asked.form.get("scope")
    if text is None:
        return tuple(sorted(own))
    if not set(text.split()) <= own:
        raise InvalidScope("A scope was asked for that is not this client's.")
    return tuple(dict.fromkeys(text.split()))
