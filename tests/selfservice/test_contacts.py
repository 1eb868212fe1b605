"""A new e-mail address or mobile: confirmed there, told to the old one, in force later, and taken back."""

from typing import Any

import pytest
from flask import Flask

from idp.accounts import contact_changes, directory
from idp.accounts.contact_changes import ContactChange
from idp.db import db
from idp.messages.models import Outbox
from idp.mfa.codes import find_challenge
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, Clock
from tests.selfservice.conftest import NewPerson, Person

NEW_EMAIL, NEW_MOBILE = "alice.neuve@example.fr", "+33698765432"


class Contacts:
    """What the account, the outbox and the changes hold."""

    def __init__(self, app: Flask, account_id: str) -> None:
        self.app, self.account_id = app, account_id

    @property
    def present(self) -> tuple[str | None, str | None]:
        """Return address and number of the account."""
        with self.app.app_context():
            account = directory.get_account(self.account_id)
            return account.email, account.mobile

    def code(self, kind: str = "email") -> str:
        """Return the code that went to the new address."""
        with self.app.app_context():
            query = db.session.query(ContactChange).filter_by(kind=kind, confirmed_at=None, ended_at=None)
            challenge = find_challenge(query.one().challenge_id)
            db.session.rollback()
            assert challenge is not None
            return challenge.code

    def sent(self, purpose: str) -> int:
        """Return how many messages of a purpose were written."""
        with self.app.app_context():
            count = db.session.query(Outbox).filter(Outbox.purpose == purpose).count()
            db.session.rollback()
        return int(count)

    def apply(self, now: Any) -> int:
        """Do the worker's chore."""
        with self.app.app_context():
            return contact_changes.apply_due(now)


@pytest.fixture
def contacts(app: Flask, alice: str) -> Contacts:
    return Contacts(app, alice)


def ask(person: Person, value: str = NEW_EMAIL, kind: str = "email") -> Person:
    """Fill in the form, long enough after the last code."""
    person.clock.step(seconds=31)
    person.open(f"/account/{kind}").submit(kind, contact=value)
    return person


def confirm(person: Person, contacts: Contacts, kind: str = "email") -> Person:
    """Type the code."""
    person.submit("code", code=contacts.code(kind))
    return person


def test_ac_13_until_the_hour_has_come_codes_go_to_the_old_address(
    person: Person, new_person: NewPerson, contacts: Contacts, clock: Clock
) -> None:
    person.enter("/account/email")

    confirm(ask(person), contacts)

    assert person.path == "/account/email"
    assert "C’est confirmé" in person.text
    clock.step(hours=23)
    assert contacts.apply(clock()) == 0
    assert contacts.present == (ALICE_EMAIL, ALICE_MOBILE)
    assert "a•••••n@" in new_person().open("/account").identify().text


def test_it_comes_into_force_a_day_later_once(person: Person, contacts: Contacts, clock: Clock) -> None:
    person.enter("/account/email")
    confirm(ask(person), contacts)
    clock.step(hours=24)

    assert contacts.apply(clock()) == 1
    assert contacts.apply(clock()) == 0
    assert contacts.present == (NEW_EMAIL, ALICE_MOBILE)


def test_asvs_6_3_7_old_and_new_are_told(person: Person, contacts: Contacts, clock: Clock) -> None:
    person.enter("/account/email")
    confirm(ask(person), contacts)
    assert contacts.sent("alert-email-change-asked") == 2

    clock.step(hours=24)
    contacts.apply(clock())

    assert contacts.sent("alert-email-changed") == 3


def test_who_also_proved_the_phone_need_not_wait(person: Person, contacts: Contacts) -> None:
    person.enter("/account/email", channel="sms")

    confirm(ask(person), contacts)

    assert contacts.present == (NEW_EMAIL, ALICE_MOBILE)
    assert contacts.sent("alert-email-changed") == 3


def test_a_mailbox_does_not_change_the_mobile_at_once_and_neither_does_the_mobile(
    person: Person, contacts: Contacts, clock: Clock
) -> None:
    person.enter("/account/mobile", channel="sms")

    confirm(ask(person, "06 98 76 54 32", "mobile"), contacts, "mobile")

    assert contacts.present == (ALICE_EMAIL, ALICE_MOBILE)
    clock.step(hours=24)
    contacts.apply(clock())
    assert contacts.present == (ALICE_EMAIL, NEW_MOBILE)


def test_it_is_taken_back_before_and_after_it_came_into_force(person: Person, contacts: Contacts, clock: Clock) -> None:
    person.enter("/account/email")
    confirm(ask(person), contacts).submit("undo")
    assert "annulé" in person.text
    clock.step(hours=24)
    assert contacts.apply(clock()) == 0
    person.enter("/account/email", channel="sms")
    confirm(ask(person), contacts)
    assert contacts.present[0] == NEW_EMAIL

    person.submit("undo")

    assert contacts.present[0] == ALICE_EMAIL


def test_a_chain_of_changes_is_taken_back_to_its_beginning(
    person: Person, contacts: Contacts, app: Flask, alice: str, clock: Clock
) -> None:
    person.enter("/account/email", channel="sms")
    confirm(ask(person, "one@example.fr"), contacts)
    confirm(ask(person, "two@example.fr"), contacts)
    assert contacts.present[0] == "two@example.fr"

    with app.app_context():
        assert contact_changes.undo_changes(alice, clock()) == ("email",)
        db.session.commit()

    assert contacts.present[0] == ALICE_EMAIL


def test_after_a_week_it_stays(person: Person, contacts: Contacts, app: Flask, alice: str, clock: Clock) -> None:
    person.enter("/account/email", channel="sms")
    confirm(ask(person), contacts)
    clock.step(days=7)

    with app.app_context():
        assert contact_changes.undo_changes(alice, clock()) == ()
        clock.step(days=2)
        assert contact_changes.purge_changes(clock()) == 1

    assert contacts.present[0] == NEW_EMAIL


def test_a_wrong_code_changes_nothing_and_five_burn_it(person: Person, contacts: Contacts) -> None:
    ask(person.enter("/account/email"))
    right = contacts.code()
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"

    for _ in range(5):
        person.submit("code", code=wrong)
        assert person.page.status_code == 422
    person.submit("code", code=right)

    assert person.page.status_code == 422
    assert contacts.present[0] == ALICE_EMAIL


def test_the_code_for_a_new_address_does_not_sign_in_and_the_other_way_round(
    person: Person, new_person: NewPerson, contacts: Contacts
) -> None:
    ask(person.enter("/account/email"))
    for_the_address = contacts.code()
    person.clock.step(seconds=31)
    other = new_person()
    other.open("/account").identify().ask_for_code()

    assert other.type_code(for_the_address).page.status_code == 422
    assert person.submit("code", code=other.code).page.status_code == 422


def test_another_session_of_the_same_person_does_not_confirm(
    person: Person, new_person: NewPerson, contacts: Contacts
) -> None:
    ask(person.enter("/account/email"))
    other = new_person().enter("/account/sessions")

    other.post("/account/email/code", code=contacts.code())

    assert other.path == "/account/email"
    assert "C’est confirmé" not in other.text


@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("email", "", "Écrivez votre nouvelle adresse"),
        ("email", "alice@", "pas complète"),
        ("email", "a@b.fr\r\nBcc: x@y.fr", "pas complète"),
        ("email", "x" * 400 + "@b.fr", "pas complète"),
        ("email", ALICE_EMAIL, "déjà votre adresse"),
        ("mobile", "", "Écrivez votre nouveau numéro"),
        ("mobile", "+882 16 1234 5678", "pas"),
        ("mobile", "08 99 70 12 34", "pas"),
        ("mobile", "01 40 00 00 01", "pas un numéro de mobile"),
        ("mobile", "06 12 34 56 47", "déjà votre numéro"),
    ],
)
def test_ac_37_ac_177_what_cannot_be_written_to_is_refused(
    person: Person, contacts: Contacts, kind: str, value: str, said: str
) -> None:
    person.enter(f"/account/{kind}")

    ask(person, value, kind)

    assert person.page.status_code == 422
    assert said in person.text
    assert contacts.sent(f"new-{kind}") == 0


def test_ac_12_an_address_is_not_changed_by_a_sign_in_of_a_while_ago(person: Person, clock: Clock) -> None:
    person.enter("/account/email")
    clock.step(minutes=20)

    assert person.open("/account/email").step == "identify"


def test_the_new_address_is_sealed(person: Person, app: Flask) -> None:
    ask(person.enter("/account/email"))

    with app.app_context():
        rows = db.session.execute(db.text("SELECT * FROM contact_changes")).all()
        db.session.rollback()

    assert rows
    assert NEW_EMAIL not in str(rows)
    assert b"alice" not in bytes(rows[0].new_sealed)
