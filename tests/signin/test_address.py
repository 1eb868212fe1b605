"""After a bounce another address is asked for, once everything is proved; the page can be put off."""

from flask import Flask

from idp.db import db
from idp.messages.undeliverable import is_undeliverable, mark_undeliverable, tag_of
from tests.conftest import ALICE_EMAIL, Clock
from tests.signin.conftest import Visitor


def bounce(app: Flask, alice: str, clock: Clock) -> None:
    with app.app_context():
        mark_undeliverable(alice, tag_of(ALICE_EMAIL), "bounced", clock())
        db.session.commit()


def test_the_page_comes_after_the_code_and_can_be_put_off(
    app: Flask, visitor: Visitor, clock: Clock, alice: str
) -> None:
    bounce(app, alice, clock)

    visitor.start().identify().ask_for_code("sms").type_code()
    assert visitor.step == "address"
    assert ALICE_EMAIL not in visitor.page.text
    assert visitor.submit("address").is_back

    clock.step(minutes=2)
    visitor.start(prompt="login").identify().ask_for_code("sms").type_code()
    assert visitor.step == "address"


def test_a_code_that_arrived_there_after_all_ends_it(app: Flask, visitor: Visitor, clock: Clock, alice: str) -> None:
    bounce(app, alice, clock)

    assert visitor.sign_in().is_back

    with app.app_context():
        assert not is_undeliverable(alice, ALICE_EMAIL)
        db.session.rollback()
