"""A provider that lets clients register themselves, and what a registrant needs to try it."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from flask import Flask

from idp import clock as idp_clock
from idp.db import db
from idp.oidc import discovery
from idp.oidc.initial_access import Limits, issue_initial_token
from idp.settings import Settings
from tests.conftest import ISSUER, Browser
from tests.strangers import Authority

CALLBACK = "https://rp.test/callback"
WIDE = Limits(
    scopes=("openid", "profile", "email", "address", "phone", "offline_access"),
    application_types=("web", "native"),
    subject_types=("pairwise", "public"),
)


@contextmanager
def registration_enabled(app: Flask, authority: Authority, **rules: Any) -> Iterator[None]:
    """Let clients of ``app`` register themselves, and let it fetch from this machine."""
    before: Settings = app.extensions["sesame"]["settings"]
    fetch = before.fetch.model_copy(update={"ca_file": authority.ca_file, "allow_networks": ("127.0.0.1/32",)})
    fetch.__dict__.pop("networks", None)
    registration = before.registration.model_copy(update={"enabled": True, "requests": 1_000, **rules})
    app.extensions["sesame"]["settings"] = before.model_copy(update={"fetch": fetch, "registration": registration})
    discovery._documents.clear()
    try:
        yield
    finally:
        app.extensions["sesame"]["settings"] = before
        discovery._documents.clear()


def initial_token(app: Flask, limits: Limits = WIDE, *, uses: int = 100, days: int = 7) -> tuple[str, str]:
    """Return the id and the value of a new initial access token."""
    with app.app_context():
        now = idp_clock.now()
        token, value = issue_initial_token(limits, uses=uses, expires_at=now + timedelta(days=days), note="", now=now)
        db.session.commit()
        return token.id, value


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


class Registrant:
    """Who holds an initial access token."""

    def __init__(self, app: Flask, http: Browser, limits: Limits = WIDE, **token: int) -> None:
        self.app, self.http = app, http
        self.token_id, self.token = initial_token(app, limits, **token)

    def register(self, **document: Any) -> Any:
        """Register a client; what is ``None`` is left out."""
        whole = {"redirect_uris": [CALLBACK], "client_name": "Service", **document}
        sent = {name: value for name, value in whole.items() if value is not None}
        return self.http.post("/register", json=sent, headers=bearer(self.token))

    def manage(self, method: str, client: Any, document: Any = None, token: str | None = None) -> Any:
        """Call the configuration endpoint of a client as it was registered."""
        path = client["registration_client_uri"].removeprefix(ISSUER)
        more = {} if document is None else {"json": document}
        headers = bearer(client["registration_access_token"] if token is None else token)
        return self.http.open(path, method=method, headers=headers, **more)


def png(width: int = 8, height: int = 8) -> bytes:
    """Return a white PNG."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\xff" * width) * height)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(width: int = 8, height: int = 8) -> bytes:
    """Return the beginning of a JPEG, as far as its frame header."""
    return b"\xff\xd8\xff\xe0\x00\x04ab" + b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\0" * 30
