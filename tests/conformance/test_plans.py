"""Every module of every plan has its test, under the module's own name, and no test claims a module that is none."""

import importlib

import pytest

from tests.conformance.plans import (
    FAPI2,
    LEFT_OUT,
    MESSAGE_SIGNING_KINDS,
    PLANS,
    SECURITY_PROFILE_KINDS,
    Kind,
    name_of_test,
)


@pytest.mark.parametrize("file", PLANS)
def test_each_module_has_a_test_of_its_name(file: str) -> None:
    module = importlib.import_module(f"tests.conformance.{file}")

    tests = {name for name in vars(module) if name.startswith("test_")}

    assert tests == {name_of_test(one) for one in PLANS[file]}


@pytest.mark.parametrize(
    ("kind", "how_many"), list(zip(SECURITY_PROFILE_KINDS, (56, 47, 46, 37), strict=True)), ids=str
)
def test_the_security_profile_plan_is_as_long_as_the_suite_makes_it(kind: Kind, how_many: int) -> None:
    """Counted in the suite with plain_fapi and openid_connect."""
    assert len(set(kind.modules)) == len(kind.modules) == how_many


def test_the_message_signing_plan_is_as_long_as_the_suite_makes_it() -> None:
    assert [len(set(kind.modules)) for kind in MESSAGE_SIGNING_KINDS] == [70, 51]


def test_what_is_left_out_is_in_no_plan() -> None:
    kept = {name.removeprefix(FAPI2) for names in PLANS.values() for name in names}

    assert not kept & LEFT_OUT.keys()
    # The suite's list of Message Signing, ecosystems included.
    assert len(MESSAGE_SIGNING_KINDS[0].modules) + len(LEFT_OUT) == 78
