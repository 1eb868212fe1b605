"""What is offered follows from facts alone, and every decision says why."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.mfa.levels import ACR_VALUES, is_at_least, reaches
from idp.mfa.methods import FACTORS, METHODS
from idp.mfa.policy import Decision, PolicyFacts, Rules, decide, level_with

TWO_STEP, MFA, PHR = "urn:sesame:acr:2sv", "urn:sesame:acr:mfa", "phr"
ALL = ("passkey", "email", "sms")


@pytest.mark.parametrize(
    ("facts", "methods", "reason"),
    [
        (PolicyFacts(ALL), ALL, "free"),
        (PolicyFacts(()), (), "none-enrolled"),
        (PolicyFacts(("email", "sms"), wished=(MFA,)), ("sms", "email"), "wished"),
        (PolicyFacts(ALL, wished=(MFA,)), ("passkey", "sms", "email"), "wished"),
        (PolicyFacts(("email", "sms"), wished=("unknown",)), ("email", "sms"), "wished"),
        (PolicyFacts(ALL, demanded=(MFA,)), ("passkey", "sms"), "demanded"),
        (PolicyFacts(ALL, demanded=(PHR,)), ("passkey",), "demanded"),
        (PolicyFacts(ALL, demanded=(PHR, TWO_STEP)), ALL, "demanded"),
        (PolicyFacts(("email",), demanded=(MFA,)), (), "unmet"),
        (PolicyFacts(("email", "sms"), demanded=(PHR,)), (), "unmet"),
        (PolicyFacts(ALL, rules=Rules(methods=("email",))), ("email",), "free"),
        (PolicyFacts(("sms",), rules=Rules(methods=("email",))), (), "ruled-out"),
        (PolicyFacts(ALL, rules=Rules(minimum_level=MFA)), ("passkey", "sms"), "minimum"),
        (PolicyFacts(("email",), rules=Rules(minimum_level=MFA)), (), "unmet"),
        (PolicyFacts(ALL, rules=Rules(unknown_device_level=PHR)), ("passkey",), "unknown-device"),
        (PolicyFacts(ALL, device_is_known=True, rules=Rules(unknown_device_level=PHR)), ALL, "free"),
        (PolicyFacts(ALL, rules=Rules((), TWO_STEP, MFA)), ("passkey", "sms"), "unknown-device"),
        (PolicyFacts(ALL, rules=Rules((), PHR, MFA)), ("passkey",), "minimum"),
        (PolicyFacts(ALL, codes_are_paused=True), ALL, "paused"),
        (PolicyFacts(("email", "recovery"), demanded=(MFA,)), (), "unmet"),
        (PolicyFacts(ALL, distrusted="email"), ("passkey", "sms"), "reset"),
        (PolicyFacts(("email", "recovery"), distrusted="email"), ("recovery",), "reset"),
        (PolicyFacts(("sms",), distrusted="sms"), ("reset-channel",), "reset"),
        (PolicyFacts(("sms",), distrusted="email"), ("sms",), "free"),
        (PolicyFacts(("sms",), distrusted="sms", demanded=(MFA,)), (), "unmet"),
        (PolicyFacts(("sms",), distrusted="sms", rules=Rules(methods=("sms",))), ("reset-channel",), "reset"),
        (PolicyFacts(("sms",), distrusted="sms", rules=Rules(methods=("email",))), (), "ruled-out"),
    ],
)
def test_facts_decide(facts: PolicyFacts, methods: tuple[str, ...], reason: str) -> None:
    decision = decide(facts)

    assert (decision.methods, decision.reason) == (methods, reason)


@pytest.mark.parametrize(
    ("floor", "demanded", "acr", "is_met"),
    [
        ("", (), TWO_STEP, True),
        ("", (), None, False),
        ("", (MFA,), TWO_STEP, False),
        ("", (MFA,), PHR, True),
        (MFA, (), TWO_STEP, False),
        (MFA, (TWO_STEP,), TWO_STEP, False),
        (MFA, (), MFA, True),
    ],
)
def test_service_and_administrator_must_both_be_satisfied(
    floor: str, demanded: tuple[str, ...], acr: str | None, is_met: bool
) -> None:
    assert Decision(ALL, floor, "free").is_met_by(acr, demanded) is is_met


def test_every_method_reaches_a_level_with_the_password() -> None:
    assert {name: level_with(name) for name in (*METHODS, *FACTORS)} == {
        "email": TWO_STEP, "sms": MFA, "passkey": PHR, "totp": MFA, "recovery": TWO_STEP,
    }  # fmt: skip


levels = st.lists(st.sampled_from(ACR_VALUES), max_size=2).map(tuple)
one_level = st.sampled_from(("", *ACR_VALUES))


@given(
    st.builds(
        PolicyFacts,
        enrolled=st.lists(st.sampled_from(ALL), unique=True).map(tuple),
        demanded=levels,
        wished=levels,
        device_is_known=st.booleans(),
        codes_are_paused=st.booleans(),
        rules=st.builds(Rules, st.lists(st.sampled_from(ALL), unique=True).map(tuple), one_level, one_level),
    )
)
def test_nothing_is_offered_that_would_not_be_enough(facts: PolicyFacts) -> None:
    decision = decide(facts)

    assert set(decision.methods) <= set(facts.enrolled)
    for method in decision.methods:
        acr = level_with(method)
        assert decision.is_met_by(acr, facts.demanded)
        assert reaches(acr, facts.demanded)
        assert not facts.rules.minimum_level or is_at_least(acr, facts.rules.minimum_level)
        assert not facts.rules.methods or method in facts.rules.methods
    if decision.methods:
        assert decision.reason not in {"unmet", "ruled-out", "none-enrolled"}
