"""A person signs in: every page in order, nothing sent by looking, nothing lost by reloading."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp import session
from idp.accounts import directory
from idp.db import db
from idp.messages.models import Outbox
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, Browser, Clock
from tests.signin.conftest import Visitor

Visitors = Callable[[], Visitor]


def messages(app: Flask) -> int:
    """Return how many messages were ever put into the outbox."""
    with app.app_context():
        return db.session.query(Outbox).count()


def add_bob(app: Flask, **changes: object) -> str:
    """Add a second account."""
    about = {
        "nir": "299132A999003",
        "password": "bobs-long-password-1",
        "email": "bob@example.fr",
        "mobile": None,
        **changes,
    }
    with app.app_context():
        account = directory.add_account(claims={}, **about)  # type: ignore[arg-type]
        db.session.commit()
        return str(account.id)


def test_password_then_mailed_code_then_back_with_a_code(visitor: Visitor) -> None:
    visitor.start()
    assert visitor.step == "identify"
    visitor.identify()
    assert visitor.step == "send"
    visitor.ask_for_code()
    assert visitor.step == "code"
    visitor.type_code()

    assert visitor.is_back
    assert set(visitor.told) == {"code", "state", "iss"}
    assert visitor.told["state"] == "st-1"


def test_every_redirect_after_a_form_is_a_303_ac_120(visitor: Visitor) -> None:
    visitor.start()
    for act in (visitor.identify, visitor.ask_for_code, visitor.type_code):
        act()
        assert visitor.answer.status_code == 303


def test_the_next_visit_needs_no_page(visitor: Visitor) -> None:
    visitor.sign_in()

    assert visitor.start(state="st-2").told["state"] == "st-2"


def test_nothing_is_sent_by_looking_reloading_or_going_back(app: Flask, visitor: Visitor) -> None:
    visitor.start().identify()
    for path in ("send", "code", "", "resend", "no-access", "identify"):
        visitor.open(path)
    assert messages(app) == 0
    visitor.open("send").ask_for_code()
    for _ in range(10):
        visitor.open("code")

    assert messages(app) == 1


def test_a_page_that_is_not_due_leads_to_the_one_that_is(visitor: Visitor) -> None:
    visitor.start()
    for path in ("send", "code", "consent", "pause", "no-access", "restricted", "no-channel", ""):
        assert visitor.open(path).step == "identify"
    visitor.identify()
    for path in ("identify", "code", "consent", "pause", ""):
        assert visitor.open(path).step == "send"


def test_level_one_opens_nothing_ac_01_ac_02(visitor: Visitor) -> None:
    visitor.start().identify()

    assert visitor.start(state="other").step == "send"
    assert visitor.open(f"/authorize/{visitor.id}").step == "send"


def test_level_one_is_no_session_for_prompt_none_ac_07(visitor: Visitor) -> None:
    visitor.start().identify()

    assert visitor.start(prompt="none").told["error"] == "login_required"


@pytest.mark.parametrize(
    "fields", [{"code": ""}, {"skip": "1"}, {"method": "none"}, {"verified": "true", "remember": "1"}]
)
def test_no_field_skips_the_code_ac_03(visitor: Visitor, fields: dict[str, str]) -> None:
    visitor.start().identify().ask_for_code()

    visitor.submit("code", **{"code": "", **fields})

    assert visitor.step == "code"
    assert visitor.start(prompt="none").told["error"] == "login_required"


def test_no_answer_shows_the_code_ac_17(app: Flask, visitor: Visitor) -> None:
    visitor.start().identify().ask_for_code()

    seen = visitor.page.text + str(visitor.page.headers) + visitor.answer.text + str(visitor.answer.headers)
    assert visitor.code not in seen


def test_the_right_code_again_gives_nothing_ac_19(visitor: Visitor) -> None:
    visitor.start().identify().ask_for_code()
    code, form = visitor.code, visitor.page
    visitor.type_code()
    first = visitor.told["code"]

    again = visitor.browser.submit(form.text, "/code", code=code)

    assert again.status_code in {303, 403}
    assert "code=" not in again.headers.get("Location", "")
    assert first


def test_a_code_in_the_address_is_not_looked_at_ac_35(visitor: Visitor) -> None:
    visitor.start().identify().ask_for_code()

    visitor.open(f"code?code={visitor.code}")

    assert visitor.step == "code"
    assert visitor.start(prompt="none").told["error"] == "login_required"


def test_a_closed_tab_resumes_at_the_code(app: Flask, visitor: Visitor, clock: Clock) -> None:
    visitor.start().identify().ask_for_code()
    code = visitor.code
    clock.step(minutes=10)

    visitor.start(state="again")

    assert visitor.step == "code"
    assert messages(app) == 1
    assert visitor.type_code(code).told["state"] == "again"


def test_after_a_quarter_of_an_hour_the_password_is_asked_again(visitor: Visitor, clock: Clock) -> None:
    visitor.start().identify()
    clock.step(minutes=15)

    assert visitor.start(state="again").step == "identify"


def test_two_tabs_end_each_with_its_own_state(app: Flask, visitor: Visitor) -> None:
    visitor.start(state="one")
    other = Visitor(app, visitor.browser).start(state="two")

    visitor.identify().ask_for_code().type_code()
    other.open("")

    assert visitor.told["state"] == "one"
    assert other.told["state"] == "two"
    assert other.told["code"] != visitor.told["code"]


def test_two_people_in_one_browser_never_cross_ac_16(app: Flask, visitor: Visitor) -> None:
    add_bob(app)
    alice = visitor.start(state="alice")
    bob = Visitor(app, visitor.browser).start(state="bob")
    alice.identify()
    bob.identify("299132A999003", "bobs-long-password-1")

    alice.open("").ask_for_code()
    bob.open("").ask_for_code().type_code()
    alice.open("")

    assert bob.told["state"] == "bob"
    assert alice.step == "code"
    assert alice.interaction.account_id != bob.interaction.account_id


def test_a_code_of_one_person_opens_nothing_of_another_ac_29(app: Flask, new_visitor: Visitors) -> None:
    add_bob(app)
    alice, bob = (
        new_visitor().start().identify(),
        new_visitor().start().identify("299132A999003", "bobs-long-password-1"),
    )
    alice.ask_for_code()
    bob.ask_for_code()
    if alice.code != bob.code:
        bob.type_code(alice.code)

        assert bob.step == "code"
    assert alice.type_code().is_back


def test_a_form_carried_into_another_browser_is_refused_ac_23(visitor: Visitor, new_visitor: Visitors) -> None:
    visitor.start().identify().ask_for_code()
    stranger = new_visitor().start(state="own").identify()

    answer = stranger.browser.submit(visitor.page.text, "/code", code=visitor.code)

    assert answer.status_code == 403
    assert visitor.type_code().is_back


def test_after_a_new_password_the_sign_in_begins_anew_and_ends_well_ac_49(
    app: Flask, visitor: Visitor, alice: str, clock: Clock
) -> None:
    visitor.start().identify().ask_for_code()
    code, form = visitor.code, visitor.page.text
    clock.step(seconds=5)
    with app.app_context():
        directory.set_password(alice, "another-long-password-2", now=clock())
        db.session.commit()

    answer = visitor.browser.submit(form, "/code", code=code)

    assert answer.headers["Location"].endswith("/identify")
    assert visitor.start(prompt="none").told["error"] == "login_required"
    clock.step(minutes=1)
    visitor.start().identify(password="another-long-password-2")
    assert visitor.step == "send"
    assert visitor.ask_for_code().type_code().is_back


def test_a_password_changed_before_a_step_up_is_asked_for_once(
    app: Flask, visitor: Visitor, alice: str, clock: Clock
) -> None:
    visitor.sign_in()
    clock.step(minutes=1)
    with app.app_context():
        directory.set_password(alice, "another-long-password-2", now=clock())
        db.session.commit()
    clock.step(minutes=1)
    demand = '{"id_token":{"acr":{"essential":true,"value":"urn:sesame:acr:mfa"}}}'

    assert visitor.start(claims=demand).step == "identify"
    visitor.identify(password="another-long-password-2")

    assert visitor.step == "send"
    assert "code" in visitor.ask_for_code("sms").type_code().told


@pytest.mark.parametrize("status", ["disabled", "restricted"])
def test_an_account_stopped_meanwhile_ends_the_sign_in_ac_49(
    app: Flask, visitor: Visitor, alice: str, clock: Clock, status: Any
) -> None:
    visitor.start().identify().ask_for_code()
    code, form = visitor.code, visitor.page.text
    with app.app_context():
        directory.set_status(alice, status, now=clock())
        db.session.commit()

    answer = visitor.browser.submit(form, "/code", code=code)

    assert answer.headers["Location"].endswith("/restricted")
    assert visitor.open("").page.status_code == 403
    assert visitor.start(prompt="none").told["error"] == "login_required"


def test_no_page_redirect_or_error_is_kept_by_a_cache_ac_172(
    visitor: Visitor, new_browser: Callable[[], Browser]
) -> None:
    visitor.start()
    seen = [visitor.page]
    for act in (visitor.identify, visitor.ask_for_code, visitor.type_code):
        act()
        seen += [visitor.answer, visitor.page]
    for path in ("already", "code", "restart"):
        seen.append(visitor.browser.get(f"/signin/{visitor.id}/{path}"))
    seen += [new_browser().get(f"/signin/{visitor.id}/{path}") for path in ("send", "nowhere")]

    assert {answer.headers.get("Cache-Control") for answer in seen} == {"no-store"}


def test_another_browser_cannot_open_a_sign_in_ac_22(visitor: Visitor, new_visitor: Visitors) -> None:
    visitor.start().identify()
    stranger = new_visitor()
    stranger.browser.get("/authorize")
    stranger.start(state="own")

    for path in ("identify", "send", "code", "", "consent"):
        answer = stranger.browser.get(f"/signin/{visitor.id}/{path}")
        assert answer.status_code == 403
        assert "Alice" not in answer.text
    assert stranger.browser.get(f"/authorize/{visitor.id}").status_code == 403


def test_without_cookies_the_page_says_so(visitor: Visitor, new_browser: Callable[[], Browser]) -> None:
    visitor.start()

    answer = new_browser().get(f"/signin/{visitor.id}/identify")

    assert answer.status_code == 400
    assert "cookies" in answer.text.lower()


def test_a_planted_session_is_worth_nothing_after_the_password_ac_21(
    app: Flask, visitor: Visitor, new_browser: Callable[[], Browser]
) -> None:
    visitor.start()
    planted = visitor.browser.get_cookie("__Host-sid", domain="idp.test")
    assert planted is not None
    thief = new_browser()
    thief.set_cookie("__Host-sid", planted.value, domain="idp.test", secure=True)

    visitor.identify()
    after_password = thief.get(f"/signin/{visitor.id}/send").status_code
    visitor.ask_for_code().type_code()

    assert after_password in {400, 403}
    assert thief.get(f"/signin/{visitor.id}/send").status_code in {400, 403}
    assert Visitor(app, thief).start(prompt="none").told["error"] == "login_required"


def test_the_cookies_are_opaque_and_locked_ac_161(visitor: Visitor) -> None:
    visitor.sign_in()

    for name in ("__Host-sid", "__Host-device"):
        cookie = visitor.browser.get_cookie(name, domain="idp.test")
        assert cookie is not None
        assert cookie.secure
        assert cookie.http_only
        assert cookie.same_site == "Lax"
        assert cookie.path == "/"
        assert ALICE_NIR not in cookie.value


def test_an_hour_without_an_act_ends_the_sign_in_and_offers_to_begin_again(visitor: Visitor, clock: Clock) -> None:
    visitor.start()
    clock.step(minutes=61)

    visitor.open("identify")

    assert visitor.page.status_code == 400
    assert "/restart" in visitor.page.text
    assert visitor.open("restart").step == "identify"


def test_every_act_gives_the_sign_in_another_hour(visitor: Visitor, clock: Clock) -> None:
    visitor.start()
    clock.step(minutes=50)
    visitor.identify()
    clock.step(minutes=50)

    assert visitor.open("").step == "send"


def test_cancel_leads_back_with_access_denied(visitor: Visitor) -> None:
    assert visitor.start().submit("cancel").told["error"] == "access_denied"


def test_cancel_after_the_password_too(visitor: Visitor) -> None:
    assert visitor.start().identify().ask_for_code().submit("cancel").told == {
        **visitor.told, "error": "access_denied", "state": "st-1",
    }  # fmt: skip


def test_a_cancelled_sign_in_cannot_go_on(visitor: Visitor) -> None:
    visitor.start().identify().ask_for_code()
    form, code = visitor.page, visitor.code
    visitor.submit("cancel")

    again = visitor.browser.submit(form.text, "/code", code=code)

    assert "code=" not in again.headers.get("Location", "")
    assert visitor.start(prompt="none").told["error"] == "login_required"


def test_another_person_may_take_over(app: Flask, visitor: Visitor) -> None:
    add_bob(app)
    visitor.start().identify().submit("switch")
    assert visitor.step == "identify"

    visitor.identify("299132A999003", "bobs-long-password-1").ask_for_code().type_code()

    assert visitor.is_back


def test_a_second_visit_to_a_finished_sign_in_says_so(visitor: Visitor) -> None:
    visitor.sign_in()

    for path in ("identify", "code", ""):
        assert visitor.open(path).step == "already"
    assert visitor.page.status_code == 200


def test_an_account_without_any_channel_is_told_where_to_go_ac_04(app: Flask, visitor: Visitor) -> None:
    add_bob(app, email=None)

    visitor.start().identify("299132A999003", "bobs-long-password-1")

    assert visitor.step == "no-channel"
    assert visitor.start(prompt="none").told["error"] == "login_required"


def test_a_restricted_account_is_told_after_the_password_only(
    app: Flask, visitor: Visitor, alice: str, clock: Clock
) -> None:
    with app.app_context():
        directory.set_status(alice, "restricted", now=clock())
        db.session.commit()

    visitor.start().identify()

    assert visitor.step == "restricted"
    assert "data-reference" in visitor.page.text


def test_a_first_visit_to_a_third_party_is_agreed_to_once_ac_114(visitor: Visitor) -> None:
    visitor.start(client_id="shop").identify().ask_for_code().type_code()
    assert visitor.step == "consent"

    visitor.submit("consent", decision="allow")

    assert "code" in visitor.told
    assert "code" in visitor.start(client_id="shop").told


def test_who_does_not_agree_is_taken_back_with_access_denied(visitor: Visitor) -> None:
    visitor.start(client_id="shop").identify().ask_for_code().type_code()

    assert visitor.submit("consent", decision="deny").told["error"] == "access_denied"
    assert visitor.start(client_id="shop").step == "consent"


@pytest.mark.parametrize("decision", ["", "yes", "ALLOW"])
def test_an_odd_decision_is_no_agreement(visitor: Visitor, decision: str) -> None:
    visitor.start(client_id="shop").identify().ask_for_code().type_code()

    visitor.submit("consent", decision=decision)

    assert visitor.page.status_code == 400
    assert visitor.start(client_id="shop").step == "consent"


def test_prompt_login_asks_again_and_moves_auth_time_p_33(visitor: Visitor, clock: Clock) -> None:
    visitor.sign_in()
    clock.step(seconds=90)

    visitor.start(prompt="login")

    assert visitor.step == "identify"
    assert visitor.identify().ask_for_code().type_code().is_back


def test_a_stronger_level_is_a_step_not_a_new_sign_in(visitor: Visitor, clock: Clock) -> None:
    visitor.sign_in()
    clock.step(minutes=5)
    demand = '{"id_token":{"acr":{"essential":true,"value":"urn:sesame:acr:mfa"}}}'

    visitor.start(claims=demand)
    assert visitor.step == "send"
    visitor.ask_for_code("sms").type_code()

    assert "code" in visitor.told


def test_a_demand_that_the_account_cannot_meet_is_said_to_the_service(app: Flask, visitor: Visitor) -> None:
    add_bob(app)
    demand = '{"id_token":{"acr":{"essential":true,"value":"urn:sesame:acr:mfa"}}}'

    visitor.start(claims=demand).identify("299132A999003", "bobs-long-password-1")

    assert visitor.told["error"] == "unmet_authentication_requirements"


def test_a_wished_level_comes_first_and_is_not_forced(visitor: Visitor) -> None:
    visitor.start(acr_values="urn:sesame:acr:mfa").identify()

    assert visitor.page.text.index('id="channel-sms"') < visitor.page.text.index('id="channel-email"')
    assert visitor.ask_for_code("email").type_code().is_back


def test_the_session_is_indexed_and_ends_by_itself(app: Flask, visitor: Visitor, alice: str, clock: Clock) -> None:
    visitor.sign_in()
    with app.app_context():
        record = db.session.query(session.SessionRecord).one()
        assert record.account_id == alice
    clock.step(minutes=31)

    assert visitor.start(state="later").step == "identify"


def test_a_disabled_account_loses_its_session_when_all_are_ended_ac_138(
    app: Flask, visitor: Visitor, alice: str, clock: Clock
) -> None:
    visitor.sign_in()
    with app.app_context():
        session.end_sessions_of(alice, clock())
        db.session.commit()

    assert visitor.start(prompt="none").told["error"] == "login_required"


def test_the_password_is_never_shown_again(visitor: Visitor) -> None:
    visitor.start().identify(password="some-wrong-password-1")

    assert "some-wrong-password-1" not in visitor.page.text
    assert ALICE_PASSWORD not in visitor.page.text
    assert ALICE_NIR in visitor.page.text


def test_the_service_is_named_and_escaped_ac_179(visitor: Visitor) -> None:
    assert "Service &amp; Cie" in visitor.start().page.text


def test_pages_let_their_forms_lead_home_and_to_the_service_only(visitor: Visitor) -> None:
    policy = visitor.start().page.headers["Content-Security-Policy"]

    assert "form-action 'self' https:;" in policy


def test_a_walk_takes_its_time(visitor: Visitor, clock: Clock) -> None:
    visitor.start()
    clock.step(seconds=timedelta(minutes=59).total_seconds())
    visitor.identify().ask_for_code()
    clock.step(minutes=14)

    assert visitor.type_code().is_back
