"""Pushed authorization requests (RFC 9126): sent here by the client itself, so that the browser carries a name only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from idp import crypto, entropy
from idp.oidc.errors import InvalidRequestUri
from idp.oidc.once import USED
from idp.oidc.request import Parameters
from idp.settings import settings
from idp.state import Space, state

PREFIX = "urn:ietf:params:oauth:request_uri:"


@dataclass(frozen=True)
class PushedRequest:
    """A request that passed its checks when it was pushed."""

    client_id: str
    values: Mapping[str, str] = field(repr=False)
    resources: tuple[str, ...]
    is_signed: bool


PUSHED = Space("pushed-request", PushedRequest, once=True)


def push(parameters: Parameters, *, client_id: str, is_signed: bool) -> str:
    """Keep a request and return its `request_uri`: 256 bits that nobody guesses (AC-108)."""
    name = entropy.token()
    pushed = PushedRequest(client_id, parameters.values, parameters.resources, is_signed)
    state.put(PUSHED, crypto.fingerprint(name), pushed, ttl=settings.lifetimes.pushed_request)
    return PREFIX + name


def get_pushed(request_uri: str, client_id: str) -> tuple[str, PushedRequest]:
    """Return a pushed request of this client and the key to `use_up`, or raise `InvalidRequestUri`."""
    key = crypto.fingerprint(request_uri.removeprefix(PREFIX))
    pair = state.get_together((PUSHED, key), (USED, key))
    pushed = pair[0]
    if pushed is None or pair[1] is not None or pushed.client_id != client_id:
        raise InvalidRequestUri("The request_uri is unknown, expired or was used.")
    return key, pushed
