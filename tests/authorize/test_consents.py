"""A third party learns nothing before the account holder agreed; an agreement is remembered for what it covered."""

import json
from typing import Any

from sqlalchemy import select

from idp.db import db
from idp.oidc.consents import Consent, withdraw_consent
from tests.authorize.conftest import Visitor, error_of, told_to

SHOP = "https://shop.test/cb"


def agreed(visitor: Visitor, account_id: str, **changes: Any) -> Any:
    """Walk through the consent page of `shop`, agreeing."""
    return visitor.walk(visitor.ask("shop", **changes), account_id, consented=True)


def test_a_third_party_never_gets_a_silent_code_ac_114(signed_in: Visitor) -> None:
    assert error_of(signed_in.ask("shop", prompt="none"), SHOP) == "consent_required"

    demand = signed_in.interaction(signed_in.ask("shop")).demand
    assert demand.consent_to == ("claim.profile",)


def test_our_own_service_asks_for_no_consent(visitor: Visitor, alice: str) -> None:
    answer = visitor.ask("web")

    assert visitor.interaction(answer).demand.consent_to is None
    assert told_to(visitor.walk(answer, alice))["code"]


def test_prompt_consent_asks_for_our_own_service_too(signed_in: Visitor, alice: str) -> None:
    """oidcc-refresh-token: `offline_access` with prompt=consent."""
    answer = signed_in.ask("web", prompt="consent")

    assert signed_in.interaction(answer).demand.consent_to == ("claim.profile",)
    assert told_to(signed_in.walk(answer, alice, consented=True))["code"]


def test_an_agreement_is_remembered(signed_in: Visitor, alice: str) -> None:
    assert told_to(agreed(signed_in, alice), SHOP)["code"]

    assert told_to(signed_in.ask("shop", prompt="none"), SHOP)["code"]
    assert told_to(signed_in.ask("shop", scope="openid"), SHOP)["code"]


def test_more_than_was_agreed_is_asked_again(signed_in: Visitor, alice: str) -> None:
    agreed(signed_in, alice)
    by_name = json.dumps({"userinfo": {"email": None}})

    assert error_of(signed_in.ask("shop", prompt="none", scope="openid profile email"), SHOP) == "consent_required"
    assert error_of(signed_in.ask("shop", prompt="none", claims=by_name), SHOP) == "consent_required"
    agreed(signed_in, alice, scope="openid email")
    assert told_to(signed_in.ask("shop", prompt="none", scope="openid profile email", claims=by_name), SHOP)["code"]


def test_an_agreement_is_that_of_one_person(signed_in: Visitor, alice: str, bob: str) -> None:
    agreed(signed_in, alice)
    signed_in.sign_in(bob)

    assert error_of(signed_in.ask("shop", prompt="none"), SHOP) == "consent_required"


def test_a_stranger_is_asked_once_it_is_known_who_they_are(visitor: Visitor, alice: str) -> None:
    answer = visitor.ask("shop")
    assert visitor.interaction(answer).demand.consent_to is None

    second = visitor.walk(answer, alice)
    demand = visitor.interaction(second).demand

    assert demand.consent_to == ("claim.profile",)
    assert demand.account_id is None or demand.account_id == alice
    assert told_to(visitor.walk(second, alice, consented=True), SHOP)["code"]


def test_someone_who_agreed_before_is_not_asked_after_signing_in(visitor: Visitor, alice: str) -> None:
    visitor.sign_in(alice)
    agreed(visitor, alice)
    visitor.browser.delete_cookie("__Host-sid", domain="idp.test")

    assert told_to(visitor.walk(visitor.ask("shop"), alice), SHOP)["code"]


def test_a_refusal_is_told_and_remembers_nothing(signed_in: Visitor, alice: str) -> None:
    answer = signed_in.walk(signed_in.ask("shop"), alice, outcome="cancelled")

    assert error_of(answer, SHOP) == "access_denied"
    with signed_in.app.app_context():
        assert db.session.scalars(select(Consent)).all() == []


def test_a_done_walk_without_a_word_of_consent_gives_no_code_ac_113(signed_in: Visitor, alice: str) -> None:
    again = signed_in.walk(signed_in.ask("shop"), alice)

    assert signed_in.interaction(again).demand.consent_to is not None


def test_prompt_consent_asks_again(signed_in: Visitor, alice: str) -> None:
    agreed(signed_in, alice)

    assert signed_in.interaction(signed_in.ask("shop", prompt="consent")).demand.consent_to is not None


def test_a_withdrawn_agreement_is_asked_again(signed_in: Visitor, alice: str) -> None:
    agreed(signed_in, alice)
    with signed_in.app.app_context():
        assert withdraw_consent(account_id=alice, client_id="shop")
        db.session.commit()

    assert error_of(signed_in.ask("shop", prompt="none"), SHOP) == "consent_required"
