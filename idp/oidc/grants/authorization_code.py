"""The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.6)."""

from typing import Any

from idp.oidc import events
from idp.oidc.authorization_details import narrow_details, parse_details
from idp.oidc.codes import AuthorizationCode, redeem_code
from idp.oidc.errors import InvalidGrant
from idp.oidc.grants.asked import TokenRequest, answer_with_id_token, begin_family
from idp.oidc.pkce import verifier_fits
from idp.oidc.resources import narrow_resources
from idp.oidc.tokens import Wanted
from idp.settings import settings


def exchange_code(asked: TokenRequest) -> dict[str, Any]:
    """Redeem a code; it is used up whatever is wrong with the request."""
    code = redeem_code(asked.get("code"))
    _check(code, asked)
    grant = code.grant
    wanted = Wanted(
        scopes=grant.scopes,
        resources=narrow_resources(grant.resources, asked.resources),
        authorization_details=narrow_details(
            grant.authorization_details, parse_details(asked.form.get("authorization_details"))
        ),
        bound_to=asked.bound_to,
    )
    refresh_token = begin_family(asked, grant)
    return answer_with_id_token(asked, grant, wanted, refresh_token=refresh_token, nonce=code.nonce)


def _check(code: AuthorizationCode, asked: TokenRequest) -> None:
    form, client = asked.form, asked.client
    checks = (
        (code.grant.client_id == client.client_id, "code of another client"),
        (form.get("redirect_uri") == code.redirect_uri, "redirect_uri differs"),
        (verifier_fits(form.get("code_verifier"), code.code_challenge), "code_verifier does not fit"),
        # RFC 9449 §10: the key that was promised, or none was.
        (code.dpop_jkt in {None, asked.bound_to.jkt}, "DPoP key differs"),
        (asked.now < code.issued_at + settings.lifetimes.authorization_code, "code expired"),
    )
    for fits, why in checks:
        if not fits:
            events.code_exchange_refused(client_id=client.client_id, reason=why)
            raise InvalidGrant(why)
