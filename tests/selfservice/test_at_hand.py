"""A person makes a sheet of recovery codes, adds and removes an app; each asks for a fresh sign-in and is told."""

import re

import pyotp
import pytest
from flask import Flask

from idp.db import db
from idp.messages.models import Outbox
from idp.mfa.recovery_codes import count_recovery_codes
from idp.mfa.totp import find_totp
from tests.conftest import Clock
from tests.selfservice.test_passkeys import post
from tests.signin.conftest import Visitor, new_visitor, relying_parties, visitor

__all__ = ["new_visitor", "relying_parties", "visitor"]


def come_in(who: Visitor, path: str) -> Visitor:
    """Open a section through the sign-in."""
    return who.open(path).identify().ask_for_code().type_code()


def told(app: Flask) -> list[str]:
    """Return the alerts that were written, once for each channel."""
    with app.app_context():
        rows = [row.purpose for row in db.session.query(Outbox).order_by(Outbox.id) if row.purpose.startswith("alert-")]
        db.session.rollback()
    return rows


def left(app: Flask, account_id: str) -> int:
    with app.app_context():
        found = count_recovery_codes(account_id)
        db.session.rollback()
    return found


def has_app(app: Flask, account_id: str) -> bool:
    with app.app_context():
        found = find_totp(account_id) is not None
        db.session.rollback()
    return found


def shown_secret(who: Visitor) -> str:
    found = re.search(r'id="totp-secret"[^>]*>([A-Z2-7 ]+)<', who.page.text)
    assert found
    return found[1].replace(" ", "")


def begin(who: Visitor) -> Visitor:
    """Press « Ajouter une application »."""
    return come_in(who, "/account/authenticator").submit("authenticator/begin")


# -- recovery codes ------------------------------------------------------------------------------------------------


def test_a_sheet_is_shown_once_and_works(app: Flask, alice: str, visitor: Visitor, new_visitor: object) -> None:
    come_in(visitor, "/account/recovery")
    assert "pas de codes de secours" in visitor.page.text
    visitor.submit("account/recovery")
    codes = re.findall(r"<code>([0-9A-Z-]{19})</code>", visitor.page.text)

    assert len(codes) == 10
    assert visitor.page.headers["Cache-Control"] == "no-store"
    again = visitor.open("/account/recovery").page.text
    assert not [code for code in codes if code in again]
    assert "Il vous reste 10 codes" in again.replace("\u00a0", " ")
    other = new_visitor().start().identify().open("recovery")  # type: ignore[operator]
    assert "code" in other.submit("recovery", **{"recovery-code": codes[0]}).told
    assert "Il vous reste 9 codes" in visitor.open("/account/recovery").page.text.replace("\u00a0", " ")


def test_making_a_sheet_is_told_on_every_channel(app: Flask, visitor: Visitor) -> None:
    come_in(visitor, "/account/recovery").submit("account/recovery")

    assert told(app) == ["alert-recovery-codes-made"] * 2


def test_a_sheet_asks_for_a_fresh_sign_in_ac_12(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    come_in(visitor, "/account/recovery")
    clock.step(minutes=6)
    visitor.submit("account/recovery")

    assert visitor.step == "identify"
    assert left(app, alice) == 0


def test_a_sheet_can_be_made_worthless(app: Flask, alice: str, visitor: Visitor) -> None:
    come_in(visitor, "/account/recovery").submit("account/recovery")
    visitor.open("/account/recovery").submit("recovery/remove")

    assert left(app, alice) == 0
    assert told(app)[-2:] == ["alert-factor-removed"] * 2


def test_nobody_makes_a_sheet_from_another_page(app: Flask, alice: str, visitor: Visitor) -> None:
    come_in(visitor, "/account/recovery")

    assert visitor.browser.post("/account/recovery").status_code == 403
    assert left(app, alice) == 0


# -- the app -------------------------------------------------------------------------------------------------------


def test_an_app_is_added_by_a_code_of_it(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    begin(visitor)
    secret = shown_secret(visitor)
    assert not has_app(app, alice), "nothing is in force before a code was typed"
    visitor.submit("account/authenticator", code=pyotp.TOTP(secret).at(clock()))

    assert has_app(app, alice)
    assert "active depuis" in visitor.page.text
    assert secret not in visitor.page.text.replace(" ", "")
    assert told(app) == ["alert-factor-added"] * 2


def test_the_code_that_added_it_does_not_sign_in_too(
    app: Flask, alice: str, visitor: Visitor, new_visitor: object, clock: Clock
) -> None:
    begin(visitor)
    secret = shown_secret(visitor)
    code = pyotp.TOTP(secret).at(clock())
    visitor.submit("account/authenticator", code=code)
    other = new_visitor().start().identify().open("authenticator")  # type: ignore[operator]

    assert other.submit("authenticator", code=code).page.status_code == 422
    clock.step(seconds=30)
    assert "code" in other.submit("authenticator", code=pyotp.TOTP(secret).at(clock())).told


def test_the_picture_obeys_the_content_policy(visitor: Visitor) -> None:
    begin(visitor)
    picture = re.search(r"<svg class=\"[^\"]*segno.*?</svg>|<svg[^>]*>\s*<path.*?</svg>", visitor.page.text, re.S)

    assert "<svg" in visitor.page.text
    assert picture
    assert "style=" not in picture[0]
    assert "unsafe-inline" not in visitor.page.headers["Content-Security-Policy"]


def test_a_wrong_code_adds_nothing_and_the_secret_stays(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    begin(visitor)
    secret = shown_secret(visitor)
    late = pyotp.TOTP(secret).at(int(clock().timestamp()) + 300)
    visitor.submit("account/authenticator", code=late)

    assert visitor.page.status_code == 422
    assert shown_secret(visitor) == secret
    assert not has_app(app, alice)


def test_a_secret_is_for_the_browser_that_showed_it(
    app: Flask, alice: str, visitor: Visitor, new_visitor: object, clock: Clock
) -> None:
    begin(visitor)
    code = pyotp.TOTP(shown_secret(visitor)).at(clock())
    clock.step(seconds=31)
    other = new_visitor()  # type: ignore[operator]
    come_in(other, "/account/authenticator")
    answer = post(other, "/account/authenticator", code=code)

    assert answer.status_code == 303
    assert not has_app(app, alice)


def test_a_secret_is_forgotten_after_a_quarter_of_an_hour(visitor: Visitor, clock: Clock) -> None:
    begin(visitor)
    clock.step(minutes=15)

    assert "totp-secret" not in visitor.open("/account/authenticator").page.text


@pytest.mark.parametrize("act", ["begin", "remove"])
def test_changes_of_the_app_ask_for_a_fresh_sign_in(
    app: Flask, alice: str, visitor: Visitor, clock: Clock, act: str
) -> None:
    begin(visitor).submit("account/authenticator", code=pyotp.TOTP(shown_secret(visitor)).at(clock()))
    clock.step(minutes=6)
    visitor.open("/account/authenticator").submit(f"authenticator/{act}")

    assert visitor.step == "identify"
    assert has_app(app, alice)


def test_an_app_is_removed_and_told(app: Flask, alice: str, visitor: Visitor, clock: Clock) -> None:
    begin(visitor).submit("account/authenticator", code=pyotp.TOTP(shown_secret(visitor)).at(clock()))
    visitor.submit("authenticator/remove")

    assert not has_app(app, alice)
    assert told(app)[-2:] == ["alert-factor-removed"] * 2
    assert visitor.start().is_back, "the session that removed it goes on"


@pytest.mark.parametrize("path", ["/account/recovery", "/account/authenticator"])
def test_nobody_else_gets_in_ac_01(visitor: Visitor, path: str) -> None:
    assert visitor.open(path).step == "identify"
    visitor.identify()
    assert visitor.open(path).step in {"send", "identify"}
