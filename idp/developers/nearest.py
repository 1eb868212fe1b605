"""Which registered redirect URI was probably meant, and in what the one that was sent differs from it."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from idp.oidc import redirect_uris
from idp.oidc.clients import Client

# Comparing takes the square of the length.
_LONGEST_COMPARED = 500


@dataclass(frozen=True, slots=True)
class Difference:
    """Two strings cut where they differ: pieces of text, and whether each is in one of them only."""

    sent: tuple[tuple[str, bool], ...]
    registered: tuple[tuple[str, bool], ...]
    hint: str


def find_difference(client: Client | None, sent: str | None) -> Difference | None:
    """Return the registered redirect URI that is nearest to one that is not registered."""
    if client is None or not sent or redirect_uris.matches(client.redirect_uris, sent, kind=client.kind):
        return None
    near = [uri for uri in client.redirect_uris if len(uri) <= _LONGEST_COMPARED]
    if not near or len(sent) > _LONGEST_COMPARED:
        return None
    nearest = max(near, key=lambda uri: SequenceMatcher(None, sent, uri, autojunk=False).quick_ratio())
    ours: list[tuple[str, bool]] = []
    theirs: list[tuple[str, bool]] = []
    for kind, a, b, c, d in SequenceMatcher(None, sent, nearest, autojunk=False).get_opcodes():
        theirs += [(sent[a:b], kind != "equal")] if a < b else []
        ours += [(nearest[c:d], kind != "equal")] if c < d else []
    return Difference(tuple(theirs), tuple(ours), _hint(sent, nearest))


def _hint(sent: str, nearest: str) -> str:
    """Say in words what sets two addresses apart, where it is one of the usual things."""
    if sent.lower() == nearest.lower():
        return "Capital and small letters differ."
    if sent.rstrip("/") == nearest.rstrip("/"):
        return "Only the slash at the end differs."
    if sent.partition("://")[2] == nearest.partition("://")[2]:
        return "One is http, the other https."
    if sent.partition("?")[0] == nearest.partition("?")[0]:
        return "The query differs; put what changes into state."
    if re.sub(r":\d+(?=/|$)", "", sent) == re.sub(r":\d+(?=/|$)", "", nearest):
        return "The port differs; only an app’s loopback address may change its port."
    if sent.replace("localhost", "127.0.0.1") == nearest.replace("localhost", "127.0.0.1"):
        return "localhost and 127.0.0.1 are two addresses."
    return ""
