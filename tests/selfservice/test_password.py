"""Changing one's password: what it takes, what it ends, and whom it tells."""

from collections.abc import Callable

import pytest
from flask import Flask

from idp.accounts import directory
from idp.db import db
from idp.messages.models import Outbox
from tests.conftest import ALICE_PASSWORD, Clock
from tests.selfservice.conftest import SAFARI, NewPerson, Person
from tests.selfservice.test_services import connect, refresh
from tests.signin.test_waiting import full_lane as full_lane

NEW = "quatre vaches dansent la nuit"
FORM = "/account/password"


def change(person: Person, old: str = ALICE_PASSWORD, new: str = NEW) -> Person:
    """Fill in the form."""
    person.open(FORM).submit("password", **{"password": old, "new-password": new})
    return person


def messages(app: Flask, purpose: str) -> list[str]:
    """Return the channels of what was written of a purpose."""
    with app.app_context():
        rows = db.session.query(Outbox).filter(Outbox.purpose == purpose).all()
        channels = sorted(row.channel for row in rows)
        db.session.rollback()
    return channels


def test_the_new_password_signs_in_and_the_old_one_does_not(person: Person, new_person: NewPerson) -> None:
    person.enter(FORM)

    change(person)

    assert person.path == "/account/password/done"
    assert new_person().open("/account").identify().step == "identify"
    assert new_person().enter(password=NEW).page.status_code == 200


def test_the_browser_in_which_it_was_changed_stays_signed_in_under_a_new_id(person: Person) -> None:
    person.enter(FORM)
    before = person.browser.get_cookie("__Host-sid", domain="idp.test")

    change(person)

    after = person.browser.get_cookie("__Host-sid", domain="idp.test")
    assert before is not None
    assert after is not None
    assert before.value != after.value
    assert person.open("/account/sessions").page.status_code == 200


def test_asvs_7_4_3_other_browsers_and_apps_are_out(
    person: Person, new_person: NewPerson, app: Flask, alice: str
) -> None:
    phone, token = new_person(SAFARI).enter(), connect(app, alice, "mobile")
    person.enter(FORM)

    change(person)

    assert phone.open("/account").step == "identify"
    assert refresh(person, "mobile", token).json["error"] == "invalid_grant"


def test_ac_49_a_sign_in_that_waits_for_its_code_is_dead(person: Person, new_person: NewPerson, clock: Clock) -> None:
    person.enter(FORM)
    clock.step(seconds=31)
    waiting = new_person(SAFARI)
    waiting.open("/account").identify().ask_for_code()
    clock.step(seconds=1)

    change(person)

    assert waiting.type_code().step == "identify"


def test_asvs_6_3_7_both_channels_are_told(person: Person, app: Flask) -> None:
    person.enter(FORM)

    change(person)

    assert messages(app, "alert-password-changed") == ["email", "sms"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", NEW, "Écrivez votre mot de passe."),
        ("not the old one at all", NEW, "pas votre mot de passe actuel"),
        (ALICE_PASSWORD, "", "Écrivez votre nouveau mot de passe."),
        (ALICE_PASSWORD, "short", "trop court"),
        (ALICE_PASSWORD, "motdepasse1234", "listes de piratage"),
        (ALICE_PASSWORD, "alice.martin@1991399999001", "ressemble trop"),
        (ALICE_PASSWORD, ALICE_PASSWORD, "déjà votre mot de passe"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(
    person: Person, app: Flask, alice: str, old: str, new: str, said: str
) -> None:
    person.enter(FORM)
    with app.app_context():
        before = directory.get_account(alice).password_hash

    change(person, old, new)

    assert person.page.status_code == 422
    assert said in person.text
    if new:
        assert new not in person.text
    with app.app_context():
        assert directory.get_account(alice).password_hash == before


def test_ac_70_guessing_the_old_password_ends_the_session(person: Person) -> None:
    person.enter(FORM)
    tries = 0

    while person.page.status_code != 429 and tries < 10:
        change(person, "guess number one")
        tries += 1

    assert tries == 5
    assert person.open("/account").step == "identify"


def test_a_new_password_needs_a_fresh_sign_in(person: Person, clock: Clock) -> None:
    person.enter(FORM)
    clock.step(minutes=6)

    assert person.open(FORM).step == "identify"
    assert person.submit("identify", nir="", password="").page.status_code == 422


def test_the_form_comes_back_after_a_proof(person: Person, clock: Clock) -> None:
    person.enter(FORM)
    clock.step(minutes=6)

    change_later = person.submit("password", **{"password": ALICE_PASSWORD, "new-password": NEW})

    assert change_later.step == "identify"
    person.prove_again()
    assert person.path == FORM
    assert change(person).path == "/account/password/done"


def test_two_forms_sent_at_once_are_one_change(person: Person) -> None:
    person.enter(FORM)
    html = person.text

    change(person)
    again = person.browser.submit(html, "password", **{"password": ALICE_PASSWORD, "new-password": NEW + "!"})

    assert again.status_code == 403


def test_while_too_many_sign_in_the_change_waits_and_costs_no_try_ac_210(
    person: Person, full_lane: Callable[[], object], new_person: NewPerson
) -> None:
    person.enter(FORM)
    for _ in range(6):
        with full_lane():  # type: ignore[attr-defined]
            change(person)
        assert person.page.status_code == 503
    assert person.page.headers["Refresh"].endswith(";url=/account/password")
    assert NEW not in person.text

    change(person)

    assert person.path == "/account/password/done"
    assert new_person().enter(password=NEW).page.status_code == 200
