"""A service that wishes for a better sign-in than the one there is: the visitor is offered it (RFC 9470 §5)."""

from idp.accounts import directory
from idp.db import db
from tests.authorize.test_sessions import granted
from tests.conftest import ALICE_EMAIL, Clock
from tests.signin.conftest import Visitor

MFA = "urn:sesame:acr:mfa"


def test_who_is_signed_in_is_asked_for_the_better_factor_alone(visitor: Visitor, clock: Clock) -> None:
    visitor.sign_in("email")
    clock.step(minutes=2)

    visitor.start(acr_values=MFA)

    assert visitor.step == "send"
    assert visitor.page.text.index('id="channel-sms"') < visitor.page.text.index('id="channel-email"')
    assert visitor.ask_for_code("sms").type_code().is_back
    assert granted(visitor.app, visitor.told["code"]).acr == MFA


def test_who_prefers_the_mail_gets_in_as_before_and_is_not_asked_in_circles(visitor: Visitor, clock: Clock) -> None:
    """`acr_values` is a voluntary wish (OpenID Connect Core §3.1.2.1)."""
    visitor.sign_in("email")
    clock.step(minutes=2)

    assert visitor.start(acr_values=MFA).ask_for_code("email").type_code().is_back
    assert granted(visitor.app, visitor.told["code"]).acr == "urn:sesame:acr:2sv"


def test_once_reached_it_is_not_asked_for_again(visitor: Visitor, clock: Clock) -> None:
    visitor.sign_in("sms")
    clock.step(minutes=2)

    assert visitor.start(acr_values=MFA).is_back


def test_a_wish_that_cannot_be_met_stops_nobody(visitor: Visitor, clock: Clock) -> None:
    with visitor.app.app_context():
        directory.add_account(
            nir="299132A999003", password="bobs-long-password-1", email=ALICE_EMAIL, mobile=None, claims={}
        )
        db.session.commit()
    visitor.start().identify("299132A999003", "bobs-long-password-1").ask_for_code("email").type_code()
    clock.step(minutes=2)

    assert visitor.start(acr_values=MFA).is_back


def test_unknown_wishes_and_lower_ones_ask_for_nothing(visitor: Visitor, clock: Clock) -> None:
    visitor.sign_in("email")
    clock.step(minutes=2)

    for wished in ("1 2", "urn:sesame:acr:2sv", f"{MFA} urn:sesame:acr:2sv"):
        assert visitor.start(acr_values=wished).is_back, wished


def test_a_walk_for_another_reason_offers_it_too(visitor: Visitor, clock: Clock) -> None:
    """The consent page of a third party comes after the factor that it wished for."""
    visitor.sign_in("email")
    clock.step(minutes=2)
    visitor.start(acr_values=MFA, prompt="consent")

    assert visitor.step == "send"
    visitor.ask_for_code("sms").type_code()
    assert visitor.step == "consent"
