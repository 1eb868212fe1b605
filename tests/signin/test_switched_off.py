"""A channel is off: what visitors are offered instead, what is taken no more, and that nothing less will do."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from idp import clock as idp_clock
from idp import operations
from idp.accounts.models import Account
from idp.admin import actions
from idp.admin.actors import operator
from idp.db import db
from idp.messages.models import Outbox
from tests.conftest import ALICE_NIR, Browser, Clock
from tests.signin.conftest import Visitor
from tests.signin.test_passkey import enrol

Switch = Callable[..., None]


@pytest.fixture
def switch(app: Flask) -> Switch:
    """Return what switches a channel off or on, as the operator at the machine does."""

    def act(name: str, word: str = "off", now: datetime | None = None) -> None:
        with app.app_context():
            actions.perform(operator("test"), f"channel.{word}", name, {}, now=now or idp_clock.now())

    return act


def test_the_next_method_is_offered_with_a_sentence_and_on_again_all_are(visitor: Visitor, switch: Switch) -> None:
    switch("sms")
    visitor.start().identify()

    assert "Les codes par SMS sont suspendus" in visitor.page.text
    assert 'value="sms"' not in visitor.page.text
    assert visitor.submit("send", channel="email").step == "code"
    switch("sms", "on")
    assert 'value="sms"' in visitor.open("no-access").page.text


def test_a_hand_made_form_sends_nothing_by_what_is_off(visitor: Visitor, switch: Switch, app: Flask) -> None:
    visitor.start().identify()
    form = visitor.page.text
    switch("sms")

    answer = visitor.browser.submit(form, "/send", channel="sms")

    assert answer.status_code == 422
    with app.app_context():
        assert not db.session.query(Outbox).filter_by(channel="sms").count()


def test_a_code_that_has_left_already_is_not_taken_any_more(visitor: Visitor, switch: Switch) -> None:
    visitor.start().identify().ask_for_code("sms")
    code, form = visitor.code, visitor.page.text
    switch("sms")

    answer = visitor.browser.submit(form, "/code", code=code)

    assert answer.headers["Location"].endswith("/send")
    assert [proof.name for proof in visitor.interaction.proofs] == ["pwd"]


def test_a_lower_proof_never_takes_the_place_of_one_that_is_off(visitor: Visitor, switch: Switch) -> None:
    """A demanded `acr` that only SMS reaches: the sign-in waits, and goes on when the channel is on again."""
    claims = '{"id_token":{"acr":{"essential":true,"value":"urn:sesame:acr:mfa"}}}'
    switch("sms")
    visitor.start(claims=claims).identify()

    assert visitor.step == "switched-off"
    assert visitor.page.status_code == 503
    assert visitor.page.headers["Retry-After"]
    assert visitor.open("send").step == "switched-off"
    assert visitor.interaction.outcome is None
    switch("sms", "on")
    assert visitor.open("").ask_for_code("sms").type_code().is_back


def test_the_channel_of_a_reset_is_no_second_factor_because_the_other_is_off(
    visitor: Visitor, switch: Switch, app: Flask, alice: str
) -> None:
    """Whoever holds the mailbox made the password; SMS is off: the mailbox must not become both (ASVS 6.4.3)."""
    with app.app_context():
        fresh = {"reset_channel": "email", "reset_at": idp_clock.now()}
        db.session.execute(update(Account).where(Account.id == alice).values(**fresh))
        db.session.commit()
    switch("sms")

    assert visitor.start().identify().step == "switched-off"


def test_passkeys_that_are_off_sign_nobody_in(app: Flask, visitor: Visitor, alice: str, switch: Switch) -> None:
    enrol(app, alice)
    visitor.start()
    switch("passkey")
    visitor.open("identify")

    assert "est suspendue" in visitor.page.text
    assert "data-passkey" not in visitor.page.text
    csrf = visitor.page.text.split('name="csrf" value="')[1].split('"')[0]
    options = visitor.browser.post(
        f"/signin/{visitor.id}/passkey/options", data={"csrf": csrf}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert options.status_code == 404
    assert visitor.identify().step == "send"


@pytest.mark.parametrize("nir", [ALICE_NIR, "1850599999001"])
def test_a_reset_under_way_is_over_for_everybody_alike(
    visitor: Visitor, switch: Switch, clock: Clock, nir: str
) -> None:
    """AC-56: neither the channels nor what becomes of a reset tells whether there is an account."""
    visitor.start().open("forgot").submit("forgot", nir=nir, channel="email")
    assert visitor.step == "code"
    clock.step(seconds=1)
    switch("email")

    assert visitor.open("forgot/code").step == "forgot"
    assert 'value="email"' not in visitor.page.text
    switch("sms")
    clock.step(seconds=3)
    assert visitor.open("forgot").page.status_code == 503


def test_every_node_knows_within_two_seconds_and_asks_once(
    app: Flask, visitor: Visitor, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another node's change: this process's memory is not told, it reads again when two seconds have passed."""
    visitor.start().identify()
    with app.app_context():
        monkeypatch.setattr(operations, "forget", lambda: None)
        actions.perform(operator("elsewhere"), "channel.off", "sms", {}, now=clock())
    asked: list[Any] = []
    look_up = operations.look_up
    monkeypatch.setattr(operations, "look_up", lambda query: asked.append(query) or look_up(query))

    assert 'value="sms"' in visitor.open("send").page.text
    assert not asked
    clock.step(seconds=2)
    assert 'value="sms"' not in visitor.open("send").page.text
    visitor.open("send")
    assert len(asked) == 1


def test_a_banner_stands_on_every_page_between_its_moments_in_the_visitors_language(
    app: Flask, http: Browser, clock: Clock
) -> None:
    given = {"fr": "Travaux <b> ce soir", "en": "Works tonight", "begins_at": "", "ends_at": ""}
    given["begins_at"] = (clock() + timedelta(minutes=10)).isoformat()
    given["ends_at"] = (clock() + timedelta(minutes=20)).isoformat()
    with app.app_context():
        actions.perform(operator("test"), "banner.set", "all", given, now=clock())

    assert "Travaux" not in http.get("/help/easy").text
    clock.step(minutes=10)
    assert "Travaux &lt;b&gt; ce soir" in http.get("/help/easy").text
    assert "Works tonight" in http.get("/stop?ui_locales=en").text
    clock.step(minutes=10)
    assert "Works tonight" not in http.get("/stop").text
