"""The same provider seen by a library of another hand, npm openid-client: everything that it verifies must hold."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.demonstration import Demonstration, code_in, free_ports
from tests.e2e.visitor import Visitor

NODE = Path(__file__).parent / "node"


@contextmanager
def relying_party(**asked: Any) -> Iterator["subprocess.Popen[str]"]:
    if shutil.which("node") is None or not (NODE / "node_modules" / "openid-client").exists():
        pytest.skip("needs node and its packages: make test installs both")
    process = subprocess.Popen(
        ["node", NODE / "rp.mjs", json.dumps(asked)],
        cwd=NODE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read(process: "subprocess.Popen[str]") -> Any:
    assert process.stdout
    assert process.stderr
    line = process.stdout.readline()
    assert line, process.stderr.read()
    return json.loads(line)


def walk(visitor: Visitor, address: str) -> None:
    """Sign in at an address that a relying party gave."""
    visitor.page.goto(address)
    visitor.identify()
    visitor.type_code(code_in(visitor.choose_and_send("email")))
    if visitor.page.locator("#consent-allow").count():
        visitor.look("consent")
        visitor.press("consent-allow")
    visitor.page.locator("#back").wait_for()


def check_common(found: dict[str, Any]) -> None:
    assert found["claims"]["acr"] == "urn:sesame:acr:2sv"
    assert found["userinfo"]["sub"] == found["claims"]["sub"] == found["refreshed_sub"]
    assert found["userinfo"]["given_name"] == "Camille"
    assert found["rotated"]
    assert found["refresh_after_revocation"] == "invalid_grant"


def check_sign_out(visitor: Visitor, address: str) -> None:
    visitor.page.goto(address)
    if visitor.page.locator("#logout-confirm").count():
        visitor.look("logout-confirm")
        visitor.press("logout-confirm")
    visitor.look("logout-done")


def test_confidential_client(visitor: Visitor, demonstration: Demonstration) -> None:
    (port,) = free_ports(1)
    client = demonstration.command(
        "clients", "add", "--name", "openid-client", "--redirect-uri", f"http://127.0.0.1:{port}/callback",
        "--scope", "openid profile email offline_access", "--id-token-alg", "ES256",
    )  # fmt: skip
    asked = {"client_id": client["client_id"], "client_secret": client["client_secret"], "port": port}

    with relying_party(issuer=demonstration.addresses.provider, scope="openid profile email", **asked) as process:
        walk(visitor, read(process)["open"])
        found = read(process)

    check_common(found)
    assert found["claims"]["aud"] == client["client_id"]
    assert (found["active"], found["active_after_revocation"]) == (True, False)
    check_sign_out(visitor, found["end_session"])


def test_public_native_client_on_any_loopback_port(visitor: Visitor, demonstration: Demonstration) -> None:
    (port,) = free_ports(1)

    with relying_party(
        issuer=demonstration.addresses.provider,
        client_id="demo-mobile",
        port=port,
        scope="openid profile email offline_access",
        prompt="consent",
    ) as process:
        walk(visitor, read(process)["open"])
        found = read(process)

    check_common(found)
    assert found["claims"]["aud"] == "demo-mobile"
    check_sign_out(visitor, found["end_session"])
