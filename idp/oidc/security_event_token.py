"""Security Event Tokens (RFC 8417): one event, for one service, about the person as that service calls them.

Events of CAEP 1.0 and RISC 1.0 (OpenID Shared Signals). The subject stands in `sub_id` (RFC 9493) with the service's
own pairwise `sub`: two services cannot compare what they are told.
"""

from datetime import datetime
from typing import Any

from idp.oidc.clients import Client
from idp.oidc.jose.own import sign
from idp.oidc.keys import key_ring
from idp.oidc.subjects import subject_for
from idp.security_events import EVENT_TYPES, Happening
from idp.settings import settings

# RFC 8417 §2.3: its own type, so that nobody takes it for another token (RFC 8725 §3.11).
TYPE = "secevent+jwt"


def issue_security_event_token(happening: Happening, client: Client, now: datetime) -> str:
    """Return a signed token; its `jti` is the event's, the same however often it is sent.

    RFC 8417 §2.2: no `exp`, for a fact does not expire; no `sub`, which Shared Signals §4 leaves out against confusion.
    """
    user = {"format": "iss_sub", "iss": settings.issuer, "sub": subject_for(happening.account_id, client)}
    happened = int(happening.happened_at.timestamp())
    claims: dict[str, Any] = {
        "iss": settings.issuer,
        "aud": client.client_id,
        "iat": int(now.timestamp()),
        "jti": happening.jti,
        "toe": happened,
        "sub_id": _subject(user, happening.their_sid),
        "events": {EVENT_TYPES[happening.kind]: _payload(happening, happened)},
    }
    return sign(claims, key_ring().active[client.id_token_signed_response_alg], typ=TYPE)


def _subject(user: dict[str, str], their_sid: str | None) -> dict[str, Any]:
    if their_sid is None:
        return user
    return {"format": "complex", "user": user, "session": {"format": "opaque", "id": their_sid}}


def _payload(happening: Happening, happened: int) -> dict[str, Any]:
    """Return what the event says: CAEP §2 counts in seconds, RISC §2 says nothing more."""
    is_caep = "/caep/" in EVENT_TYPES[happening.kind]
    return {**happening.facts, "event_timestamp": happened} if is_caep else dict(happening.facts)
