"""The second step with an app or a recovery code: offered to whom has one, told honestly, paused with all codes."""

import json
from collections.abc import Callable

import pyotp
import pytest
from flask import Flask

from idp import clock as idp_clock
from idp.accounts import directory
from idp.db import db
from idp.mfa.recovery_codes import make_recovery_codes
from idp.mfa.totp import enrol_totp, new_secret
from tests.conftest import ALICE_NIR, Clock
from tests.signin.conftest import Visitor
from tests.signin.test_forgot import NEW_PASSWORD, level_of_last, messages, whole
from tests.signin.test_walk import add_bob

Visitors = Callable[[], Visitor]
BOB_NIR, BOB_PASSWORD = "299132A999003", "bobs-long-password-1"
MFA, TWO_STEP = "urn:sesame:acr:mfa", "urn:sesame:acr:2sv"


def with_app(app: Flask, account_id: str) -> str:
    """Give an account an authenticator app; return its secret."""
    secret = new_secret()
    with app.app_context():
        enrol_totp(account_id, secret, step=0, now=idp_clock.now())
        db.session.commit()
    return secret


def with_sheet(app: Flask, account_id: str) -> tuple[str, ...]:
    """Give an account recovery codes."""
    with app.app_context():
        codes = make_recovery_codes(account_id, idp_clock.now())
        db.session.commit()
    return codes


def essential(level: str) -> str:
    return json.dumps({"id_token": {"acr": {"essential": True, "value": level}}})


def test_an_app_is_the_second_step(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    secret = with_app(app, alice)
    visitor.start().identify()
    assert visitor.step == "send"
    assert f'href="/signin/{visitor.id}/authenticator"' in visitor.page.text

    visitor.open("authenticator").submit("authenticator", code=pyotp.TOTP(secret).at(clock()))
    assert "code" in visitor.told
    assert level_of_last(app, alice) == MFA
    assert messages(app) == [], "nothing had to be sent"


def test_a_recovery_code_is_the_second_step_and_told(app: Flask, alice: str, visitor: Visitor) -> None:
    codes = with_sheet(app, alice)
    visitor.start().identify().open("recovery").submit("recovery", **{"recovery-code": codes[3]})

    assert "code" in visitor.told
    assert level_of_last(app, alice) == TWO_STEP
    assert [purpose for purpose, _, _ in messages(app)] == ["alert-recovery-used"] * 2


def test_a_used_recovery_code_gets_nobody_in(app: Flask, alice: str, new_visitor: Visitors) -> None:
    codes = with_sheet(app, alice)
    new_visitor().start().identify().open("recovery").submit("recovery", **{"recovery-code": codes[0]})
    second = new_visitor().start().identify().open("recovery").submit("recovery", **{"recovery-code": codes[0]})

    assert second.page.status_code == 422
    assert "a peut-être déjà servi" in second.page.text


def test_a_code_of_the_app_gets_one_browser_in(app: Flask, alice: str, new_visitor: Visitors, clock: Clock) -> None:
    code = pyotp.TOTP(with_app(app, alice)).at(clock())
    first, second = (new_visitor().start().identify().open("authenticator") for _ in range(2))

    assert "code" in first.submit("authenticator", code=code).told
    assert second.submit("authenticator", code=code).page.status_code == 422


@pytest.mark.parametrize("page", ["authenticator", "recovery"])
def test_nothing_is_offered_that_the_account_has_not(visitor: Visitor, page: str) -> None:
    visitor.start().identify()

    assert f"/{page}" not in visitor.page.text
    assert visitor.browser.get(f"/signin/{visitor.id}/{page}").status_code == 404


@pytest.mark.parametrize("page", ["authenticator", "recovery"])
def test_neither_comes_before_the_password_ac_38(app: Flask, alice: str, visitor: Visitor, page: str) -> None:
    with_app(app, alice)
    with_sheet(app, alice)
    visitor.start()

    assert visitor.open(page).step == "identify"


def test_a_recovery_code_meets_no_demand_for_two_factors(app: Flask, alice: str, visitor: Visitor) -> None:
    with_sheet(app, alice)
    visitor.start(claims=essential(MFA)).identify()

    assert "/recovery" not in visitor.page.text
    assert visitor.browser.get(f"/signin/{visitor.id}/recovery").status_code == 404


def test_an_app_meets_a_demand_for_two_factors(app: Flask, visitor: Visitor, clock: Clock) -> None:
    """An account without a mobile: the app is all that there is, so its page is the one that is due."""
    secret = with_app(app, add_bob(app))
    visitor.start(claims=essential(MFA)).identify(BOB_NIR, BOB_PASSWORD)

    assert visitor.step == "authenticator"
    assert "code" in visitor.submit("authenticator", code=pyotp.TOTP(secret).at(clock())).told


def test_whoever_has_a_sheet_only_is_led_to_it(app: Flask, visitor: Visitor) -> None:
    codes = with_sheet(app, add_bob(app, email=None))
    visitor.start().identify(BOB_NIR, BOB_PASSWORD)

    assert visitor.step == "recovery"
    assert "code" in visitor.submit("recovery", **{"recovery-code": codes[0]}).told


def test_all_pause_together(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    secret, codes = with_app(app, alice), with_sheet(app, alice)
    visitor.start().identify().open("recovery")
    for _ in range(9):
        visitor.submit("recovery", **{"recovery-code": "3479-CDFH-JKMN-PQRT"})
    assert visitor.step == "recovery"
    visitor.submit("recovery", **{"recovery-code": "3479-CDFH-JKMN-PQRT"})

    assert visitor.step == "pause"
    assert visitor.open("authenticator").step == "pause"
    assert visitor.open("recovery").step == "pause"
    clock.step(minutes=15)
    visitor.start().identify().open("authenticator")
    assert "code" in visitor.submit("authenticator", code=pyotp.TOTP(secret).at(clock())).told
    assert codes


def test_after_a_reset_the_app_or_the_sheet_is_the_other_factor(app: Flask, visitor: Visitor, clock: Clock) -> None:
    """One mailbox and a sheet of paper: the mailbox that made the password is not asked again."""
    codes = with_sheet(app, add_bob(app))
    whole(visitor, nir=BOB_NIR)
    visitor.identify(BOB_NIR, NEW_PASSWORD)

    assert visitor.step == "recovery"
    assert visitor.open("send").step == "recovery"
    assert "code" in visitor.submit("recovery", **{"recovery-code": codes[0]}).told


def test_a_reset_leaves_app_and_sheet_as_they_are(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    secret = with_app(app, alice)
    whole(visitor, nir=ALICE_NIR)
    clock.step(seconds=1)
    visitor.identify(password=NEW_PASSWORD).open("authenticator")

    assert "code" in visitor.submit("authenticator", code=pyotp.TOTP(secret).at(clock())).told


def test_the_page_of_lost_access_names_what_is_at_hand(app: Flask, alice: str, visitor: Visitor) -> None:
    with_app(app, alice)
    with_sheet(app, alice)
    visitor.start().identify().open("no-access")

    assert f'href="/signin/{visitor.id}/authenticator"' in visitor.page.text
    assert f'href="/signin/{visitor.id}/recovery"' in visitor.page.text


def test_a_disabled_account_is_let_in_by_neither(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    codes = with_sheet(app, alice)
    visitor.start().identify().open("recovery")
    with app.app_context():
        directory.set_status(alice, "disabled", now=clock())
        db.session.commit()
    visitor.submit("recovery", **{"recovery-code": codes[0]})

    assert visitor.step == "restricted"
    assert level_of_last(app, alice) is None


def test_the_field_is_bounded(app: Flask, alice: str, visitor: Visitor) -> None:
    with_sheet(app, alice)
    visitor.start().identify().open("recovery").submit("recovery", **{"recovery-code": "x" * 65})

    assert visitor.page.status_code == 400
