"""After a sign-in with a code on a phone: face or fingerprint is offered, seldom, and never stands in the way (U13)."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from idp.audit import AuditEvent
from idp.db import db
from idp.messages.models import Outbox
from idp.mfa import passkeys
from idp.mfa.promotion import PasskeyPromotion
from idp.settings import Settings
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, ISSUER, Browser, Clock
from tests.mfa.authenticator import Authenticator
from tests.signin.conftest import Visitor
from tests.signin.test_passkey import acr_of, answer, enrol

PHONE = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/156.0 Mobile Safari/537.36"
DESKTOP = "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"
Phones = Callable[..., Visitor]


@pytest.fixture
def on_phone(app: Flask, new_browser: Callable[[], Browser], alice: str) -> Phones:
    """Return a maker of visitors at a phone whose browser has passkeys."""

    def make(user_agent: str = PHONE) -> Visitor:
        browser = new_browser()
        browser.environ_base["HTTP_USER_AGENT"] = user_agent
        return Visitor(app, browser)

    return make


def type_code_at(who: Visitor, platform: str = "yes", **start: Any) -> Visitor:
    """Sign in with a code, the script having said what the browser can."""
    who.start(**start).submit("identify", nir=ALICE_NIR, password=ALICE_PASSWORD, platform=platform)
    return who.ask_for_code().type_code()


def options_of(who: Visitor) -> Any:
    form = next(form for form in who.browser.forms(who.page.text) if form[""].endswith("/promote/add"))
    return who.browser.post(f"/signin/{who.id}/promote/options", data={"csrf": form["csrf"]}, headers=OURS)


OURS = {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}


def outcomes(app: Flask) -> list[str]:
    with app.app_context():
        query = db.session.query(AuditEvent.outcome).filter_by(event="passkey-offered").order_by(AuditEvent.id)
        found = [outcome for (outcome,) in query]
        db.session.rollback()
    return found


def count(app: Flask, account_id: str) -> int:
    with app.app_context():
        found = passkeys.count_passkeys(account_id)
        db.session.rollback()
    return found


def test_it_is_offered_after_the_code_and_one_press_leads_on(app: Flask, on_phone: Phones) -> None:
    who = type_code_at(on_phone())
    assert who.step == "promote"
    assert "La prochaine fois, un geste suffit" in who.page.text
    assert "nous ne les recevons jamais" in who.page.text

    who.submit("promote", decision="later")

    assert set(who.told) == {"code", "state", "iss"}
    assert outcomes(app) == ["shown", "later"]


def test_a_device_is_turned_on_there_and_told_of(app: Flask, alice: str, on_phone: Phones) -> None:
    who, phone = type_code_at(on_phone()), Authenticator()
    who.submit("add", answer=phone.create(options_of(who).json))
    assert who.step == "promote"
    assert "C’est activé" in who.page.text
    assert re.search(r"Chrome.*Android.* – Google", who.page.text)
    who.submit("promote", decision="later")

    assert "code" in who.told
    # What was just made is no proof of this sign-in.
    assert acr_of(app, alice) == "urn:sesame:acr:2sv"
    assert outcomes(app) == ["shown", "enrolled"]
    with app.app_context():
        told = db.session.query(Outbox.channel).filter_by(purpose="alert-factor-added").all()
        db.session.rollback()
    assert {channel for (channel,) in told} == {"email", "sms"}
    assert "code" in answer(on_phone().start(prompt="login"), phone).told


def test_never_more_than_three_times_and_thirty_days_apart(app: Flask, on_phone: Phones, clock: Clock) -> None:
    shown = []
    for _ in range(6):
        who = type_code_at(on_phone())
        shown.append(who.step == "promote")
        if shown[-1]:
            who.submit("promote", decision="later")
        assert "code" in who.told
        clock.step(days=16)

    assert shown == [True, False, True, False, True, False]
    clock.step(days=400)
    assert "code" in type_code_at(on_phone()).told


def test_who_wants_no_more_is_not_asked_again_on_any_device(app: Flask, on_phone: Phones, clock: Clock) -> None:
    who = type_code_at(on_phone())
    who.submit("promote", decision="never")
    assert "code" in who.told

    clock.step(days=60)

    assert "code" in type_code_at(on_phone()).told
    assert outcomes(app) == ["shown", "never"]


def test_a_tab_closed_at_the_page_is_no_sign_in_lost(app: Flask, on_phone: Phones) -> None:
    """It counts as shown; whoever comes back goes straight on, without another code."""
    who = type_code_at(on_phone())
    assert who.step == "promote"

    who.start()

    assert "code" in who.told
    assert outcomes(app) == ["shown"]


def test_reloading_the_page_counts_once(app: Flask, alice: str, on_phone: Phones) -> None:
    who = type_code_at(on_phone())
    who.open("promote").open("promote")

    assert who.step == "promote"
    with app.app_context():
        kept = db.session.get(PasskeyPromotion, alice)
        assert kept is not None
        assert kept.times == 1
        db.session.rollback()


@pytest.mark.parametrize(
    ("user_agent", "platform"),
    [(PHONE, ""), (PHONE, "no"), (DESKTOP, "yes")],
    ids=["no script", "no sensor", "no phone"],
)
def test_nobody_is_offered_what_they_cannot_use(on_phone: Phones, user_agent: str, platform: str) -> None:
    assert "code" in type_code_at(on_phone(user_agent), platform).told


def test_on_a_computer_where_the_operator_says_so(on_phone: Phones, with_settings: Callable[..., Settings]) -> None:
    with_settings(promotion={"phones_only": False})

    assert type_code_at(on_phone(DESKTOP)).step == "promote"


def test_whoever_has_a_passkey_is_not_asked(app: Flask, alice: str, on_phone: Phones) -> None:
    enrol(app, alice)

    assert "code" in type_code_at(on_phone()).told


def test_nothing_is_offered_where_passkeys_are_ruled_out(
    on_phone: Phones, with_settings: Callable[..., Settings]
) -> None:
    with_settings(policy={"methods": ("email", "sms")})

    assert "code" in type_code_at(on_phone()).told


def test_a_second_sign_in_by_session_is_not_stopped_for_it(on_phone: Phones) -> None:
    who = type_code_at(on_phone())
    who.submit("promote", decision="later")

    assert "code" in who.start().told


def test_what_was_proved_too_long_ago_turns_nothing_on_ac_82(
    app: Flask, alice: str, on_phone: Phones, clock: Clock
) -> None:
    who, phone = type_code_at(on_phone()), Authenticator()
    made = phone.create(options_of(who).json)
    form = who.page.text
    clock.step(minutes=5)

    assert options_of(who).status_code == 422
    refused = who.browser.submit(form, "/promote/add", answer=made)

    assert refused.status_code == 422
    assert "Trop de temps a passé" in refused.text
    assert count(app, alice) == 0
    who.open("promote")
    who.submit("promote", decision="later")
    assert "code" in who.told


def test_no_passkey_before_everything_is_proved_ac_01_ac_82(app: Flask, alice: str, on_phone: Phones) -> None:
    """With the password alone the page, its challenge and its form lead back to the second step."""
    who = on_phone().start()
    who.submit("identify", nir=ALICE_NIR, password=ALICE_PASSWORD, platform="yes")
    csrf = who.browser.forms(who.page.text)[0]["csrf"]

    for path in ("promote", "promote/options", "promote/add"):
        refused = who.browser.post(
            f"/signin/{who.id}/{path}", data={"csrf": csrf, "decision": "later", "answer": "{}"}, headers=OURS
        )
        assert refused.status_code == 303
        assert refused.headers["Location"].endswith("/send")
    assert who.open("promote").step == "send"
    assert count(app, alice) == 0


@pytest.mark.parametrize("lies", [{"origin": "https://evil.test"}, {"flags": 0x01}, {"rp_id": "evil.test"}])
def test_a_forged_answer_turns_nothing_on_and_leaves_the_way_open(
    app: Flask, alice: str, on_phone: Phones, lies: dict[str, Any]
) -> None:
    who, phone = type_code_at(on_phone()), Authenticator()
    who.submit("add", answer=phone.create(options_of(who).json, **lies))
    assert who.page.status_code == 422
    assert count(app, alice) == 0

    who.submit("promote", decision="later")

    assert "code" in who.told


def test_a_challenge_of_another_sign_in_turns_nothing_on_ac_75(
    app: Flask, alice: str, on_phone: Phones, clock: Clock
) -> None:
    who, phone = type_code_at(on_phone()), Authenticator()
    made = phone.create(options_of(who).json)
    with app.app_context():
        db.session.execute(PasskeyPromotion.__table__.delete())  # type: ignore[attr-defined]
        db.session.commit()
    # Codes of one account are half a minute apart.
    clock.step(seconds=31)
    other = type_code_at(on_phone())
    other.submit("add", answer=made)

    assert other.page.status_code == 422
    assert count(app, alice) == 0


def test_a_form_of_another_site_decides_nothing_ac_83(on_phone: Phones) -> None:
    who = type_code_at(on_phone())

    refused = who.browser.post(f"/signin/{who.id}/promote", data={"decision": "never"}, headers=OURS)

    assert refused.status_code == 403
    assert who.open("promote").step == "promote"


def test_a_sign_in_that_is_stopped_meanwhile_turns_nothing_on(app: Flask, alice: str, on_phone: Phones) -> None:
    """« Ce n’est pas vous ? » voids the proofs: whoever sits at this page has to begin again."""
    from idp import clock as idp_clock
    from idp.accounts import directory

    who, phone = type_code_at(on_phone()), Authenticator()
    made = phone.create(options_of(who).json)
    with app.app_context():
        directory.get_account(alice).stopped_at = idp_clock.now()
        db.session.commit()
    who.submit("add", answer=made)

    assert who.step == "identify"
    assert count(app, alice) == 0
