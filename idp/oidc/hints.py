"""Whom an ID token that comes back to us is about: a hint at a person and a session, never a proof of anything."""

from dataclasses import dataclass

from idp import clock
from idp.db import db
from idp.oidc.clients import Client
from idp.oidc.jose import BadToken, read_own
from idp.oidc.keys import key_ring
from idp.oidc.subjects import subject_for
from idp.session import SessionRecord
from idp.settings import settings


@dataclass(frozen=True)
class Hint:
    """The person (as one client calls them) and the session that an ID token was issued for."""

    sub: str
    sid: str | None
    audience: tuple[str, ...]


def find_hint(token: str) -> Hint | None:
    """Return the hint in an ID token of ours; an expired one is still a hint, a forged or foreign one is none.

    An access token that is a JWT has another `typ`, and is no hint either.
    """
    try:
        claims = read_own(
            token, key_ring().by_kid, typ="JWT", issuer=settings.issuer, now=clock.now(), allow_expired=True
        )
    except BadToken:
        return None
    audience, sub, sid = claims.get("aud"), claims.get("sub"), claims.get("sid")
    if not isinstance(sub, str) or not isinstance(sid, str | None):
        return None
    return Hint(sub, sid, tuple(map(str, audience)) if isinstance(audience, list) else (str(audience),))


def find_hinted_session(hint: Hint | None, client: Client) -> SessionRecord | None:
    """Return the session, living or ended, that a hint is about; a pairwise `sub` alone leads to nobody."""
    record = db.session.get(SessionRecord, hint.sid) if hint is not None and hint.sid else None
    if record is None or hint is None or subject_for(record.account_id, client) != hint.sub:
        return None
    return record
