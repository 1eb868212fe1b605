"""Who reads the pages for developers: what may be filled in for them, and whether requests are explained to them."""

import re
from dataclasses import dataclass

from idp.oidc.clients import find_client
from idp.settings import settings

CLIENT_ID = "your-client-id"
REDIRECT_URI = "https://your-service.example/callback"
# Examples put the values between quotes of four languages: what could end a string there is not filled in.
_QUOTABLE = re.compile(r"[A-Za-z0-9._~:/?=&%+@\[\]-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Reader:
    """What the examples say in the reader's place; only public facts of a client."""

    issuer: str
    client_id: str = CLIENT_ID
    redirect_uri: str = REDIRECT_URI
    asked_for: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether the examples are filled in."""
        return self.asked_for is not None and self.client_id == self.asked_for


def is_test_environment() -> bool:
    """Tell whether a stranger may know which clients are registered here."""
    return settings.is_loopback or settings.developers.open


def may_explain() -> bool:
    """Tell whether this visitor may learn why a request is refused."""
    return settings.is_loopback or settings.developers.explain


def find_reader(client_id: str | None) -> Reader:
    """Return the reader; where strangers read too, nobody is even looked up."""
    if not client_id or not is_test_environment():
        return Reader(settings.issuer)
    client = find_client(client_id)
    if client is None or not _QUOTABLE.fullmatch(client.client_id):
        return Reader(settings.issuer, asked_for=client_id[:80])
    first = next(iter(client.redirect_uris), REDIRECT_URI)
    redirect_uri = first if _QUOTABLE.fullmatch(first) else REDIRECT_URI
    return Reader(settings.issuer, client.client_id, redirect_uri, client_id)
