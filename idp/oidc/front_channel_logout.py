"""Telling relying parties through the browser that a session ended (OpenID Connect Front-Channel Logout 1.0).

The signed-out page loads an address of each in a hidden frame. Nobody answers, and browsers keep third-party cookies
from frames more and more: what has to be certain goes by the back channel.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlencode

from idp.oidc.clients import Client
from idp.oidc.id_token import sid_for
from idp.oidc.logout_uris import origin_of
from idp.settings import settings


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of the signed-out page: what it loads, and the service that a screen reader names it by."""

    url: str
    service: str

    @property
    def origin(self) -> str:
        """Return what the page's policy lets be framed, and nothing else."""
        return origin_of(self.url)


def frames_for(sid: str, clients: Iterable[Client], locale: str) -> list[Frame]:
    """Return the frames that tell these clients that a session ended."""
    return [
        Frame(_address(client.frontchannel_logout_uri, sid, client), client.name_in(locale))
        for client in clients
        if client.frontchannel_logout_uri is not None
    ]


def _address(uri: str, sid: str, client: Client) -> str:
    """Add issuer and session where the client wants them: "any query parameters … MUST be retained" (§2)."""
    if not client.frontchannel_logout_session_required:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode({'iss': settings.issuer, 'sid': sid_for(sid, client)})}"
