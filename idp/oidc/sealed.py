"""Answers that only one client can read: encrypted to a key that it published (OpenID Connect Core §10.2)."""

from datetime import datetime

from idp.oidc.client_keys import keys_of
from idp.oidc.clients import Client
from idp.oidc.errors import InvalidRequest
from idp.oidc.jose.foreign import BadKeys
from idp.oidc.jose.sealing import NoKey, encrypt


def seal_for(client: Client, content: str, *, alg: str, enc: str | None, now: datetime, holds_jwt: bool = True) -> str:
    """Return ``content`` encrypted to the client; raises `InvalidRequest` when it has no key for that.

    Never the content in clear instead: whoever registered encryption counts on it.
    """
    try:
        return encrypt(content, keys_of(client, now=now), alg=alg, enc=enc, holds_jwt=holds_jwt)
    except (BadKeys, NoKey) as fault:
        raise InvalidRequest(
            "The client has published no key to which this answer can be encrypted.", detail=str(fault)
        ) from fault
