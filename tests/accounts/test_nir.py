"""What counts as a NIR, and how many ways of writing it there are (F-11, AC-58, AC-62)."""

import time

import pytest

from idp.accounts.nir import NirFault, find_key, parse_nir

METROPOLE = "1850578006084"


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("1850578006084", METROPOLE),
        ("1 85 05 78 006 084", METROPOLE),
        ("1.85.05.78.006.084", METROPOLE),
        ("1-85-05-78-006-084", METROPOLE),
        ("1\u201085\u201305\u201478\u2212006\uff0d084", METROPOLE),
        ("1\u00a085\u00a005\u202f78\u2009006\u3000084", METROPOLE),
        ("  1850578006084\t\r\n", METROPOLE),
        ("1 85 05 78 006 084 91", METROPOLE),
        ("185057800608491", METROPOLE),
        ("１８５０５７８００６０８４", METROPOLE),
        ("١٨٥٠٥٧٨٠٠٦٠٨٤", METROPOLE),
        ("1 85 O5 78 oo6 O84", METROPOLE),
        ("1 85 Ｏ5 78 ｏ06 084", METROPOLE),
        ("1 85 05 2A 006 084", "185052A006084"),
        ("1 85 05 2a 006 084", "185052A006084"),
        ("1 85 05 2b 006 084", "185052B006084"),
        ("1 85 05 2Ａ 006 084", "185052A006084"),
        ("1 85 05 2ｂ 006 084", "185052B006084"),
        ("2 85 05 2A 006 084 " + find_key("285052A006084"), "285052A006084"),
        ("2 85 05 2B 006 084 " + find_key("285052B006084"), "285052B006084"),
        ("1991399999001", "1991399999001"),  # the demonstration: month 13
        ("2 85 05 97 411 084", "2850597411084"),  # Réunion
        ("2 85 05 98 612 084", "2850598612084"),  # overseas collectivity
        ("1 85 05 99 351 084", "1850599351084"),  # born abroad
        ("1 58 05 92 351 084", "1580592351084"),  # born in Algeria before 1962
        ("1 85 20 78 006 084", "1852078006084"),  # incomplete birth record
        ("1 85 50 78 006 084", "1855078006084"),
        ("1 85 99 78 006 084", "1859978006084"),
        ("3 85 05 78 006 084", "3850578006084"),
        ("4 85 05 78 006 084", "4850578006084"),
        ("5 85 05 78 006 084", "5850578006084"),
        ("6 85 05 78 006 084", "6850578006084"),
        ("7 85 05 78 006 084", "7850578006084"),  # provisional
        ("8 85 05 78 006 084", "8850578006084"),
        ("1 85 00 00 000 000", "1850000000000"),  # nothing is read into the digits
    ],
)
def test_every_way_of_writing_is_one_number(typed: str, canonical: str) -> None:
    assert parse_nir(typed) == canonical


@pytest.mark.parametrize(
    ("typed", "reason", "length"),
    [
        ("", "empty", 0),
        ("   ", "empty", 0),
        ("\u00a0-.", "empty", 0),
        ("185057800608", "length", 12),
        ("18505780060840", "length", 14),
        ("1850578006084910", "length", 16),
        ("1", "length", 1),
        ("1" * 64, "length", 64),
        ("1" * 65, "length", 65),
        ("0850578006084", "chars", 13),
        ("9850578006084", "chars", 13),
        ("A850578006084", "chars", 13),
        ("185057A006084", "chars", 13),  # an A that is not Corsica's
        ("1850578A06084", "chars", 13),
        ("18505A2006084", "chars", 13),
        ("18505782A6084", "chars", 13),
        ("185052C006084", "chars", 13),
        ("18505780060842A", "chars", 15),
        ("1850578006O8x", "chars", 13),
        ("1850578006084\0", "chars", 14),
        ("\0", "chars", 1),
        ("1850578006084\u200b", "chars", 14),  # zero-width space
        ("1850578006084\u202e", "chars", 14),  # right-to-left override
        ("1850578006084\x1b[31m", "chars", 18),
        ("+1850578006084", "chars", 14),
        ("1850578006084.0e0", "chars", 16),
        ("1,85,05,78,006,084", "chars", 18),
        ("185057800608²", "chars", 13),
        ("185057800608①", "chars", 13),
        ("' OR 1=1 --", "chars", 6),
        ("alice@example.fr", "chars", 15),
        ("185057800608400", "key", 15),
        ("185057800608490", "key", 15),
        ("285057800608491", "key", 15),
        ("185057800608498", "key", 15),
        ("185057800608499", "key", 15),
    ],
)
def test_what_is_no_number_is_refused_with_its_reason(typed: str, reason: str, length: int) -> None:
    with pytest.raises(NirFault) as fault:
        parse_nir(typed)

    assert (fault.value.reason, fault.value.length) == (reason, length)


@pytest.mark.parametrize(
    ("number", "key"),
    [("1850578006084", "91"), ("2951099126111", "93"), ("185052A006084", "35"), ("185052B006084", "62")],
)
def test_the_key_follows_the_official_arithmetic(number: str, key: str) -> None:
    assert find_key(number) == key  # values from python-stdnum, which we do not depend on


def test_a_hundred_kilobytes_are_refused_at_once() -> None:
    """AC-59: size costs nothing."""
    started = time.process_time()
    for text in ("1" * 100_000, " " * 100_000, "\0" * 100_000, "１" * 100_000):
        with pytest.raises(NirFault, match="length"):
            parse_nir(text)

    assert time.process_time() - started < 0.01


def test_a_fault_does_not_carry_what_was_typed() -> None:
    with pytest.raises(NirFault) as fault:
        parse_nir("185057800608490")

    assert "1850" not in repr(fault.value)
    assert "1850" not in str(fault.value)
