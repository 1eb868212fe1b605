"""The APIs that tokens are for: which client serves which resource, and in which form it wants its tokens."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from idp import clock
from idp.oidc.clients import FORGET, Client, list_clients
from idp.settings import settings


@dataclass(frozen=True, slots=True)
class _Known:
    by_resource: dict[str, Client]
    until: datetime


_known: dict[str, _Known] = {}
FORGET.append(_known.clear)


def find_resource_server(resource: str) -> Client | None:
    """Return the client that serves ``resource``, from memory if that was read in the last few seconds."""
    now = clock.now()
    known = _known.get(settings.issuer)
    if known is None or now >= known.until:
        served = {
            one: client for client in list_clients() for one in client.serves_resources if not client.is_suspended
        }
        known = _known[settings.issuer] = _Known(served, now + settings.lifetimes.client_cache)
    return known.by_resource.get(resource)


def wants_jwt(client: Client, resources: Iterable[str]) -> bool:
    """Tell whether a token is to be a JWT (RFC 9068): because its client or the API that it is for says so (R13)."""
    if client.access_token_format == JWT:
        return True
    servers = (find_resource_server(resource) for resource in resources)
    return any(server is not None and server.access_token_format == JWT for server in servers)


JWT = "jwt"
