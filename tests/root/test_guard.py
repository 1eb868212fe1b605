"""Every request is checked before any view, every answer carries the headers of a page that guards something."""

import re

import pytest

from tests.conftest import ISSUER, Browser

PAGE = "/help/easy"


def test_pages_carry_the_security_headers(http: Browser) -> None:
    headers = http.get(PAGE).headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert re.search(r"script-src 'nonce-[\w-]{22}'", policy)
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
    assert headers["Cache-Control"] == "no-store"
    assert "Cookie" in headers["Vary"]


def test_no_answer_tells_the_server_or_its_version(http: Browser) -> None:
    assert "Server" not in http.get(PAGE).headers


@pytest.mark.parametrize("host", ["evil.example", "idp.test.evil.example", "idp.test:8443", ""])
def test_a_foreign_host_is_refused_ac_155(http: Browser, host: str) -> None:
    answer = http.get(PAGE, headers={"Host": host})

    assert answer.status_code in {400, 421}
    assert "evil" not in answer.text


def test_forwarded_headers_of_strangers_are_ignored_ac_190(http: Browser) -> None:
    answer = http.get(
        PAGE, headers={"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http", "Forwarded": "host=evil"}
    )

    assert answer.status_code == 200
    assert "evil" not in answer.text


def test_plain_http_leads_to_https_for_pages_and_nowhere_for_posts_ac_123(http: Browser) -> None:
    page = http.get(PAGE, base_url="http://idp.test")
    post = http.post("/token", base_url="http://idp.test")

    assert (page.status_code, page.headers["Location"]) == (301, ISSUER + PAGE)
    assert post.status_code == 400


@pytest.mark.parametrize(
    "path", ["/help/%00", "/help/easy?x=%00", "/help/easy?x=%ff", "/help/easy?x=%c0%af", "/help/%ed%a0%80"]
)
def test_what_is_not_text_is_refused_ac_212(http: Browser, path: str) -> None:
    assert http.get(path).status_code in {400, 404}


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "DEBUG"])
def test_odd_methods_are_refused_ac_191(http: Browser, method: str) -> None:
    assert http.open(PAGE, method=method).status_code == 405


def test_a_huge_body_is_refused_before_it_is_read_ac_205(http: Browser) -> None:
    answer = http.post("/logout", data={"x": "a" * 5_000_000})

    assert answer.status_code == 413


def test_a_huge_address_is_refused(http: Browser) -> None:
    assert http.get(PAGE + "?x=" + "a" * 40_000).status_code == 414


@pytest.mark.parametrize(
    "path",
    [
        "/metrics",
        "/debug",
        "/.env",
        "/.git/HEAD",
        "/static/../config/sesame.toml",
        "/static/%2e%2e/settings.py",
        "/console",
    ],
)
def test_nothing_of_the_inside_is_served_ac_223(http: Browser, path: str) -> None:
    assert http.get(path).status_code == 404


def test_an_unknown_page_has_a_reference_and_no_stack_trace_ac_218(http: Browser) -> None:
    answer = http.get("/nowhere")

    assert answer.status_code == 404
    assert re.search(r'data-reference="[A-Z0-9]{3}-[A-Z0-9]{3}"', answer.text)
    assert "Traceback" not in answer.text


def test_health_says_nothing_but_the_state(http: Browser) -> None:
    assert http.get("/healthz/live").json == {"status": "live"}
    assert http.get("/healthz/ready").json == {"status": "ready"}


def test_the_language_is_chosen_by_address_then_cookie_then_browser(http: Browser) -> None:
    by_browser = http.get(PAGE, headers={"Accept-Language": "en-GB,fr;q=0.5"})
    by_address = http.get(PAGE + "?ui_locales=fr", headers={"Accept-Language": "en"})
    by_cookie = http.get(PAGE, headers={"Accept-Language": "en"})

    assert '<html lang="en"' in by_browser.text
    assert '<html lang="fr"' in by_address.text
    assert '<html lang="fr"' in by_cookie.text


@pytest.mark.parametrize("tags", ["xx", "<script>", "se", "fr-" * 50, "en-US-x-\u00e9", "zz en"])
def test_odd_languages_do_no_harm(http: Browser, tags: str) -> None:
    assert http.get(PAGE, query_string={"ui_locales": tags}).status_code == 200
