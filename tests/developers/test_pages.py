"""The pages for developers: who sees which client, and examples that are whole programs."""

import ast
import html
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from joserfc.jwk import KeySet

from idp.developers.reader import CLIENT_ID, REDIRECT_URI
from idp.developers.views import CLIENTS
from tests.conftest import ISSUER, Browser, Clock
from tests.developers.conftest import CALLBACK
from tests.pages.test_templates import Page

GUIDES = ["/docs/first-sign-in", "/docs/bank-grade", *(f"/docs/clients/{name}" for name in CLIENTS)]
PAGES = ["/docs/", *GUIDES, "/docs/errors", "/docs/resource-servers", "/docs/sign-out", "/docs/explain"]


def listings(page: str) -> dict[str, str]:
    """Return each example of a page under its title."""
    found = re.findall(r'<pre [^>]*aria-label="([^"]*)"><code[^>]*>(.*?)</code>', page, re.S)
    assert not [text for _, text in found if "<" in text], "an example is text, not markup"
    return {html.unescape(title): html.unescape(text) for title, text in found}


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_whole_and_loads_nothing_from_elsewhere(http: Browser, allow: Callable[..., None], path: str) -> None:
    allow(open=True, explain=True)

    answer = http.get(path)

    assert answer.status_code == 200
    page = Page(answer.text)
    assert not page.open
    assert len(page.ids) == len(set(page.ids))
    assert len(page.all("h1")) == 1
    assert page.all("html") == [{"lang": "en", "dir": "ltr"}]
    loaded = [attrs.get("src") or attrs.get("href") for attrs in page.all("script", "link", "img")]
    assert all(str(url).startswith("/static/") for url in loaded)
    assert not [attrs for _, attrs in page.tags if "style" in attrs or any(name.startswith("on") for name in attrs)]
    assert {label["for"] for label in page.all("label")} >= {
        field["id"] for field in page.all("input", "textarea") if field.get("type") != "hidden"
    }


@pytest.mark.parametrize("path", PAGES)
def test_links_of_a_page_lead_somewhere(http: Browser, allow: Callable[..., None], path: str) -> None:
    allow(open=True, explain=True)

    links = {str(attrs["href"]) for attrs in Page(http.get(path).text).all("a") if "href" in attrs}

    for link in links:
        address, _, anchor = link.partition("#")
        target = http.get(address or path)
        assert target.status_code == 200, link
        assert not anchor or f'id="{anchor}"' in target.text, link


@pytest.mark.parametrize("path", GUIDES)
def test_in_a_test_environment_the_examples_speak_of_the_readers_client(
    http: Browser, allow: Callable[..., None], add: Callable[..., str | None], path: str
) -> None:
    allow(open=True)
    secret = add("my-web")

    page = http.get(path, query_string={"client_id": "my-web"}).text

    code = "".join(listings(page).values())
    assert "my-web" in code
    assert CALLBACK in code
    assert ISSUER in code
    assert CLIENT_ID not in code
    assert REDIRECT_URI not in code
    assert str(secret) not in page


@pytest.mark.parametrize("path", GUIDES)
def test_elsewhere_a_stranger_does_not_learn_who_is_registered(
    http: Browser, add: Callable[..., str | None], path: str
) -> None:
    add("my-web")

    known = http.get(path, query_string={"client_id": "my-web"}).text
    unknown = http.get(path, query_string={"client_id": "no-such-client"}).text

    strip = re.compile(r'class="reference">[^<]*|data-reference="[^"]*"|nonce="[^"]*"')
    assert strip.sub("", known) == strip.sub("", unknown)
    assert "my-web" not in known
    assert CALLBACK not in known
    assert CLIENT_ID in known


def test_an_unknown_client_is_named_back_as_text(http: Browser, allow: Callable[..., None]) -> None:
    allow(open=True)

    page = http.get("/docs/first-sign-in", query_string={"client_id": "<script>x</script>"}).text

    assert "<script>x" not in page
    assert "No client is registered here as" in page
    assert CLIENT_ID in page


def test_a_library_that_is_not_there_is_not_found(http: Browser) -> None:
    assert http.get("/docs/clients/nothing").status_code == 404


def test_the_discovery_document_leads_here(http: Browser) -> None:
    documentation = http.get("/.well-known/openid-configuration").json["service_documentation"]

    assert documentation == f"{ISSUER}/docs/"
    assert http.get("/docs/").status_code == 200


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/docs/first-sign-in", "service.py"),
        ("/docs/clients/authlib", "service.py"),
        ("/docs/resource-servers", "api.py, with joserfc"),
        ("/docs/sign-out", "logout.py, with joserfc"),
    ],
)
def test_python_examples_are_python(http: Browser, path: str, title: str) -> None:
    ast.parse(listings(http.get(path).text)[title])


def test_the_logout_example_believes_our_logout_token_once_and_no_id_token(
    http: Browser, app: Flask, clock: Clock
) -> None:
    from idp.oidc.clients import Client
    from idp.oidc.jose.own import sign
    from idp.oidc.keys import key_ring
    from idp.oidc.logout_token import issue_logout_token

    program: dict[str, Any] = {}
    exec(listings(http.get("/docs/sign-out").text)["logout.py, with joserfc"], program)
    with app.app_context():
        client = Client(program["CLIENT_ID"], "Site")
        token = issue_logout_token(client, account_id="a" * 22, their_sid="s" * 22, now=clock())
        keys, ours = KeySet.import_key_set(key_ring().jwks), key_ring().active["RS256"]
    claims = program["read_logout_token"](token, keys)

    assert claims["sid"] == "s" * 22
    with pytest.raises(ValueError, match="used before"):
        program["read_logout_token"](token, keys)
    for changes, typ, fault in (
        ({"jti": "1"}, "JWT", "typ"),
        ({"jti": "2", "nonce": "n"}, "logout+jwt", "nonce"),
        ({"jti": "3", "aud": "other"}, "logout+jwt", "aud"),
        ({"jti": "4", "exp": 1}, "logout+jwt", "time"),
        ({"jti": "5", "events": {}}, "logout+jwt", "events"),
    ):
        with pytest.raises(ValueError, match=fault):
            program["read_logout_token"](sign({**claims, **changes}, ours, typ=typ), keys)


@pytest.mark.parametrize(
    ("path", "title"),
    [
        ("/docs/clients/openid-client", "site.mjs"),
        ("/docs/bank-grade", "keys.mjs"),
        ("/docs/bank-grade", "bank.mjs"),
    ],
)
def test_node_examples_are_javascript(http: Browser, tmp_path: Path, path: str, title: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node")
    program = tmp_path / title
    program.write_text(listings(http.get(path).text)[title])

    checked = subprocess.run([node, "--check", str(program)], capture_output=True, check=False)

    assert checked.returncode == 0, checked.stderr
