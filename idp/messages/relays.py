"""Which mail relays there are and how each is spoken to: plain only on this machine, TLS everywhere else (AC-47)."""

import ipaddress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote, urlsplit

Security = Literal["plain", "starttls", "tls"]
_SCHEMES: dict[str, tuple[Security, int]] = {
    "smtp": ("plain", 25),
    "smtp+starttls": ("starttls", 587),
    "smtps": ("tls", 465),
}


class RelayFault(Exception):
    """The URL of a relay cannot be used; the message never quotes it, for it may hold a password."""


@dataclass(frozen=True, slots=True)
class Relay:
    """One mail relay."""

    host: str
    port: int
    security: Security
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """Return the name under which logs, metrics and the outbox know it."""
        return f"{self.host}:{self.port}"


def parse_relay(url: str) -> Relay:
    """Read ``smtp://``, ``smtp+starttls://`` or ``smtps://``, with ``user:password@`` if the relay asks for it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as fault:
        raise RelayFault("a mail relay's URL has a bad host or port") from fault
    if parts.scheme not in _SCHEMES or not host:
        raise RelayFault("a mail relay is smtp+starttls://host, smtps://host, or smtp:// on a loopback host")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise RelayFault(f"the URL of mail relay {host} ends after the port")
    security, usual_port = _SCHEMES[parts.scheme]
    if security == "plain" and not is_loopback(host):
        raise RelayFault(f"mail relay {host} is not this machine: use smtp+starttls:// or smtps://")
    if (parts.username is None) != (parts.password is None):
        raise RelayFault(f"mail relay {host} needs both a user and a password, or neither")
    username, password = (unquote(part) if part is not None else None for part in (parts.username, parts.password))
    return Relay(host, port or usual_port, security, username, password)


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
