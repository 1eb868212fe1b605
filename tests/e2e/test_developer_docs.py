"""The pages for developers in a real browser; an example copied from them, untouched, signs a person in."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.e2e.conftest import NewVisitor
from tests.e2e.demonstration import Demonstration, code_in, free_ports
from tests.e2e.test_openid_client import NODE
from tests.e2e.visitor import Visitor

PAGES = (
    "/docs/",
    "/docs/first-sign-in",
    "/docs/clients/authlib",
    "/docs/clients/openid-client",
    "/docs/clients/appauth",
    "/docs/clients/mod-auth-openidc",
    "/docs/clients/spring-security",
    "/docs/errors",
    "/docs/resource-servers",
    "/docs/sign-out",
    "/docs/bank-grade",
    "/docs/explain",
)
LOOKS = [("light", 320), ("dark", 320), ("light", 1280), ("dark", 1280)]
NEEDS_NODE = "needs node and its packages: make test installs both"
CODE = "pre[aria-label='{}'] code"


def explain(visitor: Visitor, request: str) -> None:
    visitor.page.goto(f"{visitor.demonstration.addresses.provider}/docs/explain")
    visitor.page.locator("#request").fill(request)
    visitor.page.get_by_role("button", name="Explain").click()
    visitor.page.locator("#result").wait_for()


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_every_page_can_be_read_by_everybody(
    request: pytest.FixtureRequest, new_visitor: NewVisitor, demonstration: Demonstration, scheme: str, width: int
) -> None:
    """Each page in one look in turn, and in every look with ``--all-inputs``; what is filled in, in two."""
    visitor = new_visitor(viewport={"width": width, "height": 900}, color_scheme=scheme)
    every, turn = request.config.getoption("--all-inputs"), LOOKS.index((scheme, width))

    for path in PAGES if every else PAGES[turn :: len(LOOKS)]:
        visitor.page.goto(demonstration.addresses.provider + path)
        visitor.look(path.strip("/").replace("/", "-"))
    if not every and turn % 3:
        return
    visitor.page.goto(f"{demonstration.addresses.provider}/docs/first-sign-in?client_id=demo-mobile")
    visitor.look("filled-in")
    address = "/authorize?client_id=demo-mobile&response_type=token&redirect_uri=http://127.0.0.1/Callback&login_hint=x"
    explain(visitor, demonstration.addresses.provider + address)
    visitor.look("explained")
    explain(visitor, "curl -u demo-mobile:x -d 'grant_type=authorization_code&code=x' http://localhost/token")
    visitor.look("explained-token")


@dataclass(frozen=True)
class Example:
    """A whole program on a page of /docs, and how the page says to run it."""

    page: str
    listing: str
    command: Callable[[Path, int], list[str]]


EXAMPLES = {
    "flask": Example(
        "first-sign-in",
        "service.py",
        lambda path, port: [sys.executable, "-P", "-m", "flask", "--app", str(path), "run", "--port", str(port)],
    ),
    "node": Example("clients/openid-client", "site.mjs", lambda path, port: ["node", str(path)]),
}


@contextmanager
def site(example: Example, folder: Path, program: str, *, port: int, secret: str) -> Iterator[str]:
    """Run an example as its page says."""
    path = folder / example.listing
    path.write_text(program)
    (folder / "node_modules").symlink_to(NODE / "node_modules")
    environ = {
        **os.environ, "CLIENT_SECRET": secret, "SESSION_SECRET": "of the example", "PORT": str(port),
        "NO_PROXY": "localhost,127.0.0.1", "no_proxy": "localhost",
    }  # fmt: skip
    command = example.command(path, port)
    process = subprocess.Popen(command, cwd=folder, env=environ, stderr=subprocess.PIPE, text=True)
    address = f"http://localhost:{port}"
    try:
        with requests.Session() as session:
            session.trust_env = False
            deadline = time.monotonic() + 30
            while True:
                try:
                    assert session.get(address, timeout=2).ok
                    break
                except requests.ConnectionError:
                    assert process.poll() is None, process.communicate()[1]
                    assert time.monotonic() < deadline
                    time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.communicate(timeout=15)


def sign_in_at(example: Example, visitor: Visitor, folder: Path, *, port: int, secret: str) -> str:
    """Run the example that the visitor reads, sign in there, and return what it shows then."""
    page = visitor.page
    program = page.locator(CODE.format(example.listing)).inner_text()
    with site(example, folder, program, port=port, secret=secret) as address:
        page.goto(f"{address}/login")
        visitor.identify()
        visitor.type_code(code_in(visitor.choose_and_send("email")))
        page.wait_for_url(f"{address}/")
        return page.locator("body").inner_text()


def has_node() -> bool:
    return shutil.which("node") is not None and (NODE / "node_modules" / "express").exists()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_signs_a_person_in_as_it_stands(
    visitor: Visitor, demonstration: Demonstration, tmp_path: Path, name: str
) -> None:
    if name == "node" and not has_node():
        pytest.skip(NEEDS_NODE)
    (port,) = free_ports(1)
    client = demonstration.command(
        "clients", "add", "--name", "Example of the docs", "--scope", "openid profile email",
        "--redirect-uri", f"http://localhost:{port}/callback",
    )  # fmt: skip
    example, page = EXAMPLES[name], visitor.page
    page.goto(f"{demonstration.addresses.provider}/docs/{example.page}?client_id={client['client_id']}")

    said = sign_in_at(example, visitor, tmp_path, port=port, secret=client["client_secret"])

    assert "Sign in" not in said
    assert len(said) > 20


def test_the_bank_grade_example_makes_its_keys_and_signs_a_person_in(
    visitor: Visitor, demonstration: Demonstration, tmp_path: Path
) -> None:
    if not has_node():
        pytest.skip(NEEDS_NODE)
    (port,) = free_ports(1)
    page = visitor.page
    guide = f"{demonstration.addresses.provider}/docs/bank-grade"
    page.goto(guide)
    for title in ("keys.mjs", "client.json"):
        (tmp_path / title).write_text(page.locator(CODE.format(title)).inner_text())
    subprocess.run(["node", "keys.mjs"], cwd=tmp_path, check=True)
    client = demonstration.command(
        "clients", "add", "--name", "Bank of the docs", "--scope", "openid profile email",
        "--redirect-uri", f"http://localhost:{port}/callback", "--auth-method", "private_key_jwt",
        "--jwks", str(tmp_path / "keys.json"), "--metadata", str(tmp_path / "client.json"),
    )  # fmt: skip
    page.goto(f"{guide}?client_id={client['client_id']}")
    example = Example("bank-grade", "bank.mjs", lambda path, port: ["node", str(path)])

    said = sign_in_at(example, visitor, tmp_path, port=port, secret="")

    assert "Sign in" not in said
    assert len(said) > 20
