"""Nobody is redirected before the client and its redirect URI are known to be good."""

import pytest
from flask import Flask

from idp.db import db
from idp.oidc.clients import suspend_client
from tests.authorize.conftest import CALLBACK, Visitor, add_client, assert_page


@pytest.mark.parametrize(
    "client_id", [None, "", "nobody", "WEB", "web ", "web\n", "x" * 300, "' OR 1=1", "../web", "wéb"]
)
def test_an_unknown_client_gets_a_page_ac_91_p_02(visitor: Visitor, client_id: str | None) -> None:
    assert_page(visitor.ask(client_id))


@pytest.mark.parametrize(
    "uri",
    [
        "https://rp.test.evil.tld/callback", "https://rp.test@evil.tld/callback", "https://xrp.test/callback",
        "https://rpxtest/callback", "http://localhost:80@evil/callback", "https://rp.test%2eevil.tld/callback",
        "https://rp.test\\@evil.tld/callback", "https://evil.tld/https://rp.test/callback", "//rp.test/callback",
    ],
)  # fmt: skip
def test_another_host_gets_a_page_ac_92(visitor: Visitor, uri: str) -> None:
    assert_page(visitor.ask(redirect_uri=uri))


@pytest.mark.parametrize(
    "path",
    ["/callback/../x", "/callback/..%2fx", "/callback%252f..", "/callback/..;/x", "/callback/", "/callback/rand"],
)
def test_another_path_gets_a_page_ac_93(visitor: Visitor, path: str) -> None:
    """Also oidcc-ensure-registered-redirect-uri."""
    assert_page(visitor.ask(redirect_uri="https://rp.test" + path))


@pytest.mark.parametrize(
    "uri",
    [
        CALLBACK + "?x=1", CALLBACK + "?", CALLBACK + "#f", CALLBACK + "#", "https://rp.test/CALLBACK",
        "https://RP.test/callback", "https://rp.test:443/callback", "https://rp.test:8443/callback", " " + CALLBACK,
        CALLBACK + " ", CALLBACK + "\n", "https://rp.test/%63allback",
    ],
)  # fmt: skip
def test_anything_but_the_identical_string_gets_a_page_ac_94_p_01(visitor: Visitor, uri: str) -> None:
    """Also oidcc-redirect-uri-query-added."""
    assert_page(visitor.ask(redirect_uri=uri))


@pytest.mark.parametrize(
    "uri",
    ["http://rp.test/callback", "javascript:alert(1)", "data:text/html,x", "intent://x#Intent;end", "about:blank"],
)
def test_another_scheme_gets_a_page_ac_95(visitor: Visitor, uri: str) -> None:
    answer = visitor.ask(redirect_uri=uri)

    assert_page(answer)
    assert uri not in answer.text


@pytest.mark.parametrize("port", ["", ":80", ":4711", ":65535"])
def test_an_app_may_listen_on_any_loopback_port_ac_96_p_61(visitor: Visitor, port: str) -> None:
    answer = visitor.ask("mobile", redirect_uri=f"http://127.0.0.1{port}/callback")

    assert visitor.interaction(answer)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:4711/other", "http://127.0.0.1:4711/callback/", "http://localhost:4711/callback",
        "http://[::1]:4711/callback", "http://127.0.0.1.evil:4711/callback", "https://127.0.0.1:4711/callback",
        "http://127.0.0.1:4711@evil/callback", "http://127.0.0.2:4711/callback", "http://127.0.0.1:4711/callback?x=1",
        "http://127.0.0.1:47x/callback", "fr.caf.app:/other", "fr.caf.app://callback", "FR.caf.app:/callback",
    ],
)  # fmt: skip
def test_only_the_port_of_a_loopback_address_may_vary_ac_96(visitor: Visitor, uri: str) -> None:
    assert_page(visitor.ask("mobile", redirect_uri=uri))


def test_the_port_of_a_website_may_not_vary_p_61(app: Flask, visitor: Visitor) -> None:
    assert_page(visitor.ask("web", redirect_uri="http://127.0.0.1:4711/callback"))


@pytest.mark.parametrize("uri", [None, ""])
def test_a_missing_redirect_uri_gets_a_page_ac_97(visitor: Visitor, uri: str | None) -> None:
    """Also oidcc-ensure-redirect-uri-in-authorization-request."""
    assert_page(visitor.ask(redirect_uri=uri))


def test_both_wrong_gets_a_page_p_02(visitor: Visitor) -> None:
    assert_page(visitor.ask("nobody", redirect_uri="https://evil.tld/"))


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_an_address_sent_twice_gets_a_page_ac_105_p_78(visitor: Visitor, name: str) -> None:
    good = {"client_id": "web", "redirect_uri": CALLBACK}[name]

    answer = visitor.ask(**{name: [good, good]})

    assert_page(answer)
    assert "repeated" in answer.text
    assert_page(visitor.ask(**{name: [good, "https://evil.tld/"]}))
    assert_page(visitor.ask(**{name: ["", good]}))


def test_even_a_silent_request_is_not_redirected_to_a_stranger(visitor: Visitor) -> None:
    assert_page(visitor.ask(redirect_uri="https://evil.tld/", prompt="none"))


def test_a_suspended_client_gets_its_own_page_u21f(app: Flask, visitor: Visitor) -> None:
    with app.app_context():
        suspend_client("web", visitor.clock())
        db.session.commit()

    answer = visitor.ask(prompt="none")

    assert_page(answer, 403)
    assert "Web" in answer.text


def test_a_registered_query_is_part_of_the_string(app: Flask, visitor: Visitor) -> None:
    """oidcc-redirect-uri-query-OK, -query-mismatch."""
    with app.app_context():
        add_client("query", redirect_uris=["https://rp.test/cb?tenant=1"])

    assert visitor.interaction(visitor.ask("query", redirect_uri="https://rp.test/cb?tenant=1"))
    assert_page(visitor.ask("query", redirect_uri="https://rp.test/cb?tenant=2"))
    assert_page(visitor.ask("query", redirect_uri="https://rp.test/cb"))


def test_no_script_of_another_site_may_read_the_endpoint_ac_122_p_17(visitor: Visitor) -> None:
    answer = visitor.browser.options("/authorize", headers={"Origin": "https://evil.tld"})

    assert not [name for name, _value in answer.headers if name.startswith("Access-Control-Allow")]
