"""A stranger starts a device far away and talks a person into allowing it, by every means he has (RFC 8628 §5.4)."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from idp.audit import AuditEvent
from idp.db import db
from tests.conftest import ISSUER, Clock
from tests.device.conftest import ELSEWHERE, Device, Person, Switch, another_code
from tests.signin.conftest import Visitor

People = Callable[..., Person]


@pytest.fixture
def stranger(switch_on: Switch) -> Device:
    """Return a device that a stranger started, far from the victim."""
    return switch_on(address=ELSEWHERE)


def reasons(app: Flask) -> list[str | None]:
    with app.app_context():
        refused = db.session.query(AuditEvent).filter_by(event="device-refused").order_by(AuditEvent.id)
        return [one.reason for one in refused]


def press_everything(person: Person) -> int:
    """Press each button of the page as it stands, as somebody does who reads nothing; return how many there were."""
    page, buttons = person.page, 0
    for form in re.findall(r"<form\b.*?</form>", page.text, re.S):
        action = (re.search(r'action="([^"]*)"', form) or [None, ""])[1]
        for value in re.findall(r'<button[^>]*?name="decision" value="(\w+)"', form) or [None]:
            if value == "deny":
                continue
            person.page = page
            person.submit(action.rpartition("/")[2], **({"decision": value} if value else {}))
            buttons += 1
    return buttons


@pytest.mark.parametrize("age", [0, 4, 6])
def test_the_link_and_a_living_session_never_give_tokens_by_clicking(
    app: Flask, stranger: Device, new_person: People, clock: Clock, age: int
) -> None:
    victim = new_person()
    own = Device(app.test_client(), "tv")  # type: ignore[arg-type]
    own.ask()
    victim.come_to_the_question(own).allow()
    clock.step(minutes=age)

    victim.open(stranger.link.removeprefix(ISSUER))
    assert press_everything(victim) == 1
    if age < 5:
        # Signed in a moment ago: the question comes at once, and pressing its button is not enough.
        assert "origin-seen" in victim.page.text
        assert press_everything(victim) == 1
        assert victim.page.status_code == 422
    else:
        assert victim.step == "identify"

    assert stranger.poll().json["error"] == "authorization_pending"


def test_a_session_of_this_morning_does_not_connect_a_device(tv: Device, person: Person, clock: Clock) -> None:
    own = Device(person.app.test_client(), "tv")  # type: ignore[arg-type]
    own.ask()
    person.come_to_the_question(own).allow()
    clock.step(minutes=5)

    assert person.type_user_code(tv.code).step == "identify"


def test_the_message_with_the_code_says_that_a_device_is_behind_it(stranger: Device, new_person: People) -> None:
    victim = new_person()
    victim.follow_link(stranger).identify().ask_for_code()

    assert victim.interaction.demand.service == "Caf TV sur un autre appareil"


def test_who_was_told_the_code_by_telephone_and_says_so_stops_it(
    app: Flask, stranger: Device, new_person: People
) -> None:
    victim = new_person()
    victim.come_to_the_question(stranger)

    victim.answer_question("allow", origin="given", user_code=stranger.code[5:])

    assert "Vous avez bien fait" in victim.page.text
    assert stranger.poll().json["error"] == "access_denied"
    assert reasons(app) == ["given"]


@pytest.mark.parametrize("letters", ["", "BBBB", "no", "wdjb-mjht"])
def test_from_afar_the_last_letters_are_demanded(stranger: Device, new_person: People, letters: str) -> None:
    victim = new_person()
    victim.come_to_the_question(stranger)
    assert stranger.code not in victim.page.text
    assert stranger.code[5:] not in victim.page.text
    assert "loin d’ici" in victim.page.text

    victim.allow(user_code=letters)

    assert victim.page.status_code == 422
    assert stranger.poll().json["error"] == "authorization_pending"


def test_by_the_link_the_last_letters_are_demanded_on_the_same_network_too(tv: Device, person: Person) -> None:
    person.come_to_the_question(tv, by_link=True)
    assert tv.code[5:] not in person.page.text

    assert person.allow().page.status_code == 422

    person.allow(user_code=tv.code[5:])
    assert person.is_connected


def test_letters_without_an_origin_are_not_enough(stranger: Device, new_person: People) -> None:
    victim = new_person()
    victim.come_to_the_question(stranger)

    victim.answer_question("allow", user_code=stranger.code[5:])

    assert victim.page.status_code == 422


def test_the_last_letters_cannot_be_guessed(app: Flask, stranger: Device, new_person: People) -> None:
    victim = new_person()
    victim.come_to_the_question(stranger, by_link=True)
    wrong = another_code(stranger.code)[5:]
    for _ in range(5):
        assert victim.allow(user_code=wrong).page.status_code == 422

    victim.allow(user_code=stranger.code[5:])

    assert "trop d’essais" in victim.page.text
    assert stranger.poll().json["error"] == "access_denied"
    assert reasons(app) == ["tries"]


def test_the_victim_at_the_strangers_own_link_types_nothing_of_the_strangers_choice(
    stranger: Device, new_person: People
) -> None:
    """Neither query nor path of an address of ours carries the letters into a form."""
    victim = new_person()
    path = stranger.link.removeprefix(ISSUER)
    for query in (f"?user_code={stranger.code}", f"?user_code={stranger.code[5:]}&origin=seen"):
        page = victim.browser.get(path + query)
        assert stranger.code[5:] not in page.text


# -- guessing the codes of others (RFC 8628 §5.1) ------------------------------------------------------------------


def guess(person: Person, code: str) -> Any:
    return person.type_user_code(code).page


def test_one_browser_guesses_ten_times(tv: Device, person: Person, clock: Clock) -> None:
    for _ in range(10):
        assert guess(person, another_code(tv.code)).status_code == 422

    paused = guess(person, tv.code)

    assert (paused.status_code, paused.headers["Retry-After"]) == (429, "900")
    clock.step(minutes=15)
    assert guess(person, another_code(tv.code)).status_code == 422


def test_new_cookies_do_not_begin_anew(tv: Device, new_person: People) -> None:
    told = [guess(new_person(), another_code(tv.code)).status_code for _ in range(51)]

    assert told == [422] * 50 + [429]
    assert guess(new_person("192.0.2.77"), another_code(tv.code)).status_code == 422


def test_new_browsers_and_addresses_of_one_account_do_not_begin_anew(
    app: Flask, tv: Device, new_person: People, clock: Clock
) -> None:
    for number in range(2):
        person = new_person(f"192.0.2.{number + 1}")
        own = Device(app.test_client(), "tv", address=f"192.0.2.{number + 1}")  # type: ignore[arg-type]
        own.ask()
        person.come_to_the_question(own)
        clock.step(seconds=31)
        told = [guess(person, another_code(tv.code)).status_code for _ in range(6)]

    assert told == [422] * 4 + [429] * 2


def test_malformed_codes_cost_nothing(tv: Device, person: Person) -> None:
    for _ in range(12):
        assert guess(person, "not a code").status_code == 422

    assert person.type_user_code(tv.code).step == "identify"


def test_the_walk_is_the_whole_walk(stranger: Device, new_person: People) -> None:
    """Nothing of a device's sign-in is shorter than another one's: the password alone does not reach the question."""
    victim: Visitor = new_person().type_user_code(stranger.code).identify()
    interaction = victim.id

    assert victim.step == "send"
    assert victim.open(f"/device/confirm/{interaction}").step == "send"
