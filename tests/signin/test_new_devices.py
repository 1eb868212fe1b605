"""Sign-ins on unknown devices: told later, together, once, with a key that ends just them."""

from collections.abc import Callable

from flask import Flask
from sqlalchemy import select

from idp.accounts import directory
from idp.accounts.new_devices import ACCOUNTS_AT_ONCE, NewDevice, note_new_device, tell_new_devices
from idp.db import db
from idp.worker import start_embedded_worker
from tests.conftest import Browser, Clock
from tests.node import until
from tests.signin.conftest import Visitor
from tests.signin.test_stop import texts, type_key

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"


def work(app: Flask, clock: Clock) -> int:
    with app.app_context():
        told = tell_new_devices(clock())
        db.session.commit()
    return told


def alerts(app: Flask) -> list[str]:
    return [text for purpose, text in texts(app) if purpose == "alert-new-device"]


def test_nobody_is_told_before_the_delay_and_then_once(app: Flask, visitor: Visitor, clock: Clock) -> None:
    visitor.sign_in()
    clock.step(minutes=29)
    assert work(app, clock) == 0
    clock.step(minutes=1)

    assert (work(app, clock), work(app, clock)) == (1, 0)
    assert len(alerts(app)) == 2


def test_several_devices_are_one_message(app: Flask, new_visitor: Callable[[], Visitor], clock: Clock) -> None:
    one, two = new_visitor(), new_visitor()
    one.browser.environ_base["HTTP_USER_AGENT"] = FIREFOX
    one.sign_in()
    clock.step(minutes=20)
    two.sign_in()
    clock.step(minutes=10)

    assert work(app, clock) == 1
    mail = alerts(app)[0]
    assert "Firefox (Windows)" in mail
    assert "appareil inconnu" in mail


def test_a_recognised_device_is_no_news(app: Flask, visitor: Visitor, clock: Clock) -> None:
    visitor.sign_in()
    clock.step(hours=1)
    work(app, clock)
    visitor.start(prompt="login").identify().ask_for_code().type_code()

    with app.app_context():
        assert db.session.scalars(select(NewDevice)).all() == []
        db.session.rollback()


def test_its_key_ends_the_new_sessions_and_leaves_the_known_one(
    app: Flask, new_visitor: Callable[[], Visitor], new_browser: Callable[[], Browser], clock: Clock, alice: str
) -> None:
    mine, theirs = new_visitor(), new_visitor()
    mine.sign_in()
    clock.step(minutes=10)
    with app.app_context():
        for row in db.session.scalars(select(NewDevice)):
            db.session.delete(row)
        db.session.commit()
    theirs.sign_in()
    clock.step(minutes=15)
    assert mine.start(state="x").told["state"] == "x"
    clock.step(minutes=14)
    theirs.start(state="y")
    mine.start(state="z")
    clock.step(minutes=1)
    work(app, clock)

    with app.app_context():
        from idp.accounts import directory

        directory.get_account(alice).mobile_verified_at = None
        db.session.commit()
    key = last_mail_key(app)
    assert type_key(new_browser(), key).status_code == 200

    clock.step(seconds=1)
    assert theirs.start(state="a").step == "identify"
    assert mine.start(state="b").told["state"] == "b"


def last_mail_key(app: Flask) -> str:
    import re

    return re.findall(r"\b[0-9A-Z]{3}-[0-9A-Z]{3}-[0-9A-Z]{3}\b", alerts(app)[0])[0]


def test_a_worker_goes_on_until_everybody_is_told(app: Flask, clock: Clock) -> None:
    """More people than one transaction takes: the rest is not left for the next minute (the soak's finding)."""
    with app.app_context():
        for number in range(ACCOUNTS_AT_ONCE + 1):
            account = directory.add_account(
                nir=f"19913{number:08d}", password="soak-motdepasse-1", email=f"p{number}@example.fr", mobile=None
            )
            note_new_device(account.id, sid="s", label="", now=clock())
        db.session.commit()
    clock.step(minutes=30)
    worker = start_embedded_worker(app)
    try:
        until(lambda: remaining(app) == 0, "everybody is told")
    finally:
        worker.stop()
        worker.join(20)

    assert len(alerts(app)) == ACCOUNTS_AT_ONCE + 1


def remaining(app: Flask) -> int:
    with app.app_context():
        return len(db.session.scalars(select(NewDevice)).all())
