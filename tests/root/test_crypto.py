"""Sealed values open only where they belong; indexes and keyed values tell nothing."""

import pytest
from flask import Flask

from idp import crypto

pytestmark = pytest.mark.usefixtures("context")


def test_a_sealed_value_opens_in_its_own_place(context: Flask) -> None:
    blob = crypto.seal("1991399999001", context="account:nir:1")

    assert crypto.unseal(blob, context="account:nir:1") == "1991399999001"
    assert b"1991399999001" not in blob


def test_two_seals_of_one_value_differ() -> None:
    assert crypto.seal("x", context="a") != crypto.seal("x", context="a")


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:-1] + bytes((b[-1] ^ 1,)), lambda b: b"", lambda b: b"\x02" + b[1:]]
)
def test_a_damaged_value_is_unreadable(damage: object) -> None:
    blob = crypto.seal("secret", context="a")

    with pytest.raises(crypto.Unreadable):
        crypto.unseal(damage(blob), context="a")  # type: ignore[operator]


def test_a_value_moved_to_another_row_is_unreadable() -> None:
    blob = crypto.seal("secret", context="account:email:1")

    with pytest.raises(crypto.Unreadable):
        crypto.unseal(blob, context="account:email:2")


def test_a_blind_index_is_stable_and_of_its_column() -> None:
    index = crypto.blind_index("a@b.fr", column="email")

    assert index == crypto.blind_index("a@b.fr", column="email")
    assert index != crypto.blind_index("a@b.fr", column="mobile")
    assert len(index) == 32


def test_parts_of_a_keyed_value_do_not_run_together() -> None:
    assert crypto.keyed("code", "ab", "c") != crypto.keyed("code", "a", "bc")
    assert crypto.keyed("code", "a") != crypto.keyed("refresh", "a")
