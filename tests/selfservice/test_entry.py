"""Who comes into /account, and when they prove anew that it is them."""

import pytest

from idp.selfservice.home import SECTIONS
from tests.conftest import ALICE_NIR, ISSUER, Clock
from tests.selfservice.conftest import BOB_NIR, BOB_PASSWORD, NewPerson, Person

EVERY_PAGE = ["/account", *(f"/account/{section.name}" for section in SECTIONS)]


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_ac_01_a_password_alone_shows_nothing_of_the_account(person: Person, path: str) -> None:
    person.open(path).identify()

    answer = person.browser.get(path)

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/signin/")


@pytest.mark.parametrize("path", EVERY_PAGE)
def test_a_complete_sign_in_leads_to_the_page_that_was_asked_for(person: Person, path: str) -> None:
    person.enter(path)

    assert (person.page.status_code, person.path) == (200, path)
    assert person.page.headers["Cache-Control"] == "no-store"
    assert ALICE_NIR not in person.text


def test_a_sign_in_for_a_service_opens_the_account_too(person: Person) -> None:
    person.sign_in()

    assert person.open("/account").page.status_code == 200


def test_the_front_page_names_every_section(person: Person) -> None:
    person.enter()

    for section in SECTIONS:
        assert f'href="/account/{section.name}"' in person.text


def test_who_stops_the_sign_in_is_told_that_nothing_changed(person: Person) -> None:
    person.open("/account").submit("cancel")

    assert person.page.status_code == 200
    assert "Rien n’a changé" in person.text


def test_no_form_from_elsewhere_does_anything(person: Person) -> None:
    person.enter("/account/sessions")
    token = person.page_token()

    for headers, csrf in (
        ({"Sec-Fetch-Site": "cross-site"}, token),
        ({"Origin": "https://evil.test"}, token),
        ({}, "x"),
    ):
        answer = person.browser.post("/account/sessions/everywhere", data={"csrf": csrf}, headers=headers)
        assert answer.status_code == 403
    assert person.open("/account").page.status_code == 200


def test_ac_12_a_sign_in_of_a_while_ago_is_asked_for_again_and_leads_back(person: Person, clock: Clock) -> None:
    person.enter("/account/sessions")
    clock.step(minutes=20)

    person.open("/account/sessions").submit("everywhere")

    assert person.step == "identify"
    person.prove_again()
    assert person.path == "/account/sessions"
    assert "C’est bien vous" in person.text
    assert "déconnecté partout" in person.submit("everywhere").text


def test_a_code_alone_is_not_enough_to_be_fresh(person: Person, clock: Clock) -> None:
    person.enter("/account/sessions")
    clock.step(minutes=6)

    person.open("/account/sessions").submit("everywhere")

    assert person.step == "identify"


def test_a_message_that_took_long_does_not_ask_for_everything_again(person: Person, clock: Clock) -> None:
    person.enter("/account/sessions")
    clock.step(minutes=20)
    person.open("/account/sessions").submit("everywhere").identify().ask_for_code()
    clock.step(minutes=6)
    person.type_code()

    assert person.submit("everywhere").page.status_code == 200
    assert "déconnecté partout" in person.text


def test_what_was_fresh_is_stale_five_minutes_later(person: Person, clock: Clock) -> None:
    person.enter("/account/sessions")
    clock.step(minutes=20)
    person.open("/account/sessions").submit("everywhere").prove_again()
    clock.step(minutes=5, seconds=1)

    assert person.submit("everywhere").step == "identify"


def test_another_person_cannot_prove_it_for_the_one_who_is_signed_in(person: Person, bob: str, clock: Clock) -> None:
    person.enter("/account/sessions")
    clock.step(minutes=20)
    person.open("/account/sessions").submit("everywhere")

    person.prove_again(nir=BOB_NIR, password=BOB_PASSWORD)

    assert person.page.status_code == 400
    assert "C’est bien vous" not in person.text


def test_an_interaction_of_a_service_leads_nowhere_in_the_account(person: Person) -> None:
    person.start().identify()

    assert person.browser.get(f"/account/resume/{person.id}").status_code == 404


def test_ac_22_the_way_back_belongs_to_the_browser_that_began(person: Person, new_person: NewPerson) -> None:
    person.open("/account").identify()
    stranger = new_person()
    stranger.open("/account")

    assert stranger.browser.get(f"/account/resume/{person.id}").status_code == 403


def test_ac_187_no_address_says_where_to_go(person: Person) -> None:
    person.open("/account?to=https://evil.test&next=//evil.test")
    person.identify().ask_for_code().type_code()

    assert person.path == "/account"
    assert person.page.request.base_url.startswith(ISSUER)


def test_a_restricted_account_is_not_shown(person: Person, app: object, alice: str) -> None:
    from idp import clock as idp_clock
    from idp.accounts import directory
    from idp.db import db

    person.enter()
    with app.app_context():  # type: ignore[attr-defined]
        directory.set_status(alice, "restricted", now=idp_clock.now())
        db.session.commit()

    assert person.open("/account").step == "restricted"
