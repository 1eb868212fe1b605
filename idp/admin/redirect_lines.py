"""Redirect URIs judged line by line: one that cannot stand is named with its reason, and keeps no other one out.

What may stand is decided by `oidc/redirect_uris.py` alone; here are only the words for it, and what is worth knowing
of a line that may.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from idp.oidc.redirect_uris import fault_of
from idp.settings import settings

# How each reason of `fault_of` begins, and its text in the catalogues.
REASONS: dict[str, str] = {
    "has spaces": "admin.uri.characters",
    "is longer than": "admin.uri.long",
    "is not a URI": "admin.uri.not_uri",
    "has a fragment": "admin.uri.fragment",
    "has a wildcard": "admin.uri.wildcard",
    "has a backslash": "admin.uri.backslash",
    "has the scheme": "admin.uri.unsafe",
    "has user information": "admin.uri.user",
    "has a path with": "admin.uri.climbs",
    "has port 0": "admin.uri.port",
    "must be https": "admin.uri.https",
    "has a private scheme": "admin.uri.scheme",
    "has no host": "admin.uri.host",
    "is https on a loopback": "admin.uri.loopback_https",
    "names localhost": "admin.uri.localhost",
    "has a host without": "admin.uri.domain",
    "has an IP address": "admin.uri.ip",
    "is a loopback address": "admin.uri.loopback",
}
# Letters of other scripts that look like ours, in punycode: the browser may show them as such.
_PUNYCODE = re.compile(r"(^|\.)xn--")


@dataclass(frozen=True)
class Line:
    """One address, its fault as said to machines and as a text id, and text ids of what is worth knowing."""

    uri: str
    fault: str | None
    fault_text: str | None
    notes: tuple[str, ...]


def judge_lines(uris: Iterable[str], *, kind: str) -> list[Line]:
    """Return each address with what is wrong or worth knowing; empty lines are none."""
    seen: set[str] = set()
    lines = []
    for uri in uris:
        fault = fault_of(uri, kind=kind, is_production=not settings.is_loopback)
        text = None if fault is None else next(one for start, one in REASONS.items() if fault.startswith(start))
        if fault is None and uri in seen:
            fault, text = "is there twice", "admin.uri.twice"
        seen.add(uri)
        lines.append(Line(uri, fault, text, () if fault else _notes(uri, kind)))
    return lines


def read_lines(text: str) -> list[str]:
    """Return the lines of a text field; spaces around them are the keyboard's, not the address's."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def _notes(uri: str, kind: str) -> tuple[str, ...]:
    parts = urlsplit(uri)
    host = parts.hostname or ""
    found = (
        ("admin.uri.note.slash", parts.path.endswith("/") and parts.path != "/"),
        ("admin.uri.note.any_port", kind == "mobile" and host in {"127.0.0.1", "::1"}),
        ("admin.uri.note.punycode", bool(_PUNYCODE.search(host))),
        ("admin.uri.note.private", parts.scheme not in {"http", "https"}),
        ("admin.uri.note.query", bool(parts.query)),
    )
    return tuple(text for text, holds in found if holds)
