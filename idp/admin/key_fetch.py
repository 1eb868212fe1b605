"""A try at a client's `jwks_uri`: what is there now, before anybody depends on it."""

import json
from dataclasses import dataclass

from idp.db import release
from idp.fetch import FetchFault, fetch
from idp.oidc.jose.foreign import BadKeys, read_public_keys


@dataclass(frozen=True)
class TriedKeys:
    """What was found: the ids of usable keys, or a text id that says what is wrong."""

    kids: tuple[str, ...] = ()
    fault: str | None = None


def try_jwks_uri(uri: str) -> TriedKeys:
    """Fetch the keys once, under the rules of every fetch (`fetch.py`); ends the transaction."""
    release()
    try:
        answer = fetch(uri, accept="application/jwk-set+json, application/json")
    except FetchFault:
        # Not why: told to somebody who chooses the address, it would map our network.
        return TriedKeys(fault="admin.keys.unreachable")
    if answer.status != 200:
        return TriedKeys(fault="admin.keys.status")
    try:
        keys = read_public_keys(json.loads(answer.body))
    except (ValueError, RecursionError, BadKeys):
        return TriedKeys(fault="admin.keys.unusable")
    return TriedKeys(kids=tuple(str(one.kid or "-") for one in keys)) if keys else TriedKeys(fault="admin.keys.none")
