"""Pushed authorization requests (RFC 9126): sent here by the client itself, so that the browser carries a name only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from idp import crypto, entropy
from idp.oidc.errors import InvalidRequestUri
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


@dataclass(frozen=True)
class UsedRequest:
    """A pushed request that was answered: it is good for one answer (RFC 9126 §7.3)."""

    at: datetime


PUSHED = Space("pushed-request", PushedRequest)
USED = Space("used-request", UsedRequest)


def push(parameters: Parameters, *, client_id: str, is_signed: bool) -> str:
    """Keep a request and return its `request_uri`: 256 bits that nobody guesses (AC-108)."""
    name = entropy.token()
    pushed = PushedRequest(client_id, parameters.values, parameters.resources, is_signed)
    state.put(PUSHED, crypto.fingerprint(name), pushed, ttl=settings.lifetimes.pushed_request)
    return PREFIX + name


def get_pushed(request_uri: str, client_id: str) -> tuple[str, PushedRequest]:
    """Return a pushed request of this client and the key to `use_pushed`, or raise `InvalidRequestUri`.

    Looking does not use it up: who reloads before signing in sees the page again (FAPI 2.0 §5.3.2.2, note 3).
    """
    key = crypto.fingerprint(request_uri.removeprefix(PREFIX))
    pair = state.get_together((PUSHED, key), (USED, key))
    pushed = pair[0]
    if pushed is None or pair[1] is not None or pushed.client_id != client_id:
        raise InvalidRequestUri("The request_uri is unknown, expired or was used.")
    return key, pushed


def use_pushed(key: str, now: datetime) -> bool:
    """Use a pushed request up: of many answers to it, one is given (P-74)."""
    # A visitor may take the whole of an interaction, and another after it, to come to the answer.
    return state.add(USED, key, UsedRequest(now), ttl=settings.lifetimes.restart)
