"""Levels are told honestly, and one table decides them (R5)."""

import pytest

from idp.mfa.levels import ACR_VALUES, LEVELS, is_at_least, level_of, reaches

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
        (("passkey",), "phr"),
        (("pwd", "passkey"), "phr"),
        (("pwd", "email", "passkey"), "phr"),
    ],
)
def test_one_factor_is_no_level_and_two_are_their_own(proofs: tuple[str, ...], acr: str | None) -> None:
    level = level_of(proofs)

    assert (level.acr if level else None) == acr


def test_mfa_is_never_said_of_an_e_mailed_code() -> None:
    assert all("mfa" not in level.amr for level in LEVELS if "email" in level.proofs)


def test_a_passkey_claims_possession_and_a_verified_person_not_where_its_key_is_kept() -> None:
    assert level_of(["passkey"]) == LEVELS[-2]
    assert LEVELS[-2].amr == ("pop", "user", "mfa")
    assert LEVELS[-1].amr == ("pwd", "pop", "user", "mfa")
    assert not {"hwk", "swk", "fpt", "face"} & {word for level in LEVELS for word in level.amr}


def test_each_level_is_listed_once_weakest_first() -> None:
    assert ACR_VALUES == (TWO_STEP, MFA, "phr")


@pytest.mark.parametrize(
    ("acr", "wanted", "is_enough"),
    [
        (TWO_STEP, TWO_STEP, True),
        (MFA, TWO_STEP, True),
        (TWO_STEP, MFA, False),
        (None, TWO_STEP, False),
        (MFA, "phr", False),
        ("phr", MFA, True),
        ("x", "x", False),
    ],
)
def test_a_level_satisfies_itself_and_weaker_ones(acr: str | None, wanted: str, is_enough: bool) -> None:
    assert is_at_least(acr, wanted) is is_enough


def test_nobody_wanting_anything_is_satisfied() -> None:
    assert reaches(TWO_STEP, ())
    assert not reaches(TWO_STEP, ("unknown",))
