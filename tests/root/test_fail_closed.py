"""When a store is down nobody gets in by it; what needs no store goes on (RC-01, RC-03, RC-43)."""

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from flask import Flask
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.engine import Engine

from idp import prepared
from idp.db import db
from idp.session import SessionRecord
from idp.signin import walk
from idp.state import State, StateDown
from idp.state_redis import RedisStore
from tests.conftest import ALICE_NIR, ALICE_PASSWORD
from tests.signin.conftest import Visitor, relying_parties, visitor

__all__ = ["relying_parties", "visitor"]


@pytest.fixture
def break_state(whole_app: Flask) -> Iterator[Callable[[], None]]:
    """Return an act that takes the state store away."""
    parts: dict[str, Any] = whole_app.extensions["sesame"]
    living = parts["state"]

    def _break() -> None:
        parts["state"] = State(RedisStore("redis://127.0.0.1:1/0"))

    yield _break
    parts["state"] = living


@pytest.fixture
def break_database(whole_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return an act that takes the database away: nothing listens where its engine goes."""

    def _break() -> None:
        with whole_app.app_context():
            engines: dict[Any, Engine] = db._app_engines[whole_app]
            nowhere = create_engine("postgresql+psycopg://x@127.0.0.1:1/x")
            monkeypatch.setitem(engines, None, nowhere)
            # Prepared statements keep the engine that they found.
            monkeypatch.setattr(prepared, "_engine", lambda: nowhere)

    return _break


def test_a_sign_in_waits_with_503_and_goes_on_afterwards(
    visitor: Visitor, break_state: Callable[[], None], whole_app: Flask
) -> None:
    visitor.start().identify()
    living = whole_app.extensions["sesame"]["state"]
    break_state()

    answer = visitor.browser.get(f"/signin/{visitor.id}/send")
    whole_app.extensions["sesame"]["state"] = living

    assert answer.status_code == 503
    assert "Retry-After" in answer.headers
    assert "data-reference" in answer.text
    assert not answer.headers.getlist("Set-Cookie")
    assert visitor.open("").step == "send"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/.well-known/openid-configuration", 200),
        ("GET", "/jwks.json", 200),
        ("GET", "/healthz/live", 200),
        ("GET", "/healthz/ready", 503),
        ("GET", "/authorize?client_id=web", 400),
        ("GET", "/userinfo", 401),
    ],
)
def test_what_needs_no_state_goes_on_without_it(
    visitor: Visitor, break_state: Callable[[], None], method: str, path: str, status: int
) -> None:
    visitor.browser.get("/jwks.json")
    break_state()

    assert visitor.browser.open(path, method=method).status_code == status


def test_a_token_is_neither_given_nor_believed_without_the_state(
    visitor: Visitor, break_state: Callable[[], None]
) -> None:
    break_state()

    userinfo = visitor.browser.get("/userinfo", headers={"Authorization": "Bearer " + "A" * 65})
    token = visitor.browser.post("/token", data={"grant_type": "authorization_code", "code": "x", "client_id": "web"})

    for answer in (userinfo, token):
        assert answer.status_code == 503
        assert answer.json == {"error": "temporarily_unavailable"}


def test_a_password_is_not_answered_without_the_state(visitor: Visitor, break_state: Callable[[], None]) -> None:
    form = visitor.start().page
    break_state()

    answer = visitor.browser.submit(form.text, "/identify", nir=ALICE_NIR, password=ALICE_PASSWORD)

    assert answer.status_code == 503


def test_a_sign_in_that_failed_half_way_goes_on_under_its_new_session_RC_03(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = visitor.start().page
    with monkeypatch.context() as patched:
        # The session has another id by then.
        patched.setattr(walk, "update_interaction", Mock(side_effect=StateDown))
        failed = visitor.browser.submit(form.text, "/identify", nir=ALICE_NIR, password=ALICE_PASSWORD)

    again = visitor.browser.submit(form.text, "/identify", nir=ALICE_NIR, password=ALICE_PASSWORD)

    assert failed.status_code == 503
    assert [cookie.partition("=")[0] for cookie in failed.headers.getlist("Set-Cookie")] == ["__Host-sid"]
    assert again.status_code == 303
    assert again.headers["Location"].startswith("/signin/")


@pytest.mark.parametrize("place", ["devices.remember_device", "note_begun", "new_devices.note_new_device"])
def test_a_sign_in_that_failed_at_its_end_signs_nobody_in_and_is_done_when_asked_again_RC_07(
    visitor: Visitor, whole_app: Flask, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    form = visitor.start().identify().ask_for_code().page
    with monkeypatch.context() as patched:
        # At some of these the session is a signed-in one already.
        patched.setattr(f"idp.signin.walk.{place}", Mock(side_effect=StateDown))
        failed = visitor.browser.submit(form.text, "/code", code=visitor.code)
    with whole_app.app_context():
        begun = db.session.scalar(select(func.count()).select_from(SessionRecord))

    again = visitor.open(f"/signin/{visitor.id}/code")

    assert failed.status_code == 503
    assert [cookie.partition("=")[0] for cookie in failed.headers.getlist("Set-Cookie")] == ["__Host-sid"]
    assert begun == 0
    assert again.is_back
    assert "code" in again.told
    with whole_app.app_context():
        assert db.session.scalar(select(func.count()).select_from(SessionRecord)) == 1


def test_without_the_database_nobody_signs_in_and_the_node_is_not_ready(
    visitor: Visitor, break_database: Callable[[], None]
) -> None:
    form = visitor.start().page
    break_database()

    answer = visitor.browser.submit(form.text, "/identify", nir=ALICE_NIR, password=ALICE_PASSWORD)

    assert answer.status_code == 503
    assert not answer.headers.getlist("Set-Cookie")
    assert visitor.browser.get("/healthz/ready").status_code == 503
    assert visitor.browser.get("/healthz/live").status_code == 200


def test_what_leaves_no_trace_does_not_happen_and_the_page_says_so_RC_10(visitor: Visitor, whole_app: Flask) -> None:
    form = visitor.start().page
    with whole_app.app_context():
        # As a database that takes reads only: every event is refused.
        db.session.execute(text("ALTER TABLE audit_events RENAME TO audit_events_away"))
        db.session.commit()

    answer = visitor.browser.submit(form.text, "/identify", nir="1991399999001", password="wrong-horse-9-battery")
    with whole_app.app_context():
        db.session.execute(text("ALTER TABLE audit_events_away RENAME TO audit_events"))
        db.session.commit()

    assert answer.status_code == 503
    assert "data-reference" in answer.text
    assert answer.headers["Retry-After"]
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert not answer.headers.getlist("Set-Cookie")
