"""Recognised devices, the last sign-ins, « ce n'était pas moi », one's data and one's language."""

import json
import re
from typing import Any

import pytest
from flask import Flask

from idp import crypto
from idp.accounts import directory
from idp.db import db
from idp.messages.models import Outbox
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, ALICE_PASSWORD, Clock
from tests.selfservice.conftest import BOB_NIR, BOB_PASSWORD, SAFARI, NewPerson, Person
from tests.selfservice.test_contacts import NEW_EMAIL, Contacts, ask, confirm, contacts
from tests.selfservice.test_password import NEW
from tests.selfservice.test_services import connect, refresh

__all__ = ["contacts"]


def stop_key(app: Flask, purpose: str) -> str:
    """Return the key in the first mail of a purpose."""
    with app.app_context():
        row = db.session.query(Outbox).filter_by(purpose=purpose, channel="email").first()
        assert row is not None
        text = json.loads(crypto.unseal(row.content or b"", context=f"outbox:content:{row.idempotency_key}"))["text"]
        db.session.rollback()
    found = re.search(r"\b\w{3}-\w{3}-\w{3}\b", text)
    assert found is not None, text
    return found[0]


def form_of(person: Person, action: str, number: int = 0) -> dict[str, str]:
    """Return the fields of the forms with this action, in the order of the page."""
    return [form for form in person.browser.forms(person.text) if form[""].endswith(action)][number]


def test_devices_are_listed_and_this_one_marked(person: Person, new_person: NewPerson) -> None:
    new_person(SAFARI).enter()

    person.enter("/account/devices")

    assert "Safari (iPhone)" in person.text
    assert person.text.count("Cet appareil") == 1


def test_a_forgotten_device_is_recognised_no_longer(person: Person, new_person: NewPerson) -> None:
    phone = new_person(SAFARI).enter()
    person.enter("/account/devices")
    safari = form_of(person, "/forget", 1)["device"]

    person.submit("forget", device=safari)

    assert "Safari" not in person.text
    # Forgetting is no signing out: the session says so itself.
    assert phone.open("/account").page.status_code == 200


def test_a_device_of_somebody_else_is_none(person: Person, new_person: NewPerson, bob: str) -> None:
    person.enter("/account/devices")
    alices = form_of(person, "/forget")["device"]
    other = new_person().enter("/account/sessions", nir=BOB_NIR, password=BOB_PASSWORD)

    for device in (alices, "", "x" * 64):
        assert other.post("/account/devices/forget", device=device).page.status_code == 404
    assert alices in person.open("/account/devices").text


def test_the_last_sign_ins_are_told_in_plain_words(person: Person, new_person: NewPerson) -> None:
    new_person(SAFARI).enter(channel="sms")
    stranger = new_person()
    stranger.open("/account").identify(password="a wrong one entirely")

    person.enter("/account/history")

    assert "un code reçu par SMS" in person.text
    assert "Safari (iPhone)" in person.text
    assert "Un mauvais mot de passe a été écrit" in person.text
    assert person.text.count("Maintenant") == 1


def test_nobody_sees_anothers_sign_ins(person: Person, new_person: NewPerson, bob: str) -> None:
    new_person(SAFARI).enter()

    person.enter("/account/history", nir=BOB_NIR, password=BOB_PASSWORD)

    assert "Safari" not in person.text


def test_it_was_not_me_shuts_everybody_else_out_and_asks_for_a_new_password(
    person: Person, new_person: NewPerson, app: Flask, alice: str, contacts: Contacts, clock: Clock
) -> None:
    thief = new_person(SAFARI).enter("/account/email", channel="sms")
    confirm(ask(thief), contacts)
    assert contacts.present[0] == NEW_EMAIL
    token = connect(app, alice, "mobile")
    person.enter("/account/history", channel="sms")

    person.submit("not-me")

    assert person.path == "/account/password"
    assert "Changez maintenant votre mot de passe" in person.text
    assert thief.open("/account").step == "identify"
    assert refresh(person, "mobile", token).json["error"] == "invalid_grant"
    assert contacts.present[0] == ALICE_EMAIL
    assert "Safari" not in person.open("/account/devices").text


def test_who_leaves_without_a_new_password_is_asked_for_it_at_the_next_sign_in(
    person: Person, new_person: NewPerson
) -> None:
    person.enter("/account/history").submit("not-me")

    assert new_person().enter().step == "renew"


def test_a_new_password_ends_that_demand(person: Person, new_person: NewPerson) -> None:
    person.enter("/account/history").submit("not-me")

    person.submit("password", **{"password": ALICE_PASSWORD, "new-password": NEW})

    assert person.path == "/account/password/done"
    assert new_person().enter(password=NEW).path == "/account"


def test_the_stop_key_of_an_alert_takes_a_changed_address_back(
    person: Person, new_person: NewPerson, app: Flask, contacts: Contacts
) -> None:
    thief = new_person(SAFARI).enter("/account/email", channel="sms")
    confirm(ask(thief), contacts)
    assert contacts.present[0] == NEW_EMAIL
    key = stop_key(app, "alert-email-changed")

    person.open("/stop").submit("stop", stop_key=key)

    assert contacts.present[0] == ALICE_EMAIL
    assert thief.open("/account").step == "identify"


def test_ones_data_is_handed_out_with_the_number_masked_ac_222(person: Person, app: Flask, alice: str) -> None:
    connect(app, alice, "mobile")
    person.enter("/account/data")

    person.submit("data")

    data: dict[str, Any] = json.loads(person.text)
    assert person.page.headers["Content-Disposition"].startswith("attachment;")
    assert person.page.headers["Cache-Control"] == "no-store"
    assert data["account"]["email"] == ALICE_EMAIL
    assert data["account"]["phone_number"] == ALICE_MOBILE
    assert data["services"][0]["name"] == "Service mobile"
    assert data["sessions"]
    assert data["last_sign_ins"]
    for secret in (ALICE_NIR, ALICE_NIR[5:], "argon2", "hash"):
        assert secret not in person.text


def test_ones_data_needs_a_fresh_proof_and_a_form(person: Person, clock: Clock) -> None:
    person.enter("/account/data")
    clock.step(minutes=6)

    assert person.submit("data").step == "identify"


def test_the_language_is_kept_with_the_account_and_shown(person: Person, app: Flask, alice: str) -> None:
    person.enter("/account/language")

    person.submit("language", language="en")

    assert '<html lang="en"' in person.text
    assert '<html lang="en"' in person.open("/account").text
    with app.app_context():
        assert directory.get_account(alice).locale == "en"


@pytest.mark.parametrize("language", ["", "xx", "fr\r\nSet-Cookie: a=b", "../fr"])
def test_a_language_that_we_do_not_speak_is_refused(person: Person, app: Flask, alice: str, language: str) -> None:
    person.enter("/account/language")

    person.submit("language", language=language)

    assert person.page.status_code == 400
    with app.app_context():
        assert directory.get_account(alice).locale == "fr"
