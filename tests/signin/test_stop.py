"""« Ce n'est pas vous ? »: a typed key ends the sign-in of its message and all that it began, and nothing else does."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idp import crypto, session
from idp.accounts import devices, directory
from idp.audit import AuditEvent
from idp.db import db
from idp.messages.alerts import alert
from idp.messages.models import Outbox
from idp.mfa import stopping
from tests.conftest import ALICE_PASSWORD, ISSUER, Browser, Clock
from tests.signin.conftest import Visitor

NEW_PASSWORD = "tulipes-sur-le-balcon-8"


def texts(app: Flask) -> list[tuple[str, str]]:
    """Return purpose and text of every message that waits."""
    with app.app_context():
        rows = db.session.scalars(select(Outbox).order_by(Outbox.id)).all()
        found = [
            (
                row.purpose,
                json.loads(crypto.unseal(row.content or b"", context=f"outbox:content:{row.idempotency_key}"))["text"],
            )
            for row in rows
        ]
        db.session.rollback()
    return found


def last_key(app: Flask) -> str:
    return re.findall(r"\b[0-9A-Z]{3}-[0-9A-Z]{3}-[0-9A-Z]{3}\b", texts(app)[-1][1])[0]


def type_key(browser: Browser, key: str) -> Any:
    form = browser.get("/stop")
    return browser.submit(form.text, "/stop", stop_key=key)


def stopped_at(app: Flask, alice: str) -> Any:
    with app.app_context():
        moment = directory.get_account(alice).stopped_at
        db.session.rollback()
    return moment


@pytest.fixture
def owner(new_browser: Callable[[], Browser]) -> Browser:
    """Return the browser of the person who got the message, which knows nothing of the other's."""
    return new_browser()


def test_opening_the_page_stops_nothing_whatever_the_address_says(
    app: Flask, visitor: Visitor, owner: Browser, alice: str
) -> None:
    visitor.start().identify().ask_for_code()
    key = last_key(app)

    page = owner.get("/stop", query_string={"stop_key": key, "key": key})

    assert page.status_code == 200
    assert key not in page.text
    assert stopped_at(app, alice) is None
    assert visitor.type_code().is_back


def test_a_key_stops_the_sign_in_before_its_code_is_typed(
    app: Flask, visitor: Visitor, owner: Browser, clock: Clock, alice: str
) -> None:
    visitor.start().identify().ask_for_code()
    code = visitor.code

    answer = type_key(owner, last_key(app))

    assert answer.status_code == 200
    assert "La connexion est arrêtée" in answer.text
    clock.step(seconds=1)
    assert visitor.type_code(code).step == "identify"


def test_a_key_ends_the_session_that_the_sign_in_began_and_no_other(
    app: Flask, new_visitor: Callable[[], Visitor], owner: Browser, clock: Clock, alice: str
) -> None:
    mine, theirs = new_visitor(), new_visitor()
    mine.sign_in()
    clock.step(minutes=2)
    theirs.start().identify().ask_for_code()
    key = last_key(app)
    theirs.type_code()
    assert theirs.start(state="again").is_back
    clock.step(minutes=1)

    type_key(owner, key)

    assert theirs.start(state="st-3").step == "identify"
    assert mine.start(state="st-4").told["state"] == "st-4"
    with app.app_context():
        assert devices.list_devices(alice) == []


def test_the_next_sign_in_asks_for_a_new_password_and_goes_on(
    app: Flask, visitor: Visitor, owner: Browser, clock: Clock, alice: str
) -> None:
    visitor.start().identify().ask_for_code()
    type_key(owner, last_key(app))
    clock.step(minutes=2)

    visitor.start().identify().ask_for_code().type_code()
    assert visitor.step == "renew"
    assert visitor.submit("renew", new_password="court").page.status_code == 422
    assert "au moins 12" in visitor.page.text
    assert visitor.open("renew").submit("renew", new_password=NEW_PASSWORD).is_back

    assert stopped_at(app, alice) is None
    assert [purpose for purpose, _ in texts(app)][-2:] == ["alert-password-changed"] * 2
    clock.step(minutes=2)
    assert visitor.start(prompt="login").identify().step == "identify"
    assert visitor.identify(password=NEW_PASSWORD).step == "send"


def test_the_password_alone_never_reaches_the_new_password(
    app: Flask, visitor: Visitor, owner: Browser, clock: Clock
) -> None:
    visitor.start().identify().ask_for_code()
    type_key(owner, last_key(app))
    clock.step(minutes=2)

    visitor.start().identify()

    assert visitor.open("renew").step == "send"


def test_the_owner_is_told_and_the_auditor_sees_it(app: Flask, visitor: Visitor, owner: Browser, alice: str) -> None:
    visitor.sign_in()
    key = last_key(app)

    type_key(owner, key)

    told = [text for purpose, text in texts(app) if purpose == "alert-stopped"]
    assert len(told) == 2
    with app.app_context():
        event = db.session.scalars(select(AuditEvent).where(AuditEvent.event == "stop")).one()
        assert (event.account_id, event.reason, event.facts["sessions"]) == (alice, "code", 1)
        assert key.replace("-", "") not in json.dumps(event.facts)
        db.session.rollback()


def test_typing_it_twice_says_the_same_and_does_no_more(app: Flask, visitor: Visitor, owner: Browser) -> None:
    visitor.start().identify().ask_for_code()
    key = last_key(app)

    first = type_key(owner, key)
    count = len(texts(app))
    second = type_key(owner, key.lower().replace("-", " "))

    assert (first.status_code, second.status_code) == (200, 200)
    assert len(texts(app)) == count


def test_the_key_of_an_alert_ends_every_session(
    app: Flask, new_visitor: Callable[[], Visitor], owner: Browser, clock: Clock, alice: str
) -> None:
    one, two = new_visitor(), new_visitor()
    one.sign_in()
    clock.step(minutes=2)
    two.sign_in()
    with app.app_context():
        account = directory.get_account(alice)
        account.mobile_verified_at = None
        alert(account, "email-changed", now=clock())
        db.session.commit()
    clock.step(minutes=1)

    type_key(owner, last_key(app))

    assert one.start(state="a").step == "identify"
    assert two.start(state="b").step == "identify"


def test_wrong_and_old_keys_are_told_alike_and_counted(
    app: Flask, visitor: Visitor, owner: Browser, clock: Clock, alice: str
) -> None:
    visitor.start().identify().ask_for_code()
    old = last_key(app)
    clock.step(hours=25)

    answers = [type_key(owner, key) for key in (old, *["347-9CD-FHJ"] * 10)]

    assert [answer.status_code for answer in answers] == [422] * 10 + [429]
    bodies = {re.sub(r'[0-9A-Z]{3}-[0-9A-Z]{3}(-[0-9A-Z]{3})?|value="[^"]*"|nonce="[^"]*"', "", answer.text)
              for answer in answers[:10]}  # fmt: skip
    assert len(bodies) == 1
    assert answers[-1].headers["Retry-After"]
    assert stopped_at(app, alice) is None


def test_a_pause_looks_at_no_key_be_it_the_right_one(
    app: Flask, visitor: Visitor, owner: Browser, clock: Clock, alice: str
) -> None:
    visitor.start().identify().ask_for_code()
    for _ in range(10):
        type_key(owner, "347-9CD-FHJ")

    assert type_key(owner, last_key(app)).status_code == 429
    assert stopped_at(app, alice) is None
    clock.step(minutes=16)
    assert type_key(owner, last_key(app)).status_code == 200


def test_another_site_cannot_send_the_form(app: Flask, visitor: Visitor, owner: Browser, alice: str) -> None:
    visitor.start().identify().ask_for_code()
    owner.get("/stop")

    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": ISSUER}):
        assert owner.post("/stop", data={"stop_key": last_key(app)}, headers=headers).status_code == 403
    assert stopped_at(app, alice) is None


def test_a_sign_in_that_is_stopped_while_it_completes_leaves_no_session(
    app: Flask, visitor: Visitor, owner: Browser, clock: Clock, alice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop comes between the right code and the session: the session, already written, is ended again."""
    visitor.start().identify().ask_for_code()
    key, real = last_key(app), session.sign_in_session

    def stopped_meanwhile(*args: Any, **kwargs: Any) -> Any:
        opened = real(*args, **kwargs)
        db.session.commit()
        stopping._close_challenge(visitor.interaction.challenge_id or "")
        return opened

    monkeypatch.setattr("idp.web.session.sign_in_session", stopped_meanwhile)
    answer = visitor.type_code()
    monkeypatch.undo()

    assert key
    assert answer.page.status_code == 400
    assert visitor.start(state="next").step == "identify"
    assert ALICE_PASSWORD not in answer.page.text
