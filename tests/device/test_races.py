"""Everything at once: one yes, one set of tokens, one answer."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from flask import Flask

from idp.db import db
from idp.messages.models import Outbox
from idp.oidc.refresh import RefreshFamily
from tests.conftest import ISSUER
from tests.device.conftest import HOME, Device, Person, another_code
from tests.signin.test_races import cookie_of


def at_once(acts: list[Callable[[], Any]]) -> list[Any]:
    gate = threading.Barrier(len(acts))

    def run(act: Callable[[], Any]) -> Any:
        gate.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def twin(device: Device) -> Device:
    other = Device(device.browser.application.test_client(), device.client_id, device.secret)  # type: ignore[arg-type]
    other.screen = device.screen
    return other


def presses(person: Person, *fields: dict[str, str]) -> list[Callable[[], Any]]:
    """Return what presses the buttons of the page, each from a copy of the browser."""
    where = person.page.request.path
    form = next(form for form in person.browser.forms(person.page.text) if form[""] == where)
    cookie = cookie_of(person.browser)

    def press(more: dict[str, str]) -> Any:
        browser: Any = person.app.test_client()
        browser.environ_base["REMOTE_ADDR"] = HOME
        browser.set_cookie("__Host-sid", cookie, domain="idp.test", secure=True)
        data = {name: value for name, value in {**form, **more}.items() if name}
        return browser.post(where, data=data, headers={"Origin": ISSUER, "Sec-Fetch-Site": "same-origin"})

    return [lambda more=more: press(more) for more in fields]


def test_polls_at_once_give_one_set_of_tokens(app: Flask, tv: Device, person: Person) -> None:
    person.come_to_the_question(tv).allow()

    told = at_once([twin(tv).poll for _ in range(12)])

    assert Counter(answer.status_code for answer in told) == {200: 1, 400: 11}
    assert {answer.json["error"] for answer in told if answer.status_code == 400} == {"invalid_grant"}
    with app.app_context():
        assert db.session.query(RefreshFamily).count() == 1


def test_hasty_polls_at_once_are_each_counted(tv: Device) -> None:
    told = at_once([twin(tv).poll for _ in range(8)])

    assert Counter(answer.json["error"] for answer in told) == {"authorization_pending": 1, "slow_down": 7}


def test_yes_and_no_at_once_are_one_answer(tv: Device, person: Person) -> None:
    person.come_to_the_question(tv)

    at_once(presses(person, {"decision": "allow", "origin": "seen"}, {"decision": "deny"}))

    told = tv.poll()
    shown = person.open(person.page.request.path).is_connected
    assert (told.status_code == 200, told.json.get("error")) in {(True, None), (False, "access_denied")}
    assert shown == (told.status_code == 200)


def test_yes_pressed_many_times_at_once_sends_one_message(app: Flask, tv: Device, person: Person) -> None:
    person.come_to_the_question(tv)

    at_once(presses(person, *[{"decision": "allow", "origin": "seen"}] * 6))

    assert tv.poll().status_code == 200
    with app.app_context():
        assert db.session.query(Outbox).filter_by(purpose="device").count() == 1


def test_guesses_at_once_are_ten_in_all(tv: Device, person: Person) -> None:
    person.open("/device")
    wrong = {"user_code": another_code(tv.code)}

    told = at_once(presses(person, *[wrong] * 20))

    assert Counter(answer.status_code for answer in told) == {422: 10, 429: 10}
