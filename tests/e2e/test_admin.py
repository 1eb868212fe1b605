"""Administrators in a real browser: a client is registered by two people, used at once, changed, suspended."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.conftest import NewVisitor, _stores
from tests.e2e.demonstration import ROOT, Demonstration, code_in, free_ports, running
from tests.e2e.test_passkeys import Phone
from tests.e2e.visitor import Visitor

WIDE = {"viewport": {"width": 1280, "height": 900}}
SMALL_DARK = {"viewport": {"width": 320, "height": 640}, "color_scheme": "dark"}


@pytest.fixture(scope="module")
def demonstration(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """Run a demonstration of our own, in which two people are needed."""
    stores = {**_stores(backend), "IDP_ADMIN__FOUR_EYES": "true"}
    with running(tmp_path_factory.mktemp("admin") / "var", stores) as demonstration:
        yield demonstration


@pytest.fixture
def service(demonstration: Demonstration) -> Iterator[Any]:
    """Return what starts the demonstration relying party as another client."""
    started: list[subprocess.Popen[bytes]] = []

    def start(client_id: str, secret: str, port: int) -> str:
        environ = {
            **os.environ, "ISSUER": demonstration.addresses.provider, "PORT": str(port), "CLIENT_ID": client_id,
            "CLIENT_SECRET": secret, "MAILBOX": demonstration.addresses.mailbox, "NO_PROXY": "localhost,127.0.0.1",
            "no_proxy": "localhost,127.0.0.1",
        }  # fmt: skip
        program = [sys.executable, str(Path(ROOT) / "examples" / "rp-flask" / "app.py")]
        started.append(subprocess.Popen(program, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        home = f"http://localhost:{port}"
        with requests.Session() as session:
            session.trust_env = False
            for _ in range(100):
                try:
                    session.get(home, timeout=2)
                    return home
                except requests.RequestException:
                    time.sleep(0.1)
        raise AssertionError("the relying party does not start")

    yield start
    for one in started:
        one.terminate()
        one.wait(15)


def enrol(visitor: Visitor, name: str, password: str, *, look: bool = False) -> Phone:
    """Make the first passkey with the printed password, and come in with it."""
    phone = Phone(visitor.page)
    visitor.page.goto(f"{visitor.demonstration.addresses.provider}/admin/enrol")
    if look:
        visitor.look("enrol")
    visitor.page.locator("#name").fill(name)
    visitor.page.locator("#password").fill(password)
    visitor.press("enrol-submit")
    visitor.page.locator("#passkey-create").wait_for()
    if look:
        visitor.look("enrol-passkey")
    visitor.page.locator("#passkey-create").click()
    prove(visitor)
    return phone


def prove(visitor: Visitor) -> None:
    """Come in: Chromium's virtual authenticator chooses the one suggestion there is, as a person would."""
    visitor.page.locator("#admin-logout").wait_for()


def open_page(visitor: Visitor, path: str) -> None:
    visitor.page.goto(f"{visitor.demonstration.addresses.provider}{path}")


def printed_password(demonstration: Demonstration) -> str:
    found = re.search(r"admin, password (\S+)", demonstration.welcome)
    assert found, demonstration.welcome
    return found[1]


def test_a_client_is_registered_used_changed_by_two_and_suspended(
    new_visitor: NewVisitor, demonstration: Demonstration, service: Any
) -> None:
    (port,) = free_ports(1)
    callback = f"http://localhost:{port}/callback"
    first = new_visitor(**WIDE)
    enrol(first, "admin", printed_password(demonstration), look=True)
    first.look("home")
    added = demonstration.command("admin", "add", "second", "--role", "approver")
    second = new_visitor(**SMALL_DARK)
    enrol(second, "second", added["enrolment_password"])
    second.look("home")

    # The first one asks for a client, with one line that cannot stand.
    first.press("new-client")
    first.look("kinds")
    first.press("kind-website")
    page = first.page
    page.locator("#name").fill("Aides au logement")
    page.locator("#redirect_uris").fill(f"{callback}\nhttps://*.example.fr/")
    page.locator(".verdicts .is-fail").wait_for()
    first.look("judged-while-typing")
    first.press("review")
    first.look("one-line-is-wrong")
    page.locator("#redirect_uris").fill(callback)
    page.locator("#client_id").fill("aides")
    for scope in ("profile", "email"):
        page.locator(f"input[name=scopes][value={scope}]").check()
    first.press("review")
    first.look("review")
    first.press("register")
    page.locator("#withdraw").wait_for()
    first.look("waiting")

    # Nobody approves their own: the second one does.
    assert not page.locator("#approve").count()
    second.page.goto(page.url)
    second.look("to-approve")
    second.press("approve")
    second.look("approved")

    open_page(first, "/admin/clients/aides")
    page.locator("details#confirm summary").click()
    first.look("client")
    first.press("secret-new")
    secret = page.locator("#value").input_value()
    first.look("secret")
    first.press("kept")
    assert secret not in page.content()

    # It serves at once.
    home = service("aides", secret, port)
    person = new_visitor(**WIDE)
    person.page.goto(f"{home}/login")
    person.identify()
    person.type_code(code_in(person.choose_and_send("email")))
    person.page.wait_for_url(f"{home}/profile")
    open_page(first, "/admin/clients/aides")
    assert "Dernière utilisation le" in page.locator("main").inner_text()

    # A real sign-in of the client that ends here, and the tokens' words; the service is still the one of before.
    first.press("trial")
    page.locator("#trial-outcome").wait_for()
    first.look("trial")
    told = page.locator("main").inner_text()
    assert all(word in told for word in ("La connexion a réussi", "phr", "at_hash", "Opaque", "profile"))
    assert not re.search(r"eyJ[\w-]{10,}\.", page.content())
    page.set_viewport_size({"width": 320, "height": 640})
    first.look("trial-narrow")
    page.set_viewport_size({"width": 1280, "height": 900})
    first.press("back")

    # Another address, by two people; then the difference with both names.
    first.press("edit-addresses")
    page.locator("#redirect_uris").fill(f"http://localhost:{port}/ailleurs")
    page.locator("#reason").fill("Nouvelle adresse")
    first.press("save")
    first.look("change-waits")
    assert "deuxième personne" in page.locator("main").inner_text()
    open_page(second, "/admin/changes")
    second.page.locator(".ways a").first.click()
    second.press("approve")
    open_page(first, "/admin/clients/aides/history")
    first.look("history")
    told = page.locator("main").inner_text()
    assert all(word in told for word in ("admin", "second", "Nouvelle adresse", callback, "/ailleurs"))
    person.page.goto(f"{home}/login")
    assert "/ailleurs" not in person.page.url
    assert not person.page.url.startswith(home)

    # Suspended: a page that says so.
    open_page(first, "/admin/clients/aides")
    first.press("client-state")
    person.page.goto(f"{home}/login")
    person.page.get_by_text("Aides au logement").first.wait_for()
    person.look("suspended")
    assert person.page.url.startswith(demonstration.addresses.provider)
    assert "suspendu" in person.page.locator("main").inner_text()


def test_the_console_works_without_javascript_by_keyboard_alone(
    new_visitor: NewVisitor, demonstration: Demonstration
) -> None:
    """All but the passkey, which no browser has without it: the session is begun with, and goes on without."""
    added = demonstration.command("admin", "add", "third", "--role", "editor")
    visitor = new_visitor(**WIDE)
    enrol(visitor, "third", added["enrolment_password"])
    cookies = visitor.page.context.cookies()
    bare = new_visitor(**WIDE, java_script_enabled=False)
    bare.page.context.add_cookies(cookies)

    open_page(bare, "/admin/clients/new/website")
    bare.page.locator("#name").focus()
    bare.page.keyboard.type("Sans script")
    bare.page.locator("#redirect_uris").focus()
    bare.page.keyboard.type("http://localhost:9/retour")
    bare.page.locator("#client_id").focus()
    bare.page.keyboard.type("sans-script")
    bare.page.keyboard.press("Enter")
    bare.page.locator("#register").wait_for()
    bare.look("review")
    bare.page.locator("#register").focus()
    bare.page.keyboard.press("Enter")

    bare.page.locator("#withdraw").wait_for()
    bare.look("waiting")


def tab_to(visitor: Visitor, element_id: str) -> None:
    """Press Tab until an element has the focus, as somebody without a mouse does; it must be seen to have it."""
    for _ in range(120):
        visitor.page.keyboard.press("Tab")
        if visitor.page.evaluate("document.activeElement.id") == element_id:
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert visitor.page.evaluate(outline) != "none", element_id
            return
    raise AssertionError(f"Tab never reaches {element_id}")


def test_a_client_is_tried_handed_over_and_suspended_by_keyboard_alone(
    new_visitor: NewVisitor, demonstration: Demonstration
) -> None:
    added = demonstration.command("admin", "add", "fourth", "--role", "editor")
    visitor = new_visitor(**SMALL_DARK)
    enrol(visitor, "fourth", added["enrolment_password"])
    page = visitor.page
    open_page(visitor, "/admin/clients/demo-web")
    visitor.look("client")

    tab_to(visitor, "trial")
    page.keyboard.press("Enter")
    page.locator("#trial-outcome").wait_for()
    visitor.look("trial")
    tab_to(visitor, "back")
    page.keyboard.press("Enter")
    page.locator("#transfer").wait_for()
    page.locator("#transfer summary").focus()
    page.keyboard.press("Enter")
    tab_to(visitor, "team")
    page.keyboard.type("Démonstration")
    tab_to(visitor, "contacts")
    page.keyboard.type("équipe <demo@example.fr>")
    visitor.look("transfer")
    before = demonstration.newest()
    tab_to(visitor, "transfer-submit")
    page.keyboard.press("Enter")
    page.wait_for_url("**/clients/demo-web?done=transfer")
    tab_to(visitor, "client-state")
    page.keyboard.press("Enter")

    page.wait_for_url("**/clients/demo-web?done=suspend")
    visitor.look("suspended")
    told = demonstration.wait_for_message(after=before, channel="email")
    assert (told["to"], "change de mains" in told["subject"]) == ("demo@example.fr", True)
