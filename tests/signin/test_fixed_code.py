"""The conformance suite's account has a code known beforehand; nobody else has, and nothing else changes."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from idp.accounts import directory
from idp.db import db
from idp.messages.models import Outbox
from idp.mfa.codes import check_code, derive_code, find_challenge
from idp.settings import ConformanceSettings
from tests.conftest import Clock
from tests.signin.conftest import Visitor

SUITE_NIR = "2991399999002"
SUITE_PASSWORD = "suite-motdepasse-1"
FIXED = "314159"


@pytest.fixture(autouse=True)
def suite_account(app: Flask) -> Iterator[None]:
    """Run under the conformance profile: our issuer, idp.test, is a test host."""
    before = app.extensions["sesame"]["settings"]
    conformance = ConformanceSettings(account=SUITE_NIR, fixed_code=FIXED)
    app.extensions["sesame"]["settings"] = before.model_copy(update={"conformance": conformance})
    with app.app_context():
        directory.add_account(nir=SUITE_NIR, password=SUITE_PASSWORD, email="suite@example.org")
        db.session.commit()
    yield
    app.extensions["sesame"]["settings"] = before


@pytest.fixture
def suite(new_visitor: Callable[[], Visitor]) -> Visitor:
    """Return the suite, its password typed."""
    return new_visitor().start().identify(SUITE_NIR, SUITE_PASSWORD)


def derived(visitor: Visitor) -> str:
    """Return the code that the challenge would have if it were anybody's."""
    return derive_code("sign-in", visitor.interaction.challenge_id or "", 1)


def test_the_fixed_code_signs_the_test_account_in(suite: Visitor) -> None:
    suite.ask_for_code().type_code(FIXED)

    assert "code" in suite.told


def test_the_code_that_others_would_have_is_wrong_for_it(app: Flask, suite: Visitor) -> None:
    suite.ask_for_code()
    with app.app_context():
        code = derived(suite)

    assert suite.type_code(code).page.status_code == 422


def test_the_fixed_code_is_wrong_for_every_other_account(visitor: Visitor) -> None:
    visitor.start().identify().ask_for_code()
    assert visitor.code != FIXED

    assert visitor.type_code(FIXED).page.status_code == 422
    assert "code" in visitor.type_code().told


def test_the_fixed_code_is_wrong_in_another_accounts_walk_after_the_suites(
    app: Flask, suite: Visitor, visitor: Visitor
) -> None:
    suite.ask_for_code().type_code(FIXED)

    visitor.start().identify().ask_for_code()

    assert visitor.type_code(FIXED).step == "code"


def test_no_code_is_taken_before_it_is_asked_for(suite: Visitor) -> None:
    assert suite.step == "send"
    suite.open("code")
    assert suite.step == "send"


def test_the_message_holds_the_fixed_code_and_goes_its_usual_way(app: Flask, suite: Visitor) -> None:
    suite.ask_for_code()

    with app.app_context():
        assert db.session.query(Outbox).count() == 1
    assert suite.code == FIXED


def test_five_wrong_codes_kill_the_fixed_one_too(suite: Visitor) -> None:
    suite.ask_for_code()
    for _ in range(5):
        suite.type_code("000000")

    assert suite.type_code(FIXED).page.status_code == 422


def test_the_fixed_code_dies_of_age(suite: Visitor, clock: Clock) -> None:
    suite.ask_for_code()
    clock.step(minutes=15)

    assert suite.type_code(FIXED).page.status_code == 422


def test_wrong_codes_are_counted_on_the_test_account(suite: Visitor, clock: Clock) -> None:
    suite.ask_for_code()
    for _ in range(5):
        suite.type_code("000000")
    clock.step(minutes=2)
    suite.submit("resend")
    for _ in range(5):
        suite.type_code("000000")

    assert suite.step == "pause"
    assert suite.page.status_code == 429


def test_the_fixed_code_is_good_once_for_each_time_it_was_asked_for(app: Flask, suite: Visitor, clock: Clock) -> None:
    suite.ask_for_code()
    with app.app_context():
        challenge = find_challenge(suite.interaction.challenge_id)
        assert challenge is not None

        outcomes = [
            check_code(
                challenge.id, FIXED, account_id=challenge.account_id, purpose="sign-in", lane="unknown", now=clock()
            ).outcome
            for _ in range(2)
        ]

    assert outcomes == ["ok", "used"]


def test_without_the_profile_the_same_account_has_a_code_like_any_other(app: Flask, suite: Visitor) -> None:
    settings = app.extensions["sesame"]["settings"]
    app.extensions["sesame"]["settings"] = settings.model_copy(update={"conformance": ConformanceSettings()})

    suite.ask_for_code()

    assert suite.code != FIXED
    assert suite.type_code(FIXED).page.status_code == 422
