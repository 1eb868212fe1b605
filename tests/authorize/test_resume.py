"""A walk is answered once, to the browser that walked it, for the person who walked it."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from idp.db import db
from idp.oidc import authorize
from idp.oidc.clients import ClientRow, forget_cached_clients, suspend_client
from idp.signin.interaction import Interaction
from tests.authorize.conftest import CALLBACK, COOKIE, Visitor, assert_page, error_of, told_to


def test_a_stranger_is_led_to_the_pages(visitor: Visitor) -> None:
    answer = visitor.ask()

    interaction = visitor.interaction(answer)
    assert answer.headers["Location"] == f"/signin/{interaction.id}/"
    assert interaction.demand.service == "Web"
    assert interaction.demand.form_target == CALLBACK
    assert interaction.resume_url == f"/authorize/{interaction.id}"
    assert COOKIE in answer.headers["Set-Cookie"]


def test_a_finished_walk_is_answered(visitor: Visitor, alice: str) -> None:
    fields = told_to(visitor.walk(visitor.ask(), alice))

    assert set(fields) == {"code", "state", "iss"}
    assert fields["state"] == "a state"


def test_an_unfinished_walk_goes_on(visitor: Visitor) -> None:
    interaction = visitor.interaction(visitor.ask())

    answer = visitor.browser.get(interaction.resume_url)

    assert answer.headers["Location"] == f"/signin/{interaction.id}/"


def test_a_cancelled_walk_is_told(visitor: Visitor, alice: str) -> None:
    """fapi2 user-rejects-authentication: 128 characters of state come back."""
    state = "s" * 128

    answer = visitor.walk(visitor.ask(state=state), alice, outcome="cancelled")

    assert error_of(answer) == "access_denied"
    assert told_to(answer)["state"] == state


def test_a_walk_is_answered_once_u19(visitor: Visitor, alice: str) -> None:
    answer = visitor.ask()
    interaction = visitor.interaction(answer)
    told_to(visitor.walk(answer, alice))

    again = visitor.browser.get(interaction.resume_url)

    assert again.headers["Location"] == f"/signin/{interaction.id}/already"
    assert "code=" not in again.headers["Location"]


def test_ten_tabs_at_once_get_one_code(visitor: Visitor, alice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = visitor.ask()
    interaction = visitor.interaction(first)
    visitor.sign_in(alice)
    with visitor.app.app_context():
        from dataclasses import replace

        from idp.signin.interaction import INTERACTIONS
        from idp.state import state

        state.change(INTERACTIONS, interaction.id, lambda old: replace(old, outcome="done", account_id=alice))
    cookie = visitor.browser.get_cookie(COOKIE, domain="idp.test")
    assert cookie is not None

    all_have_read, read = Barrier(10), authorize.get_interaction

    def read_together(interaction_id: str, resume_at: str) -> Interaction:
        found = read(interaction_id, resume_at)
        all_have_read.wait(20)
        return found

    monkeypatch.setattr(authorize, "get_interaction", read_together)

    def come_back(_n: int) -> str:
        browser = visitor.app.test_client()
        browser.set_cookie(COOKIE, cookie.value, domain="idp.test", secure=True)
        return str(browser.get(interaction.resume_url).headers["Location"])

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(come_back, range(10)))

    assert len([where for where in answers if "code=" in where]) == 1
    assert len([where for where in answers if where.endswith("/already")]) == 9


def test_another_browser_gets_nothing_ac_22(
    visitor: Visitor, new_visitor: Callable[[], Visitor], alice: str, bob: str
) -> None:
    interaction = visitor.interaction(visitor.ask())
    thief = new_visitor()
    thief.sign_in(bob)

    answer = thief.browser.get(interaction.resume_url)

    assert_page(answer, 403)


def test_an_unknown_walk_has_expired_u18(visitor: Visitor) -> None:
    assert_page(visitor.browser.get("/authorize/" + "x" * 22))


def test_two_walks_in_two_tabs_never_cross(visitor: Visitor, alice: str) -> None:
    one, two = visitor.ask(state="one"), visitor.ask("narrow", state="two")

    second = told_to(visitor.walk(two, alice))
    first = told_to(visitor.walk(one, alice))

    assert (first["state"], second["state"]) == ("one", "two")


def test_somebody_else_signing_in_meanwhile_gets_no_code_of_this_walk(visitor: Visitor, alice: str, bob: str) -> None:
    from dataclasses import replace

    from idp.signin.interaction import INTERACTIONS
    from idp.state import state

    interaction = visitor.interaction(visitor.ask())
    visitor.sign_in(bob)
    with visitor.app.app_context():
        state.change(INTERACTIONS, interaction.id, lambda old: replace(old, outcome="done", account_id=alice))

    assert error_of(visitor.browser.get(interaction.resume_url)) == "login_required"


def test_a_client_suspended_meanwhile_gets_no_answer(visitor: Visitor, alice: str) -> None:
    answer = visitor.ask()
    with visitor.app.app_context():
        suspend_client("web", visitor.clock())
        db.session.commit()

    assert_page(visitor.walk(answer, alice), 403)


def test_a_redirect_uri_struck_off_meanwhile_gets_no_answer(visitor: Visitor, alice: str) -> None:
    answer = visitor.ask()
    with visitor.app.app_context():
        row = db.session.get(ClientRow, "web")
        assert row is not None
        row.client_metadata = {**row.client_metadata, "redirect_uris": ["https://rp.test/new"]}
        db.session.commit()
        forget_cached_clients()

    assert_page(visitor.walk(answer, alice))


def test_a_restart_asks_for_the_same_thing(visitor: Visitor, alice: str) -> None:
    answer = visitor.ask(state="é &", max_age="100", claims='{"userinfo":{"name":null}}')
    first = visitor.interaction(answer)

    again = visitor.browser.get(visitor.browser.get(f"/signin/{first.id}/restart").headers["Location"])

    second = visitor.interaction(again)
    assert second.id != first.id
    assert second.payload == first.payload
    assert told_to(visitor.walk(again, alice))["state"] == "é &"
