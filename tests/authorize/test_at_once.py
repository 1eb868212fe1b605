"""A visitor whom nothing keeps here is answered by the lane as by Flask; every other is left to Flask (R21)."""

import re
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from flask import Flask

from idp.db import db
from idp.oidc.clients import suspend_client
from idp.oidc.lane import Lane
from tests.authorize.conftest import COOKIE, Visitor, add_client, request_fields
from tests.conftest import Clock
from tests.oidc.wsgi import ask

DRAWN = re.compile(r"\d\d:\d\d:\d\d GMT|[A-Za-z0-9_-]{20,}|[3479CDFHJKMNPQRTWXY]{3}-[3479CDFHJKMNPQRTWXY]{3}")
# What is asked, what the request says beside it, and whether the lane answers.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "plain": ({}, {}, True),
    "a browser": ({}, {"HTTP_SEC_FETCH_MODE": "navigate", "HTTP_ACCEPT_LANGUAGE": "en"}, True),
    "without state": ({"state": None}, {}, True),
    "an odd state": ({"state": "é&=%\"<'"}, {}, True),
    "young enough": ({"max_age": "600"}, {}, True),
    "a level that is reached": ({"acr_values": "urn:sesame:acr:2sv"}, {}, True),
    "what nobody knows": ({"flavour": "x"}, {}, True),
    "another cookie before": ({}, {"cookies": "a=b; c; __Host-device=x; "}, True),
    "a cookie that is no text": ({}, {"cookies": "a=\xff; "}, True),
    "another session's cookie before": ({}, {"cookies": f"{COOKIE}=stranger; "}, False),
    "too old": ({"max_age": "0"}, {}, False),
    "a prompt": ({"prompt": "login"}, {}, False),
    "silently": ({"prompt": "none"}, {}, False),
    "a language": ({"ui_locales": "en"}, {}, False),
    "a form": ({"response_mode": "form_post"}, {}, False),
    "an unknown client": ({"client_id": "nobody"}, {}, False),
    "no client": ({"client_id": None}, {}, False),
    "a client of others": ({"client_id": "shop", "redirect_uri": "https://shop.test/cb"}, {}, False),
    "a client for the first time": ({"client_id": "narrow", "max_age": "600"}, {}, False),
    "a redirect URI that is not registered": ({"redirect_uri": "https://evil.test/"}, {}, False),
    "twice": ({"state": ["a", "b"]}, {}, False),
    "without PKCE": ({"code_challenge": None}, {}, False),
    "without openid": ({"scope": "profile"}, {}, False),
    "tokens": ({"response_type": "token"}, {}, False),
    "a resource": ({"resource": "https://api.test"}, {}, False),
    "NUL": ({"state": "\0"}, {}, False),
    "a request object": ({"request": "e30.e30."}, {}, False),
    "a pushed request": ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, {}, False),
    "another host": ({}, {"HTTP_HOST": "evil.example"}, False),
    "plain http": ({}, {"wsgi.url_scheme": "http", "SERVER_PORT": "80"}, False),
    "below a path": ({}, {"SCRIPT_NAME": "/below"}, False),
}


@pytest.fixture
def lane(app: Flask) -> Lane:
    """Return the lane, whichever way the other tests go."""
    front = app.wsgi_app
    return cast(Lane, front) if isinstance(front, Lane) else Lane(app)


@pytest.fixture
def known(visitor: Visitor, alice: str, clock: Clock) -> Visitor:
    """Return a visitor who is signed in since a second, and has been at `web` before."""
    visitor.sign_in(alice)
    assert visitor.ask().status_code == 303
    clock.step(seconds=1)
    return visitor


def visit(wsgi: Any, visitor: Visitor, asked: dict[str, Any], said: dict[str, Any], method: str = "GET") -> Any:
    """Send an authorization request with the visitor's cookie; what is drawn anew each time is blotted out."""
    held = visitor.browser.get_cookie(COOKIE, domain="idp.test")
    assert held is not None
    query = urlencode([(n, v) for n, v in request_fields(**asked).items() if v is not None], doseq=True)
    more = {name: value for name, value in said.items() if name != "cookies"}
    answer = ask(
        wsgi, method, f"/authorize?{query}", HTTP_COOKIE=f"{said.get('cookies', '')}{COOKIE}={held.value}", **more
    )
    return DRAWN.sub("…", repr(answer))


def takes(lane: Lane, visitor: Visitor, asked: dict[str, Any], said: dict[str, Any]) -> bool:
    """Tell whether the lane answers by itself."""
    behind, left = lane.behind, list[str]()

    def note(environ: dict[str, Any], start_response: Any) -> Any:
        left.append(environ["PATH_INFO"])
        return behind(environ, start_response)

    lane.behind = note
    try:
        visit(lane, visitor, asked, said)
    finally:
        lane.behind = behind
    return not left


@pytest.mark.parametrize("case", CASES)
def test_lane_and_flask_answer_a_visitor_alike(lane: Lane, known: Visitor, case: str) -> None:
    asked, said, is_taken = CASES[case]

    assert takes(lane, known, asked, said) is is_taken
    assert visit(lane, known, asked, said) == visit(lane.behind, known, asked, said)


def test_a_code_of_the_lane_is_a_code(lane: Lane, known: Visitor, told: list[dict[str, Any]]) -> None:
    told.clear()
    by_lane = visit(lane, known, {}, {})
    lines = [{**line, "ms": 0, "timestamp": "", "grant": ""} for line in told]
    told.clear()
    visit(lane.behind, known, {}, {})

    assert by_lane.startswith("('303 SEE OTHER', [('Location', 'https://rp.test/callback?code=")
    assert lines == [{**line, "ms": 0, "timestamp": "", "grant": ""} for line in told]
    assert [line["event"] for line in lines] == ["code-issued", "request"]


def test_who_is_signed_out_gets_no_code(lane: Lane, known: Visitor, alice: str) -> None:
    held = known.session()
    assert held is not None
    assert held.sid is not None
    with known.app.app_context():
        from idp.session import end_session_by_id

        assert end_session_by_id(held.sid, known.clock())
        db.session.commit()

    assert not takes(lane, known, {}, {})


def test_a_suspended_client_gets_no_visitor(lane: Lane, known: Visitor) -> None:
    with known.app.app_context():
        assert suspend_client("web", known.clock())
        db.session.commit()

    assert not takes(lane, known, {}, {})
    assert visit(lane, known, {}, {}).startswith("('403")


def test_a_session_that_is_idle_for_too_long_gets_no_code(lane: Lane, known: Visitor, clock: Clock) -> None:
    clock.step(minutes=31)

    assert not takes(lane, known, {}, {})


def test_a_loop_is_broken_by_the_lane_too(lane: Lane, known: Visitor) -> None:
    """U20: the ninth time within ten seconds is a page, the tenth begins anew."""
    said = {"HTTP_SEC_FETCH_MODE": "navigate"}

    statuses = [visit(lane, known, {}, said)[2:5] for _ in range(10)]

    assert statuses == ["303"] * 8 + ["409", "303"]


def test_a_client_above_the_level_of_the_session_gets_no_code(lane: Lane, known: Visitor) -> None:
    with known.app.app_context():
        add_client("safe", minimum_acr="urn:sesame:acr:mfa")

    assert not takes(lane, known, {"client_id": "safe"}, {})
