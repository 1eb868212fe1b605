"""Everything at once: double clicks, many browsers, many people; each ends where it should, and nobody crosses."""

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from idp.db import db
from idp.messages.models import Outbox
from idp.mfa import guard
from idp.session import SessionRecord
from idp.signin import code, identify
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, ISSUER, Browser, Clock
from tests.signin.conftest import Visitor
from tests.signin.test_walk import add_bob

Visitors = Callable[[], Visitor]
BOB = ("299132A999003", "bobs-long-password-1")


def cookie_of(browser: Browser) -> str:
    cookie = browser.get_cookie("__Host-sid", domain="idp.test")
    assert cookie is not None
    return cookie.value


def press_twice(visitor: Visitor, action: str, **fields: Any) -> list[Visitor]:
    """Send a form twice at the same moment; return where each answer leads a browser that got no other one."""
    form = next(one for one in visitor.browser.forms(visitor.page.text) if one[""].endswith(f"/{action}"))
    url, cookie, gate = form.pop(""), cookie_of(visitor.browser), threading.Barrier(2)

    def press(_n: int) -> Visitor:
        browser: Any = visitor.app.test_client()
        browser.set_cookie("__Host-sid", cookie, domain="idp.test", secure=True)
        gate.wait()
        headers = {"Origin": ISSUER, "Sec-Fetch-Site": "same-origin"}
        answer = browser.post(url, data={**form, **fields}, headers=headers)
        pressed = Visitor(visitor.app, browser)
        pressed._id = visitor.id
        return pressed._arrive(answer)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(press, range(2)))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two passwords be checked only when both forms have arrived; what is done with them is unchanged."""
    gate, authenticate = threading.Barrier(2, timeout=20), identify.authenticate

    def meet(**typed: Any) -> Any:
        gate.wait()
        return authenticate(**typed)

    monkeypatch.setattr(identify, "authenticate", meet)


@pytest.mark.usefixtures("at_once")
def test_the_password_sent_twice_at_once_leads_on_whichever_answer_is_read(visitor: Visitor) -> None:
    pressed = press_twice(visitor.start(), "identify", nir=ALICE_NIR, password=ALICE_PASSWORD)

    assert [(one.page.status_code, one.step) for one in pressed] == [(200, "send")] * 2
    assert pressed[0].ask_for_code().type_code().is_back


@pytest.mark.usefixtures("at_once")
def test_answers_to_one_password_sent_twice_share_no_sign_in_ac_21(visitor: Visitor) -> None:
    pressed = press_twice(visitor.start(), "identify", nir=ALICE_NIR, password=ALICE_PASSWORD)

    assert len({one.id for one in pressed}) == len({cookie_of(one.browser) for one in pressed}) == 2
    for one, other in (pressed, pressed[::-1]):
        assert one.browser.get(f"/signin/{other.id}/send").status_code == 403


def test_send_pressed_twice_at_once_sends_one_code_and_both_lead_to_it_rc_18(app: Flask, visitor: Visitor) -> None:
    pressed = press_twice(visitor.start().identify(), "send", channel="email")

    # Without a network between, the second may look before the first has written its code down.
    assert {one.page.status_code for one in pressed} <= {200, 429}
    assert [one.open(f"/signin/{visitor.id}/").step for one in pressed] == ["code", "code"]
    with app.app_context():
        assert db.session.query(Outbox).count() == 1


def test_the_code_sent_twice_at_once_signs_in_once_and_says_nothing_untrue(app: Flask, visitor: Visitor) -> None:
    visitor.start().identify().ask_for_code()

    pressed = press_twice(visitor, "code", code=visitor.code)

    assert sorted(one.page.status_code for one in pressed) in ([303, 303], [303, 403])
    assert sum("code=" in one.page.headers.get("Location", "") for one in pressed) <= 1
    for one in pressed:
        assert one.page.status_code == 303 or f"/signin/{visitor.id}/restart" in one.page.text
    with app.app_context():
        assert db.session.query(SessionRecord).count() == 1


def test_the_code_sent_again_before_the_first_is_written_down_offers_no_other_code(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    visitor.start().identify().ask_for_code("sms")
    form = next(one for one in visitor.browser.forms(visitor.page.text) if one[""].endswith("/code"))
    url, cookie, rivals = form.pop(""), cookie_of(visitor.browser), list[Any]()
    headers, fields = {"Origin": ISSUER, "Sec-Fetch-Site": "same-origin"}, {**form, "code": visitor.code}

    def send_again() -> Any:
        browser: Any = visitor.app.test_client()
        browser.set_cookie("__Host-sid", cookie, domain="idp.test", secure=True)
        return browser.post(url, data=fields, headers=headers)

    def meanwhile(*proved: Any) -> Any:
        with ThreadPoolExecutor(1) as pool:
            rivals.append(pool.submit(send_again).result(20))
        return prove(*proved)

    prove = code.prove
    monkeypatch.setattr(code, "prove", meanwhile)

    assert visitor.type_code().is_back
    (rival,) = rivals
    assert rival.status_code == 403
    assert f"/signin/{visitor.id}/restart" in rival.text


def test_a_browser_whose_session_is_gone_may_begin_again(visitor: Visitor, new_visitor: Visitors) -> None:
    visitor.start().identify()
    stale = new_visitor()
    stale.browser.set_cookie("__Host-sid", "x" * 43, domain="idp.test", secure=True)

    answer = stale.browser.get(f"/signin/{visitor.id}/send")
    assert answer.status_code == 403
    assert stale.open(f"/signin/{visitor.id}/restart").step == "identify"
    assert stale.id != visitor.id


def test_in_another_tab_one_waits_and_is_told_how_long(visitor: Visitor, clock: Clock) -> None:
    visitor.start().identify().ask_for_code()
    other = Visitor(visitor.app, visitor.browser).start(prompt="login").identify()
    clock.step(seconds=10)

    other.ask_for_code()

    assert other.step == "send"
    assert other.page.status_code == 429
    assert other.page.headers["Retry-After"] == "20"
    assert "20 secondes" in other.page.text
    clock.step(seconds=20)
    assert other.open("send?wait=1").page.status_code == 200


def test_browsers_guessing_at_once_get_ten_comparisons_in_all_ac_27(
    app: Flask, new_visitor: Visitors, clock: Clock
) -> None:
    guessers = []
    for _ in range(5):
        guessers.append(new_visitor().start().identify().ask_for_code())
        clock.step(seconds=31)
    gate = threading.Barrier(5)

    def guess(visitor: Visitor) -> int:
        told, page = 0, visitor.page.text
        wrong = visitor.wrong_code
        gate.wait()
        for _ in range(4):
            answer = visitor.browser.submit(page, "/code", code=wrong)
            told += answer.status_code == 422
        return told

    with ThreadPoolExecutor(5) as pool:
        compared = sum(pool.map(guess, guessers))

    # Nine heard "wrong"; the tenth began the pause.
    assert compared == 9
    with app.app_context():
        counted = db.session.query(guard.CodeGuard).one()
        assert (counted.failures, counted.pauses) == (10, 1)


@pytest.mark.parametrize("seed", range(6))
def test_people_and_tabs_in_any_order_never_cross(app: Flask, new_visitor: Visitors, clock: Clock, seed: int) -> None:
    """Two people at two browsers with two tabs each, their steps shuffled: every answer is its own tab's."""
    bob, pick = add_bob(app), random.Random(seed)
    tabs = []
    for person in ("alice", "bob"):
        browser = new_visitor().browser
        for number in range(2):
            tab = Visitor(app, browser)
            tabs.append((person, f"{person}-{number}", tab.start(state=f"{person}-{number}")))

    waiting = list(tabs)
    for _ in range(200):
        if not waiting:
            break
        person, name, tab = pick.choice(waiting)
        _take_one_step(tab, person, clock)
        if tab.is_back:
            waiting.remove((person, name, tab))

    assert not waiting
    assert [tab.told["state"] for _, _, tab in tabs] == [name for _, name, _ in tabs]
    assert len({tab.told["code"] for _, _, tab in tabs}) == 4
    with app.app_context():
        owners = {tab.interaction.account_id == bob: person for person, _, tab in tabs}
        assert owners == {True: "bob", False: "alice"}


def _take_one_step(tab: Visitor, person: str, clock: Clock) -> None:
    clock.step(seconds=31)
    tab.open(f"/signin/{tab.id}/")
    if tab.is_back:
        return
    if tab.step == "identify":
        tab.identify(*(BOB if person == "bob" else ()))
    elif tab.step == "send":
        tab.ask_for_code()
    elif tab.step == "code":
        tab.type_code()
