"""Resource indicators (RFC 8707): for which APIs a token is meant; it is good nowhere else (P-12)."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from idp.oidc.clients import Client
from idp.oidc.errors import InvalidTarget

MOST = 10


def check_resources(asked: Iterable[str], client: Client) -> None:
    """Raise `InvalidTarget` unless each is an "absolute URI", without a fragment, that the client may ask for (§2)."""
    asked = tuple(asked)
    if len(asked) > MOST:
        raise InvalidTarget(f"More than {MOST} resources were asked for.")
    for resource in asked:
        if not is_resource(resource):
            raise InvalidTarget("A resource is not an absolute URI without a fragment.")
        if resource not in client.resources:
            raise InvalidTarget("A resource is not registered for this client.")


def is_resource(text: str) -> bool:
    """Tell whether ``text`` can be a resource indicator."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return bool(parts.scheme and (parts.netloc or parts.scheme == "urn") and "#" not in text and text.isprintable())


def narrow_resources(granted: tuple[str, ...], asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the resources of one token: those granted, or fewer (§2.2); raises `InvalidTarget`."""
    if not set(asked) <= set(granted):
        raise InvalidTarget("A resource was asked for that was not granted.")
    return tuple(dict.fromkeys(asked)) or granted
