"""What may be typed for a code (R20)."""

import pytest

from idp.mfa.typed_code import CodeFault, parse_code


@pytest.mark.parametrize(
    "typed",
    [
        "482915",
        "482 915",
        " 482915 ",
        "4 8 2 9 1 5",
        "482-915",
        "48-29-15",
        "\u202f482 - 915\u00a0",
        "482\u00a0915",
        "482\u202f915",
        "482\u2011915",
        "٤٨٢٩١٥",
        "４８２９１５",
    ],
)
def test_digits_with_spaces_or_hyphens_are_a_code(typed: str) -> None:
    assert parse_code(typed) == "482915"


def test_leading_zeros_are_kept() -> None:
    assert parse_code("000042") == "000042"


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "empty"), ("   ", "empty"), ("-", "empty"), ("12345", "length"), ("1234567", "length"), ("1", "length"),
        ("+12345", "chars"), ("-1.0e5", "chars"), ("12345.", "chars"), ("1e5000", "chars"), ("abcdef", "chars"),
        ("482915\0", "chars"), ("[482915]", "chars"), ("²³¹⁴⁵⁶", "chars"), ("ⅤⅥⅦⅧⅨⅩ", "chars"), ("1" * 1000, "chars"),
        ("482915\n\r482915", "chars"), ("\ud800482915", "chars"), ("-482915", "chars"), ("482915-", "chars"),
        (" - 482915", "chars"), ("\u2010482915", "chars"), ("\u2212482915", "chars"), ("482915\n", "chars"),
        ("\t482915", "chars"), ("482915\x1c", "chars"), ("482\u2028915", "chars"), ("482,915", "chars"),
    ],
)  # fmt: skip
def test_nothing_else_is_ac_43(typed: str, reason: str) -> None:
    with pytest.raises(CodeFault) as caught:
        parse_code(typed)

    assert caught.value.reason == reason


def test_five_digits_never_equal_six() -> None:
    with pytest.raises(CodeFault) as caught:
        parse_code("00042")

    assert caught.value.length == 5
