"""People at the sign-in of a real node, by HTTP: they come from a service, see the form, and type what is wrong."""

import re
import subprocess
import sys
import threading
from email.message import Message
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, Request, build_opener

from tests.node import Node

Answer = tuple[int, str, dict[str, str]]
PREPARE = """
from idp import clock, create_app
from idp.db import db
from idp.oidc import registration
asked = {"name": "Mes aides", "kind": "website", "redirect_uris": ["http://localhost:9/callback"], "scope": "openid"}
with create_app().app_context():
    print(registration.add_client(registration.metadata_from_form(asked), now=clock.now())[0].client_id)
    db.session.commit()
"""


def add_client(at: Node) -> str:
    """Register a service at a node; return its id."""
    told = subprocess.run([sys.executable, "-c", PREPARE], env=at.environ, check=True, stdout=subprocess.PIPE)
    return told.stdout.decode().strip()


class Stranger:
    """A browser at the form, behind the proxy that names its address."""

    def __init__(self, at: Node, client: str, address: str, number: int) -> None:
        self.url, self.address = at.url, address
        # Nobody's: month 13. Each is another, so that no counter of wrong passwords says the same as the lane.
        self.typed = {"nir": f"19913{number:08d}", "password": f"wrong password {number}"}
        self.opener = build_opener(HTTPCookieProcessor(CookieJar()), Stay)
        query = urlencode({"client_id": client, "redirect_uri": "http://localhost:9/callback", "response_type": "code",
                           "scope": "openid", "code_challenge": "c" * 43, "code_challenge_method": "S256"})  # fmt: skip
        form = self._open(f"{self.url}/authorize?{query}")
        while form[0] in {302, 303}:
            form = self._open(form[2]["location"])
        self.action = re.search(r'action="(/signin/[^"]*/identify)"', form[1])[1]  # type: ignore[index]
        self.csrf = re.search(r'name="csrf" value="([^"]*)"', form[1])[1]  # type: ignore[index]

    def tries_at(self, begun: threading.Barrier) -> Answer:
        begun.wait()
        return self.tries()

    def tries(self) -> Answer:
        body = urlencode({"csrf": self.csrf, **self.typed})
        return self._open(self.url + self.action, body.encode())

    def _open(self, url: str, body: bytes | None = None) -> Answer:
        url = url if url.startswith("http") else self.url + url
        headers = {"X-Forwarded-For": self.address, "Origin": self.url, "Sec-Fetch-Site": "same-origin"}
        try:
            with self.opener.open(Request(url, body, headers), timeout=60) as answer:
                return answer.status, answer.read().decode(), _fields(answer.headers)
        except HTTPError as fault:
            return fault.code, fault.read().decode(), _fields(fault.headers)


def _fields(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


class Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: object, **__: object) -> None:
        return None
