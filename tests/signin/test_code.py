"""The code: sent when asked for and not too often, typed in peace, guessed in vain."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from idp.accounts import directory
from idp.db import db
from idp.messages import receipts
from idp.messages.models import Outbox
from idp.messages.transport import Receipt
from idp.mfa import guard
from idp.session import SessionRecord
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, ISSUER, Clock
from tests.signin.conftest import Visitor
from tests.signin.test_walk import add_bob

Visitors = Callable[[], Visitor]


@pytest.fixture
def at_code(visitor: Visitor) -> Visitor:
    return visitor.start().identify().ask_for_code()


def sent(app: Flask) -> list[str]:
    """Return the channels of all codes, in order."""
    with app.app_context():
        codes = db.session.query(Outbox).filter(Outbox.purpose == "sign-in")
        return [row.channel for row in codes.order_by(Outbox.created_at)]


def test_destinations_are_masked_ac_40(visitor: Visitor) -> None:
    text = visitor.start().identify().page.text

    assert ALICE_EMAIL not in text
    assert ALICE_MOBILE[3:] not in text
    assert "47" in text


def test_the_message_is_written_in_the_outbox_sealed(app: Flask, at_code: Visitor) -> None:
    with app.app_context():
        row: Any = db.session.query(Outbox).one()
        kept = str({column.name: getattr(row, column.key, None) for column in row.__table__.columns})

    assert at_code.code not in kept
    assert ALICE_EMAIL not in kept


@pytest.mark.parametrize("more", [{"to": "a@evil.example"}, {"email": "a@evil.example"}, {"phone": "+33600000000"}])
def test_extra_fields_change_no_destination_ac_39(app: Flask, visitor: Visitor, more: dict[str, str]) -> None:
    visitor.start().identify().submit("send", channel="email", **more)

    assert sent(app) == ["email"]


@pytest.mark.parametrize("channel", ["", "pigeon", "passkey"])
def test_a_channel_that_is_not_offered_sends_nothing(app: Flask, visitor: Visitor, channel: str) -> None:
    visitor.start().identify().submit("send", channel=channel)

    assert visitor.page.status_code == 422
    assert sent(app) == []


def test_a_channel_that_is_not_enrolled_sends_nothing_ac_39(app: Flask, visitor: Visitor, alice: str) -> None:
    with app.app_context():
        directory.get_account(alice).set_mobile(None, verified_at=None)
        db.session.commit()

    visitor.start().identify().submit("send", channel="sms")

    assert visitor.page.status_code == 422
    assert sent(app) == []


def test_nothing_is_sent_before_the_password_ac_38(app: Flask, visitor: Visitor) -> None:
    visitor.start()
    form = visitor.browser.forms(visitor.page.text)[0]

    answer = visitor.browser.post(f"/signin/{visitor.id}/send", data={"csrf": form["csrf"], "channel": "email"})

    assert answer.headers["Location"].endswith("/identify")
    assert sent(app) == []


@pytest.mark.parametrize("typed", ["{0} {1}", "{0}-{1}", " {0}\u00a0{1} "])
def test_a_code_may_be_typed_with_spaces_or_hyphens(at_code: Visitor, typed: str) -> None:
    code = at_code.code

    assert at_code.type_code(typed.format(code[:3], code[3:])).is_back


@pytest.mark.parametrize(
    ("typed", "status", "words"),
    [
        ("", 422, "Écrivez le code"),
        ("12345", 422, "5"),
        ("1234567", 422, "7"),
        ("abcdef", 422, "6 chiffres"),
        ("1" * 65, 400, ""),
        ("+12345", 422, ""),
        ("-482915", 422, "seulement des chiffres"),
    ],
)
def test_what_cannot_be_a_code_is_said_and_not_counted_ac_43(
    at_code: Visitor, typed: str, status: int, words: str
) -> None:
    for _ in range(12):
        at_code.type_code(typed)
        assert at_code.page.status_code == status
        assert words in at_code.page.text
        at_code.open("code")

    assert at_code.type_code().is_back


def test_a_second_code_field_is_refused_r20(at_code: Visitor) -> None:
    at_code.submit("code", code=[at_code.code, "000000"])

    assert at_code.page.status_code == 400


def test_the_last_tries_are_announced_then_the_code_is_dead_ac_25(at_code: Visitor) -> None:
    seen = [at_code.type_code(at_code.wrong_code).page.text for _ in range(5)]

    assert "essais" not in seen[0].split("<main")[1].split("</form>")[0] or "2 essais" not in seen[0]
    assert "2 essais" in seen[2]
    assert "1 essai" in seen[3]
    assert "annulé" in seen[4]
    assert at_code.type_code().page.status_code == 422


def test_a_dead_code_can_be_replaced_at_once_when_time_allows(at_code: Visitor, clock: Clock) -> None:
    for _ in range(5):
        at_code.type_code(at_code.wrong_code)
    clock.step(seconds=30)

    at_code.open("code").submit("resend", channel="email")

    assert at_code.type_code().is_back


def test_an_expired_code_says_so(at_code: Visitor, clock: Clock) -> None:
    clock.step(minutes=15)

    at_code.type_code()

    assert at_code.page.status_code == 422
    assert "trop ancien" in at_code.page.text


def test_resending_waits_thirty_seconds_then_a_minute(app: Flask, at_code: Visitor, clock: Clock) -> None:
    outcomes = []
    for seconds in (0, 29, 1, 59, 1):
        clock.step(seconds=seconds)
        at_code.open("code").submit("resend", channel="email")
        outcomes.append(len(sent(app)))

    assert outcomes == [1, 1, 2, 2, 3]


def test_a_double_click_sends_once_rc_18(app: Flask, visitor: Visitor) -> None:
    visitor.start().identify()
    form = visitor.page

    answers = [visitor.browser.submit(form.text, "/send", channel="email") for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert sent(app) == ["email"]


def test_resending_says_that_it_is_the_same_code(at_code: Visitor, clock: Clock) -> None:
    code = at_code.code
    clock.step(seconds=31)

    at_code.open("code").submit("resend", channel="email")

    assert at_code.code == code
    assert "même code" in at_code.page.text


def test_the_mail_that_came_late_is_told_apart_and_costs_no_try(at_code: Visitor, clock: Clock) -> None:
    old = at_code.code
    clock.step(minutes=11)
    at_code.open("code").submit("resend", channel="email")

    for _ in range(6):
        assert at_code.type_code(old).page.status_code == 422
        assert "remplacé" in at_code.page.text
    assert at_code.type_code().is_back


def test_the_other_channel_gets_another_code_ac_24_ac_50(app: Flask, at_code: Visitor, clock: Clock) -> None:
    old = at_code.code
    clock.step(seconds=31)

    at_code.open("code").submit("resend", channel="sms")

    assert sent(app) == ["email", "sms"]
    if at_code.code != old:
        assert at_code.type_code(old).page.status_code == 422
    assert at_code.type_code().is_back


def test_five_sendings_an_hour_and_ten_a_day_ac_36(app: Flask, at_code: Visitor, clock: Clock) -> None:
    for _ in range(8):
        clock.step(minutes=2)
        token = next(form["csrf"] for form in at_code.browser.forms(at_code.open("code").page.text) if "csrf" in form)
        fields = {"csrf": token, "channel": "email"}
        last = at_code.browser.post(f"/signin/{at_code.id}/resend", data=fields, headers={"Origin": ISSUER})
    in_the_hour = len(sent(app))
    for _ in range(26):
        clock.step(minutes=50)
        at_code.start().identify().submit("send", channel="email")

    assert in_the_hour == 5
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) > 60
    assert len(sent(app)) == 10


def test_ten_accounts_with_one_mailbox_get_no_more_than_one_ac_42(
    app: Flask, new_visitor: Visitors, clock: Clock
) -> None:
    with app.app_context():
        for number in range(6):
            directory.add_account(
                nir=f"29913999990{number}4",
                password="family-password-1",
                email="family@example.fr",
                mobile=None,
                claims={},
            )
        db.session.commit()
    for number in range(6):
        new_visitor().start().identify(f"29913999990{number}4", "family-password-1").ask_for_code()

    assert len(sent(app)) == 5


def test_ten_wrong_codes_pause_the_account_in_every_browser_ac_26(
    at_code: Visitor, new_visitor: Visitors, clock: Clock
) -> None:
    for _ in range(5):
        at_code.type_code(at_code.wrong_code)
    clock.step(seconds=31)
    at_code.open("code").submit("resend", channel="email")
    for _ in range(5):
        at_code.type_code(at_code.wrong_code)

    assert at_code.step == "pause"
    assert at_code.page.status_code == 429
    assert new_visitor().start().identify().step == "pause"
    clock.step(minutes=15)
    assert at_code.open("").step in {"code", "send"}


def test_a_pause_leaves_a_known_browser_alone_ac_54(visitor: Visitor, new_visitor: Visitors, clock: Clock) -> None:
    visitor.sign_in()
    stranger = new_visitor()
    clock.step(minutes=31)
    stranger.start().identify().ask_for_code()
    for _ in range(2):
        for _ in range(5):
            stranger.type_code(stranger.wrong_code)
        clock.step(seconds=61)
        if stranger.step == "code":
            stranger.open("code").submit("resend", channel="email")
    assert stranger.open("").step == "pause"

    assert visitor.start(state="owner").identify().step == "send"
    assert visitor.ask_for_code().type_code().is_back


def test_somebody_elses_sign_in_there_does_not_clear_a_known_browsers_count_ac_54(
    app: Flask, visitor: Visitor, clock: Clock
) -> None:
    """The cookie of the browser changes with every sign-in; the count of each of its accounts stays."""
    add_bob(app)
    visitor.sign_in()
    clock.step(minutes=31)
    visitor.start().identify().ask_for_code()
    for _ in range(4):
        visitor.type_code(visitor.wrong_code)

    visitor.submit("switch").identify("299132A999003", "bobs-long-password-1").ask_for_code().type_code()
    clock.step(minutes=31)
    visitor.start().identify().ask_for_code().type_code(visitor.wrong_code)

    with app.app_context():
        assert db.session.query(guard.CodeGuard).one().failures == 5


def test_spoofed_addresses_change_nothing_ac_28(at_code: Visitor) -> None:
    for number in range(5):
        headers = dict.fromkeys(("X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP"), f"203.0.113.{number}")
        form = at_code.browser.forms(at_code.page.text)
        token = next(one["csrf"] for one in form if one[""].endswith("/code"))
        at_code.browser.post(
            f"/signin/{at_code.id}/code", data={"csrf": token, "code": at_code.wrong_code}, headers=headers
        )

    assert at_code.open("code").type_code().page.status_code == 422


def test_the_right_code_typed_fifty_times_at_once_opens_one_session(app: Flask, at_code: Visitor) -> None:
    form = next(one for one in at_code.browser.forms(at_code.page.text) if one[""].endswith("/code"))
    cookie = at_code.browser.get_cookie("__Host-sid", domain="idp.test")
    assert cookie is not None
    url, fields = form.pop(""), {**form, "code": at_code.code}

    def type_it(_n: int) -> str:
        browser = app.test_client()
        browser.set_cookie("__Host-sid", cookie.value, domain="idp.test", secure=True)
        answer = browser.post(url, data=fields, headers={"Origin": "https://idp.test", "Sec-Fetch-Site": "same-origin"})
        leads_on = "/authorize/" in answer.headers.get("Location", "")
        return f"{answer.status_code} {leads_on} {'__Host-device' in str(answer.headers)}"

    with ThreadPoolExecutor(50) as pool:
        outcomes = Counter(pool.map(type_it, range(50)))

    assert outcomes["303 True True"] == 1
    with app.app_context():
        assert db.session.query(SessionRecord).count() == 1


def test_the_page_says_when_the_relay_has_the_message_or_refused_it(app: Flask, at_code: Visitor, clock: Clock) -> None:
    waiting = at_code.open("code").page.text
    with app.app_context():
        row = db.session.query(Outbox).one()
        row.state = "accepted"
        db.session.commit()
    accepted = at_code.open("code").page.text
    with app.app_context():
        db.session.query(Outbox).one().state = "refused"
        db.session.commit()
    refused = at_code.open("code").page.text

    assert len({waiting, accepted, refused}) == 3
    assert "SMS" in refused


def test_the_page_says_when_the_phone_has_the_sms(app: Flask, at_code: Visitor, clock: Clock) -> None:
    clock.step(minutes=1)
    at_code.submit("send", channel="sms")
    with app.app_context():
        row = db.session.query(Outbox).filter_by(channel="sms").one()
        row.state, row.relay, row.relay_ref = "accepted", "brevo", "7"
        db.session.commit()
    accepted = at_code.open("code").page.text
    with app.app_context():
        receipts.record(Receipt("brevo", "7", "delivered"), clock())
        db.session.commit()
    delivered = at_code.open("code").page.text
    with app.app_context():
        row = db.session.query(Outbox).filter_by(channel="sms").one()
        row.state = "accepted"
        receipts.record(Receipt("brevo", "7", "failed"), clock())
        db.session.commit()
    failed = at_code.open("code").page.text

    # The script goes on asking as long as the network may still say more.
    assert ("data-follow" in accepted, "data-follow" in delivered) == (True, False)
    assert "Votre téléphone l’a reçu à" in delivered
    assert "Votre téléphone" not in accepted + failed
    assert 'name="channel" value="email"' in failed


def test_without_budget_no_sms_is_promised_and_the_mail_offered(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = app.extensions["sesame"]["settings"]
    sms = settings.sms.model_copy(update={"prefix_budgets": {"336": 0}})
    monkeypatch.setitem(app.extensions["sesame"], "settings", settings.model_copy(update={"sms": sms}))

    visitor.start().identify().ask_for_code("sms")

    assert visitor.page.status_code == 429
    assert 'name="channel" value="email"' in visitor.page.text
    with app.app_context():
        assert db.session.query(Outbox).filter_by(channel="sms").count() == 0


def test_from_a_refused_mail_the_other_channel_is_one_press_away(app: Flask, at_code: Visitor, clock: Clock) -> None:
    with app.app_context():
        db.session.query(Outbox).one().state = "refused"
        db.session.commit()
    clock.step(seconds=31)

    at_code.open("code").submit("resend", channel="sms")

    assert at_code.step == "code"
    assert at_code.type_code().is_back


def test_no_access_page_offers_what_is_left_and_changes_nothing(at_code: Visitor) -> None:
    text = at_code.open("no-access").page.text

    assert at_code.page.status_code == 200
    assert "pièce d’identité" in text
    assert 'name="email"' not in text


def test_the_adviser_sentence_stands_where_codes_are_asked_for_ac_14(visitor: Visitor) -> None:
    sentence = "Aucun conseiller de la Caf ne vous le demandera"

    assert sentence in visitor.start().identify().page.text
    assert sentence in visitor.ask_for_code().page.text


def test_the_code_field_helps_phones_and_readers(at_code: Visitor) -> None:
    field = next(tag for tag in at_code.page.text.split("<") if tag.startswith("input") and 'id="code"' in tag)

    assert 'autocomplete="one-time-code"' in field
    assert 'inputmode="numeric"' in field
    assert "maxlength" not in field
    assert 'type="number"' not in field


def test_an_unknown_account_never_reaches_the_second_step(visitor: Visitor) -> None:
    assert visitor.start().identify("2840599123456").step == "identify"
    assert ALICE_NIR not in visitor.page.text
