"""The signed-out page tells services through the browser, and lets it load nothing else (Front-Channel Logout 1.0)."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from playwright.sync_api import Browser, Route

from idp.oidc.clients import find_client
from idp.oidc.id_token import sid_for
from tests.authorize.conftest import Visitor, add_client, error_of
from tests.authorize.test_logout import BYE, leave
from tests.authorize.test_logout_ends import confirm
from tests.authorize.test_sessions import id_token
from tests.conftest import ISSUER
from tests.pages.conftest import IDP

FCL = "https://rp.test/fcl?keep=1"


@pytest.fixture
def framed(app: Flask) -> None:
    """Register `framed` and `other`, which are told by the browser."""
    with app.app_context():
        add_client("framed", frontchannel_logout_uri=FCL)
        add_client(
            "other", redirect_uris=["https://other.test:8443/cb"], post_logout_redirect_uris=[],
            frontchannel_logout_uri="https://other.test:8443/fcl", frontchannel_logout_session_required=False,
        )  # fmt: skip


def reach(visitor: Visitor) -> None:
    """Let the session reach both of them, and one that is told by nothing."""
    visitor.ask("framed")
    visitor.ask("other", redirect_uri="https://other.test:8443/cb")
    visitor.ask("web")


def frames_of(answer: Any) -> list[str]:
    return [unescape(url) for url in re.findall(r'<iframe src="([^"]*)"', answer.text)]


def sid_of(visitor: Visitor, client_id: str) -> str:
    held = visitor.session()
    assert held is not None
    with visitor.app.app_context():
        client = find_client(client_id)
        assert client is not None
        return sid_for(str(held.sid), client)


@pytest.mark.usefixtures("framed")
def test_services_are_told_with_issuer_and_session(signed_in: Visitor, alice: str) -> None:
    """oidcc-frontchannel-rp-initiated-logout."""
    reach(signed_in)
    sid = sid_of(signed_in, "framed")

    answer = leave(
        signed_in, id_token_hint=id_token(signed_in, alice, "framed"), post_logout_redirect_uri=BYE, state="s & t"
    )

    assert answer.status_code == 200
    first, second = frames_of(answer)
    assert second == "https://other.test:8443/fcl"
    assert first.startswith("https://rp.test/fcl?keep=1&")
    assert parse_qs(urlsplit(first).query) == {"keep": ["1"], "iss": [ISSUER], "sid": [sid]}
    target = BYE + "?state=s%20%26%20t"
    assert unescape(answer.text).count(target) == 2
    assert f'<noscript><meta http-equiv="refresh" content="5;url={target}"></noscript>' in unescape(answer.text)
    assert '"cache"' in answer.headers["Clear-Site-Data"]
    assert error_of(signed_in.ask(prompt="none")) == "login_required"


@pytest.mark.usefixtures("framed")
def test_the_page_may_frame_these_services_and_nobody_else(signed_in: Visitor) -> None:
    reach(signed_in)

    answer = signed_in.browser.submit(leave(signed_in).text, "/logout")

    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["frame-src"].split() == ["https://rp.test", "https://other.test:8443"]
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == "'none'"
    assert "http-equiv" not in answer.text


@pytest.mark.usefixtures("framed")
def test_the_page_says_honestly_where_one_is_signed_out(signed_in: Visitor) -> None:
    reach(signed_in)

    answer = signed_in.browser.submit(leave(signed_in).text, "/logout")

    also, _, others = answer.text.partition("Ces services vous gardent peut-être connecté")
    assert "Vous êtes aussi déconnecté de" in also
    assert all(f"<li>{name}</li>" in also for name in ("Framed", "Other"))
    assert "<li>Web</li>" in others
    assert 'title="Déconnexion de Framed"' in answer.text


@pytest.mark.usefixtures("framed")
def test_without_such_services_the_browser_goes_straight_back(signed_in: Visitor, alice: str) -> None:
    signed_in.ask("web")

    answer = leave(signed_in, id_token_hint=id_token(signed_in, alice), post_logout_redirect_uri=BYE)

    assert (answer.status_code, answer.headers["Location"]) == (303, BYE)
    assert "frame-src" not in answer.headers["Content-Security-Policy"]


@pytest.mark.usefixtures("framed")
def test_the_next_sign_out_frames_nothing(signed_in: Visitor) -> None:
    reach(signed_in)
    confirm(signed_in)

    assert frames_of(leave(signed_in)) == []


@pytest.mark.e2e
@pytest.mark.usefixtures("framed")
@pytest.mark.parametrize("case", ["script", "no script", "a service that hangs"])
def test_a_real_browser_tells_the_services_and_goes_on(
    signed_in: Visitor, alice: str, chromium: Browser, case: str
) -> None:
    reach(signed_in)
    answer = leave(signed_in, id_token_hint=id_token(signed_in, alice, "framed"), post_logout_redirect_uri=BYE)
    asked: list[str] = []
    complaints: list[str] = []

    def serve(route: Route) -> None:
        url = route.request.url
        asked.append(url)
        if url == f"{ISSUER}/logout":
            route.fulfill(status=200, headers=dict(answer.headers), body=answer.text)
        elif url.startswith(f"{ISSUER}/static/"):
            route.fulfill(path=str(IDP / urlsplit(url).path.lstrip("/")))
        elif case == "a service that hangs" and url.startswith("https://other.test"):
            return
        elif urlsplit(url).path == "/fcl":
            # What is not allowed: leading the whole window away, and loading from elsewhere.
            body = "<script>try { top.location = 'https://evil.test/' } catch (e) {}</script><p>bye</p>"
            route.fulfill(status=200, content_type="text/html", body=body)
        else:
            route.fulfill(status=200, content_type="text/html", body="<p>home</p>")

    with chromium.new_context(java_script_enabled=case != "no script") as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.route("**/*", serve)
        page.goto(f"{ISSUER}/logout", wait_until="commit")
        page.wait_for_url(BYE, timeout=15_000)

    assert any(url.startswith("https://rp.test/fcl?keep=1&iss=") for url in asked)
    assert "https://other.test:8443/fcl" in asked
    assert not [url for url in asked if "evil.test" in url]
    assert not [text for text in complaints if "Content Security Policy" in text]
