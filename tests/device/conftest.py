"""A television that asks, polls and waits; and a person who walks through the pages, on its network or elsewhere."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from idp import clock as idp_clock
from idp.db import db
from idp.oidc import registration
from idp.oidc.device_requests import DEVICE_CODE
from idp.oidc.user_codes import ALPHABET
from tests.conftest import Browser
from tests.signin.conftest import Visitor

HOME, ELSEWHERE = "198.51.100.7", "203.0.113.9"
CLIENTS: dict[str, dict[str, Any]] = {
    "tv": {"name": "Caf TV", "scope": "openid profile offline_access"},
    "cinema": {"name": "Cinéma & Cie", "third_party": True, "scope": "openid profile email"},
    "box": {"name": "Box", "auth_method": "client_secret_basic", "scope": "openid"},
}


class Device:
    """Something with a screen and without a keyboard."""

    def __init__(self, browser: Browser, client_id: str, secret: str | None = None, address: str = HOME) -> None:
        self.browser, self.client_id, self.secret = browser, client_id, secret
        browser.environ_base["REMOTE_ADDR"] = address
        self.screen: dict[str, Any] = {}

    def post(self, path: str, **form: Any) -> Any:
        """Call an endpoint as this client; a field given as ``None`` is left out."""
        fields = {name: value for name, value in form.items() if value is not None}
        if self.secret is not None:
            return self.browser.post(path, data=fields, auth=(self.client_id, self.secret))
        return self.browser.post(path, data={"client_id": self.client_id, **fields})

    def ask(self, **form: Any) -> Any:
        """Ask to be connected."""
        answer = self.post("/device_authorization", **{"scope": "openid profile", **form})
        self.screen = answer.json
        return answer

    def poll(self, device_code: str | None = None) -> Any:
        """Ask whether the account holder has answered."""
        return self.post("/token", grant_type=DEVICE_CODE, device_code=device_code or self.screen["device_code"])

    @property
    def code(self) -> str:
        """Return the code on the screen."""
        return str(self.screen["user_code"])

    @property
    def link(self) -> str:
        """Return the address in the QR code."""
        return str(self.screen["verification_uri_complete"])


class Person(Visitor):
    """Somebody at a browser who was shown, or told, a code."""

    def type_user_code(self, code: str) -> "Person":
        """Open the page and type the code."""
        self.open("/device").submit("device", user_code=code)
        return self

    def follow_link(self, device: Device) -> "Person":
        """Scan the QR code and go on."""
        self.open(device.link.removeprefix("https://idp.test"))
        self.submit(device.link.rpartition("/")[2])
        return self

    def come_to_the_question(self, device: Device, *, by_link: bool = False) -> "Person":
        """Do all of the sign-in."""
        (self.follow_link(device) if by_link else self.type_user_code(device.code)).identify()
        self.ask_for_code().type_code()
        assert self.page.request.path.startswith("/device/confirm/"), self.page.request.path
        return self

    def answer_question(self, decision: str = "allow", **fields: Any) -> "Person":
        """Press a button under the question."""
        action = self.page.request.path.rpartition("/")[2]
        self.submit(action, decision=decision, **fields)
        return self

    def allow(self, **fields: Any) -> "Person":
        """Say that the code is on the device, and allow it."""
        return self.answer_question(origin="seen", **fields)

    @property
    def is_connected(self) -> bool:
        """Whether the page says that the device is connected."""
        return "device-undo" in self.page.text


Switch = Callable[..., Device]


@pytest.fixture
def relying_parties(app: Flask) -> dict[str, str | None]:
    """Register the clients; return their secrets."""
    secrets = {}
    with app.app_context():
        for client_id, more in CLIENTS.items():
            asked = {"client_id": client_id, "kind": "device", **more}
            _, secrets[client_id] = registration.add_client(registration.metadata_from_form(asked), now=idp_clock.now())
        db.session.commit()
    return secrets


@pytest.fixture
def switch_on(relying_parties: dict[str, str | None], new_browser: Callable[[], Browser]) -> Switch:
    """Return what makes devices."""

    def make(client_id: str = "tv", *, address: str = HOME, **form: Any) -> Device:
        device = Device(new_browser(), client_id, relying_parties[client_id], address)
        assert device.ask(**form).status_code == 200
        return device

    return make


@pytest.fixture
def tv(switch_on: Switch) -> Device:
    return switch_on()


@pytest.fixture
def new_person(app: Flask, new_browser: Callable[[], Browser], alice: str) -> Callable[..., Person]:
    """Return what makes people, at home unless told otherwise."""

    def make(address: str = HOME) -> Person:
        person = Person(app, new_browser())
        person.browser.environ_base["REMOTE_ADDR"] = address
        return person

    return make


@pytest.fixture
def person(new_person: Callable[..., Person]) -> Person:
    return new_person()


def another_code(code: str) -> str:
    """Return a code that differs in its last letter."""
    return code[:-1] + ALPHABET[(ALPHABET.index(code[-1]) + 1) % len(ALPHABET)]
