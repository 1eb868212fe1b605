"""A visitor who walks through a sign-in as a person would: page by page, form by form."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Flask

from idp import clock as idp_clock
from idp.mfa.codes import find_challenge
from idp.oidc import registration
from idp.signin.interaction import INTERACTIONS, Interaction
from idp.state import state
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, ISSUER, Browser, registered_before

CALLBACK = "https://rp.example.fr/callback"
VERIFIER = "v" * 64


class Visitor:
    """One person at one browser, on the way to one relying party."""

    def __init__(self, app: Flask, browser: Browser) -> None:
        self.app = app
        self.browser = browser
        self.page: Any = None

    def start(self, **changes: Any) -> "Visitor":
        """Come from the relying party."""
        fields = {
            "client_id": "web", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid profile email",
            "state": "st-1", "nonce": "n-1", "code_challenge": create_s256_code_challenge(VERIFIER),
            "code_challenge_method": "S256", **changes,
        }  # fmt: skip
        query = {name: value for name, value in fields.items() if value is not None}
        return self._arrive(self.browser.get("/authorize", query_string=query))

    def open(self, path: str) -> "Visitor":
        """Open an address of ours; a step's name is enough."""
        url = path if path.startswith("/") else f"/signin/{self.id}/{path}"
        return self._arrive(self.browser.get(url))

    def submit(self, action: str, **fields: Any) -> "Visitor":
        """Send a form of the page."""
        self.answer = self.browser.submit(self.page.text, f"/{action}", **fields)
        return self._arrive(self.answer)

    def identify(self, nir: str = ALICE_NIR, password: str = ALICE_PASSWORD) -> "Visitor":
        """Type NIR and password."""
        return self.submit("identify", nir=nir, password=password)

    def ask_for_code(self, channel: str = "email") -> "Visitor":
        """Press « Envoyer le code »."""
        return self.submit("send", channel=channel)

    def type_code(self, code: str | None = None) -> "Visitor":
        """Type a code, the right one unless told otherwise."""
        return self.submit("code", code=self.code if code is None else code)

    def sign_in(self, channel: str = "email") -> "Visitor":
        """Do all of it."""
        return self.start().identify().ask_for_code(channel).type_code()

    @property
    def id(self) -> str:
        """Return the id of the sign-in under way."""
        return str(self.page.request.path.split("/")[2]) if self.page.request.path.startswith("/signin/") else self._id

    @property
    def step(self) -> str:
        """Return the last word of the page's address."""
        return str(self.page.request.path.rsplit("/", 1)[-1])

    @property
    def is_back(self) -> bool:
        """Whether the relying party has been reached again."""
        return self.page.status_code == 303

    @property
    def told(self) -> dict[str, str]:
        """Return what the relying party was told."""
        assert self.page.headers["Location"].startswith(CALLBACK), self.page.headers["Location"]
        return {name: values[0] for name, values in parse_qs(urlsplit(self.page.headers["Location"]).query).items()}

    @property
    def interaction(self) -> Interaction:
        """Return the sign-in as the state keeps it."""
        with self.app.app_context():
            found = state.get(INTERACTIONS, self._id)
        assert found is not None
        return found

    @property
    def code(self) -> str:
        """Return the living code."""
        with self.app.app_context():
            challenge = find_challenge(self.interaction.challenge_id)
            assert challenge is not None
            return challenge.code

    @property
    def wrong_code(self) -> str:
        """Return digits that are not the code."""
        return f"{(int(self.code) + 1) % 1_000_000:06d}"

    def _arrive(self, answer: Any) -> "Visitor":
        """Follow redirects, but not to the relying party."""
        for _ in range(10):
            location = answer.headers.get("Location", "")
            if answer.status_code not in {301, 302, 303} or not (
                location.startswith("/") or location.startswith(ISSUER)
            ):
                break
            answer = self.browser.get(location.removeprefix(ISSUER))
        self.page = answer
        if answer.request.path.startswith("/signin/"):
            self._id = answer.request.path.split("/")[2]
        return self


@pytest.fixture(autouse=True)
def relying_parties(app: Flask) -> None:
    """Register a website and a third party's."""
    with app.app_context():
        registered_before("signin", _register_parties)


def _register_parties() -> None:
    for client_id, more in (("web", {}), ("shop", {"third_party": True})):
        asked = {
            "client_id": client_id, "name": "Service & Cie", "redirect_uris": [CALLBACK],
            "scope": "openid profile email", **more,
        }  # fmt: skip
        registration.add_client(registration.metadata_from_form(asked), now=idp_clock.now())


@pytest.fixture
def visitor(app: Flask, http: Browser, alice: str) -> Visitor:
    return Visitor(app, http)


@pytest.fixture
def new_visitor(app: Flask, new_browser: Callable[[], Browser], alice: str) -> Callable[[], Visitor]:
    return lambda: Visitor(app, new_browser())
