"""Levels are told honestly, and one table decides them (R5)."""

import pytest

from idp.mfa.levels import LEVELS, is_at_least, level_of, reaches
from idp.mfa.policy import offered_channels

TWO_STEP, MFA = "urn:sesame:acr:2sv", "urn:sesame:acr:mfa"


@pytest.mark.parametrize(
    ("proofs", "acr"),
    [
        ((), None),
        (("pwd",), None),
        (("email",), None),
        (("sms",), None),
        (("pwd", "email"), TWO_STEP),
        (("pwd", "sms"), MFA),
        (("pwd", "email", "sms"), MFA),
    ],
)
def test_one_factor_is_no_level_and_two_are_their_own(proofs: tuple[str, ...], acr: str | None) -> None:
    level = level_of(proofs)

    assert (level.acr if level else None) == acr


def test_mfa_is_never_said_of_an_e_mailed_code() -> None:
    assert all("mfa" not in level.amr for level in LEVELS if "email" in level.proofs)


@pytest.mark.parametrize(
    ("acr", "wanted", "is_enough"),
    [
        (TWO_STEP, TWO_STEP, True),
        (MFA, TWO_STEP, True),
        (TWO_STEP, MFA, False),
        (None, TWO_STEP, False),
        (MFA, "phr", False),
        ("x", "x", False),
    ],
)
def test_a_level_satisfies_itself_and_weaker_ones(acr: str | None, wanted: str, is_enough: bool) -> None:
    assert is_at_least(acr, wanted) is is_enough


def test_nobody_wanting_anything_is_satisfied() -> None:
    assert reaches(TWO_STEP, ())
    assert not reaches(TWO_STEP, ("unknown",))


@pytest.mark.parametrize(
    ("demanded", "wished", "offered"),
    [
        ((), (), ("email", "sms")),
        ((), (MFA,), ("sms", "email")),
        ((), ("unknown",), ("email", "sms")),
        ((MFA,), (), ("sms",)),
        ((TWO_STEP,), (), ("email", "sms")),
        (("phr",), (), ()),
    ],
)
def test_a_demand_decides_and_a_wish_orders(
    demanded: tuple[str, ...], wished: tuple[str, ...], offered: tuple[str, ...]
) -> None:
    assert offered_channels(("email", "sms"), demanded=demanded, wished=wished) == offered


def test_a_demand_that_the_account_cannot_meet_offers_nothing() -> None:
    assert offered_channels(("email",), demanded=(MFA,), wished=()) == ()
