"""The example app (`examples/mobile`), as a person meets it: face or fingerprint, code, refresh, removal, refusal.

What the passkey does at the demonstration's website is in `test_passkeys.py`; here the same one opens the app.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import NewVisitor
from tests.e2e.demonstration import Demonstration, code_in
from tests.e2e.test_passkeys import EMAIL_LEVEL, SMALL, WIDE, Phone, empty, enter, forget_sessions, turn_on
from tests.e2e.test_passkeys import tidy as tidy
from tests.e2e.visitor import Visitor

APP = Path(__file__).parents[2] / "examples" / "mobile"
NewApp = Callable[[], str]
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/156.0.0.0 Mobile Safari/537.36"


@pytest.fixture
def new_app(demonstration: Demonstration) -> Iterator[NewApp]:
    """Return a starter of the app, each on a port of its own; it returns the app's address."""
    if shutil.which("node") is None or not (APP / "node_modules" / "oauth4webapi").exists():
        pytest.skip("needs node and the app's package: make test installs both")
    running: list[subprocess.Popen[str]] = []

    def start() -> str:
        environ = {**os.environ, "ISSUER": demonstration.addresses.provider, "PORT": "0"}
        process = subprocess.Popen(
            ["node", "app.mjs"], cwd=APP, env=environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        running.append(process)
        assert process.stdout
        return process.stdout.readline().rsplit(" ", 1)[-1].strip()

    yield start
    for process in running:
        process.kill()
        process.communicate()


def open_app(visitor: Visitor, app: str) -> None:
    visitor.page.goto(f"{app}/")
    visitor.press("login")
    visitor.page.locator("#nir").wait_for()


def open_app_by_passkey(visitor: Visitor, phone: Phone, app: str) -> None:
    """Nobody stands at the sensor until the button is there, which the suggestions of the number would not wait for."""
    open_app(visitor, app)
    visitor.page.locator("#passkey-submit").wait_for()
    phone.let(True)
    visitor.page.locator("#passkey-submit").click()
    is_in(visitor, app)
    assert acr(visitor) == "phr"


def is_in(visitor: Visitor, app: str) -> None:
    visitor.page.wait_for_url(f"{app}/")
    assert visitor.page.locator("#hello").inner_text() == "Bonjour Camille"
    assert visitor.page.locator("#token-type").inner_text().lower() == "dpop"


def acr(visitor: Visitor) -> str:
    return visitor.page.locator("#acr").inner_text()


@pytest.mark.parametrize(
    "screen",
    [
        pytest.param(WIDE, id="wide"),
        pytest.param({**SMALL, "color_scheme": "dark"}, id="small-dark", marks=pytest.mark.look),
    ],
)
def test_a_passkey_opens_the_app_and_once_removed_does_not(
    new_visitor: NewVisitor, tidy: None, new_app: NewApp, screen: dict[str, Any]
) -> None:
    app, visitor = new_app(), new_visitor(**screen)
    phone = Phone(visitor.page)
    turn_on(visitor, "Téléphone de Camille")
    forget_sessions(visitor)
    phone.let(False)
    visitor.page.goto(f"{app}/")
    visitor.look("welcome")
    open_app_by_passkey(visitor, phone, app)
    assert visitor.page.locator("#amr").inner_text() == "pop, user, mfa"
    visitor.look("home")

    # Refreshed without the person; a reply that is lost in a tunnel signs nobody out (grace, design R13).
    visitor.press("refresh")
    assert visitor.page.locator("#refreshed").inner_text() == "1 fois"
    visitor.press("lost-reply")
    assert "les mêmes jetons" in visitor.page.locator("#notice").inner_text()
    visitor.press("refresh")
    assert visitor.page.locator("#refreshed").inner_text() == "3 fois"
    visitor.page.locator("summary").click()
    visitor.look("journal")

    # Removed from another computer as lost: what the app holds ends at once, and the phone does not open it again.
    elsewhere = new_visitor(**WIDE)
    enter(elsewhere)
    elsewhere.page.locator("a[href$='/remove']").first.click()
    elsewhere.page.locator("#lost, [name=lost]").first.check()
    elsewhere.press("passkey-remove")
    elsewhere.page.locator("#passkey-add").wait_for()
    visitor.press("refresh")
    assert "a été fermée" in visitor.page.locator("#refused").inner_text()
    visitor.look("ended")
    forget_sessions(visitor)
    phone.let(False)
    visitor.page.goto(f"{app}/")
    visitor.press("login")
    visitor.page.locator("#passkey-submit").wait_for()
    phone.let(True)
    visitor.page.locator("#passkey-submit").click()
    visitor.page.get_by_text("Cet accès a été supprimé de votre compte").wait_for()
    visitor.page.goto(f"{app}/")
    assert visitor.page.locator("#hello").count() == 0


def test_without_javascript_a_code_opens_the_app(new_visitor: NewVisitor, new_app: NewApp) -> None:
    app, visitor = new_app(), new_visitor(java_script_enabled=False)

    open_app(visitor, app)
    visitor.identify()
    visitor.type_code(code_in(visitor.choose_and_send("email")))

    is_in(visitor, app)
    assert acr(visitor) == EMAIL_LEVEL
    visitor.press("logout")
    assert visitor.page.locator("#login").count() == 1
    assert visitor.page.locator("#browser-logout").count() == 1


def test_two_copies_of_the_app_on_two_ports_are_two_sessions(new_visitor: NewVisitor, new_app: NewApp) -> None:
    """RFC 8252 §7.3: the port of a loopback redirect is the app's to choose at each start."""
    first, second, visitor = new_app(), new_app(), new_visitor(**WIDE)
    assert first != second
    open_app(visitor, first)
    visitor.identify()
    visitor.type_code(code_in(visitor.choose_and_send("sms")))
    is_in(visitor, first)

    visitor.page.goto(f"{second}/")
    visitor.press("login")
    is_in(visitor, second)
    visitor.press("logout")

    visitor.page.goto(f"{first}/")
    visitor.press("refresh")
    assert visitor.page.locator("#refreshed").inner_text() == "1 fois"


def test_who_gives_up_at_the_sign_in_is_told_so_in_the_app(new_visitor: NewVisitor, new_app: NewApp) -> None:
    app, visitor = new_app(), new_visitor(**SMALL)
    open_app(visitor, app)

    visitor.press("signin-cancel")

    visitor.page.wait_for_url(f"{app}/callback**")
    assert visitor.page.locator("#refused").inner_text() == "Vous avez annulé la connexion."
    visitor.look("cancelled")


def test_an_answer_that_the_app_did_not_ask_for_is_not_believed(new_visitor: NewVisitor, new_app: NewApp) -> None:
    app, visitor = new_app(), new_visitor(**WIDE)

    answer = visitor.page.goto(
        f"{app}/callback?code=planted&state=planted&iss={visitor.demonstration.addresses.provider}"
    )

    assert answer is not None
    assert answer.status == 400
    assert visitor.page.locator("#hello").count() == 0


@pytest.mark.parametrize(
    "screen",
    [
        pytest.param({"color_scheme": "dark"}, id="french-dark"),
        pytest.param({"locale": "en-GB"}, id="english", marks=pytest.mark.look),
    ],
)
def test_after_a_code_on_a_phone_one_gesture_is_offered_for_the_next_time(
    new_visitor: NewVisitor, demonstration: Demonstration, tidy: None, new_app: NewApp, screen: dict[str, Any]
) -> None:
    # Every test has the one account, which is asked three times in all.
    empty(demonstration, "passkey_promotions")
    app, visitor = new_app(), new_visitor(**{**SMALL, "user_agent": ANDROID, **screen})
    phone = Phone(visitor.page)
    open_app(visitor, app)
    if "locale" in screen:
        visitor.page.goto(f"{visitor.page.url}?ui_locales=en")
    visitor.page.wait_for_function("document.querySelector('[data-platform]').value === 'yes'")
    visitor.identify()
    visitor.type_code(code_in(visitor.choose_and_send("email")))
    visitor.page.locator("#passkey-create").wait_for()
    visitor.look("offered")

    visitor.page.locator("#passkey-create").click()
    visitor.page.locator("#promote-continue").wait_for()
    visitor.look("on")
    assert phone.count == 1
    visitor.press("promote-continue")
    is_in(visitor, app)
    assert acr(visitor) == EMAIL_LEVEL

    visitor.press("logout")
    forget_sessions(visitor)
    phone.let(False)
    open_app_by_passkey(visitor, phone, app)
