"""Whom an ID token that comes back to us is about: a hint at a person, never a proof of anything."""

from dataclasses import dataclass

from idp import clock
from idp.oidc.clients import Client
from idp.oidc.id_token import TYPE
from idp.oidc.jose.own import BadToken, read_own
from idp.oidc.keys import keys_for
from idp.oidc.subjects import subject_for
from idp.settings import settings


@dataclass(frozen=True)
class Hint:
    """The person that an ID token was issued for, and the session, as its client calls them."""

    sub: str
    audience: tuple[str, ...]
    sid: str | None = None


def find_hint(token: str) -> Hint | None:
    """Return the hint in an ID token of ours; an expired one is still a hint, a forged or foreign one is none.

    An access token that is a JWT has another `typ`, and is no hint either.
    """
    try:
        claims = read_own(token, keys_for(token), typ=TYPE, issuer=settings.issuer, now=clock.now(), allow_expired=True)
    except BadToken:
        return None
    audience = claims.get("aud")
    return Hint(
        sub=str(claims["sub"]),
        audience=tuple(map(str, audience)) if isinstance(audience, list) else (str(audience),),
        sid=claims["sid"] if isinstance(claims.get("sid"), str) else None,
    )


def is_about(hint: Hint, account_id: str, client: Client) -> bool:
    """Tell whether a hint is about this account; a pairwise `sub` alone leads to nobody."""
    return subject_for(account_id, client) == hint.sub
