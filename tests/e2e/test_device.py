"""A device of another hand, npm openid-client, and a person at a real browser who lets it in, or does not."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import NewVisitor
from tests.e2e.demonstration import Demonstration, code_in
from tests.e2e.test_openid_client import NODE, read
from tests.e2e.visitor import Visitor


@pytest.fixture(scope="module")
def client_id(demonstration: Demonstration) -> str:
    client = demonstration.command(
        "clients", "add", "--name", "Caf TV", "--kind", "device", "--scope", "openid profile offline_access"
    )
    return str(client["client_id"])


@contextmanager
def device(demonstration: Demonstration, client_id: str) -> Iterator["subprocess.Popen[str]"]:
    script = Path(NODE) / "device.mjs"
    if shutil.which("node") is None or not (NODE / "node_modules" / "openid-client").exists():
        pytest.skip("needs node and its packages: make test installs both")
    asked = {
        "issuer": demonstration.addresses.provider,
        "client_id": client_id,
        "scope": "openid profile offline_access",
    }
    process = subprocess.Popen(
        ["node", script, json.dumps(asked)], cwd=NODE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def sign_in(visitor: Visitor) -> None:
    visitor.page.locator("#nir").wait_for()
    visitor.identify()
    message = visitor.choose_and_send("email")
    assert "Caf TV sur un autre appareil" in message["text"]
    visitor.type_code(code_in(message))
    visitor.page.locator("#device-allow").wait_for()


def check_tokens(found: dict[str, Any]) -> None:
    assert found["claims"]["acr"] == "urn:sesame:acr:2sv"
    assert found["userinfo"]["sub"] == found["claims"]["sub"] == found["refreshed_sub"]
    assert found["userinfo"]["given_name"] == "Camille"


@pytest.mark.parametrize("javascript", [True, False])
def test_the_code_is_typed(
    new_visitor: NewVisitor, demonstration: Demonstration, client_id: str, javascript: bool
) -> None:
    visitor = new_visitor(java_script_enabled=javascript, viewport={"width": 320, "height": 800})
    with device(demonstration, client_id) as process:
        shown = read(process)
        visitor.page.goto(shown["verification_uri"])
        visitor.look("enter")
        visitor.page.locator("#user-code").fill(shown["user_code"].lower().replace("-", " "))
        visitor.press("user-code-submit")
        sign_in(visitor)
        visitor.look("confirm")
        assert shown["user_code"] in visitor.page.locator(".facts").inner_text()
        before = demonstration.newest()
        visitor.page.locator("label[for=origin-seen]").click()
        visitor.press("device-allow")
        visitor.page.locator("#device-undo").wait_for()
        visitor.look("connected")
        check_tokens(read(process))

    assert "Caf TV" in demonstration.wait_for_message(after=before, channel="email")["text"]


def test_the_link_is_scanned_and_clicking_alone_does_not_do(
    visitor: Visitor, demonstration: Demonstration, client_id: str
) -> None:
    with device(demonstration, client_id) as process:
        shown = read(process)
        visitor.page.goto(shown["verification_uri_complete"])
        visitor.look("link")
        visitor.press("user-code-submit")
        sign_in(visitor)
        assert shown["user_code"] not in visitor.page.content()
        visitor.press("device-allow")
        visitor.look("confirm-with-errors")
        visitor.page.locator("label[for=origin-seen]").click()
        visitor.page.locator("#user-code").fill(shown["user_code"][-4:])
        visitor.press("device-allow")
        visitor.page.locator("#device-undo").wait_for()
        check_tokens(read(process))


def test_who_was_sent_the_code_says_so(visitor: Visitor, demonstration: Demonstration, client_id: str) -> None:
    with device(demonstration, client_id) as process:
        visitor.page.goto(read(process)["verification_uri_complete"])
        visitor.press("user-code-submit")
        sign_in(visitor)
        visitor.page.locator("label[for=origin-given]").click()
        visitor.press("device-allow")
        visitor.look("given")
        assert "Vous avez bien fait" in visitor.page.inner_text("h1")
        assert read(process) == {"error": "access_denied"}
