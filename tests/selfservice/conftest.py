"""People in « Gérer mon compte »: they walk in through the sign-in, and press what the pages offer."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from idp import clock as idp_clock
from idp.accounts import directory
from idp.db import db
from idp.oidc import registration
from tests.conftest import ISSUER, Browser, Clock
from tests.signin.conftest import CALLBACK, Visitor

BOB_NIR, BOB_PASSWORD = "2991399999002", "another-horse-8-battery"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; rv:130.0) Gecko/20100101 Firefox/130.0"
SAFARI = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) Version/17.4 Mobile/15E148 Safari/604.1"


class Person(Visitor):
    """Somebody who manages an account."""

    clock: Clock

    def enter(self, path: str = "/account", channel: str = "email", **who: str) -> "Person":
        """Open a page of the account, and sign in for it."""
        # Codes of one account are half a minute apart.
        self.clock.step(seconds=31)
        self.open(path)
        self.identify(**who).ask_for_code(channel).type_code()
        return self

    def prove_again(self, channel: str = "email", **who: str) -> "Person":
        """Walk through the sign-in that an act asked for."""
        assert self.page.request.path.startswith("/signin/"), self.page.request.path
        self.identify(**who).ask_for_code(channel).type_code()
        return self

    def post(self, path: str, **fields: Any) -> "Person":
        """Send a form that the present page need not hold, with this session's token."""
        token = self.page_token()
        headers = {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}
        self._arrive(self.browser.post(path, data={"csrf": token, **fields}, headers=headers))
        return self

    def page_token(self) -> str:
        """Return the token of the account's forms."""
        html = self.browser.get("/account/sessions").text
        forms = self.browser.forms(html)
        return forms[0]["csrf"] if forms else ""

    @property
    def path(self) -> str:
        """Return the address of the page."""
        return str(self.page.request.path)

    @property
    def text(self) -> str:
        """Return the page."""
        return str(self.page.text)


NewPerson = Callable[..., Person]


@pytest.fixture(autouse=True)
def relying_parties(app: Flask) -> None:
    """Register a website, a third party's, an app and a television."""
    asked: dict[str, dict[str, Any]] = {
        "web": {"redirect_uris": [CALLBACK], "scope": "openid profile email"},
        "shop": {"redirect_uris": [CALLBACK], "scope": "openid profile email", "third_party": True},
        "mobile": {"kind": "mobile", "redirect_uris": ["http://127.0.0.1/callback"], "scope": "openid offline_access"},
        "tv": {"kind": "device", "scope": "openid profile offline_access"},
    }
    with app.app_context():
        for client_id, more in asked.items():
            form = {"client_id": client_id, "name": f"Service {client_id}", **more}
            registration.add_client(registration.metadata_from_form(form), now=idp_clock.now())
        db.session.commit()


@pytest.fixture
def new_person(app: Flask, new_browser: Callable[[], Browser], alice: str, clock: Clock) -> NewPerson:
    """Return what makes people at browsers of their own."""

    def make(user_agent: str = FIREFOX) -> Person:
        browser = new_browser()
        browser.environ_base["HTTP_USER_AGENT"] = user_agent
        person = Person(app, browser)
        person.clock = clock
        return person

    return make


@pytest.fixture
def person(new_person: NewPerson) -> Person:
    return new_person()


@pytest.fixture
def bob(app: Flask) -> str:
    """Return the id of a second account."""
    with app.app_context():
        account = directory.add_account(nir=BOB_NIR, password=BOB_PASSWORD, email="bob@example.fr", claims={})
        db.session.commit()
        return str(account.id)
