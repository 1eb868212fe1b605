"""Purposes never cross: a code works where it was asked for, and nowhere else."""

from itertools import product

import pytest
from flask import Flask
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as any_of

from idp import entropy
from idp.db import db
from idp.messages.models import Outbox
from idp.mfa import codes
from idp.mfa.codes import PURPOSES, Challenge, Purpose, check_code, derive_code, find_challenge, start_challenge
from idp.mfa.methods import METHODS
from idp.mfa.sending import NotYet, Occasion, Sent, send_code, sends_left
from tests.conftest import ALICE_EMAIL, Clock

ACCOUNT = "a" * 22
MAILBOX, OTHER_MAILBOX = "alice@example.fr", "bob@example.fr"
purposes = any_of.sampled_from(PURPOSES)


def begin(purpose: Purpose, clock: Clock) -> Challenge:
    return start_challenge(account_id=ACCOUNT, purpose=purpose, channel="email", destination=MAILBOX, now=clock())


def use(challenge: Challenge, digits: str, purpose: Purpose, clock: Clock, destination: str = MAILBOX) -> str:
    verdict = check_code(
        challenge.id, digits, account_id=ACCOUNT, purpose=purpose, lane="unknown", destination=destination, now=clock()
    )
    return verdict.outcome


@pytest.mark.parametrize(("made_for", "typed_for"), list(product(PURPOSES, PURPOSES)))
def test_a_code_of_one_purpose_works_in_its_own_place_only(
    context: Flask, clock: Clock, made_for: Purpose, typed_for: Purpose
) -> None:
    challenge = begin(made_for, clock)

    assert use(challenge, challenge.code, typed_for, clock) == ("ok" if made_for == typed_for else "expired")


@how(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(trail=any_of.lists(any_of.tuples(purposes, purposes), min_size=1, max_size=6))
def test_however_challenges_are_mixed_only_the_own_place_takes_a_code(
    context: Flask, clock: Clock, trail: list[tuple[Purpose, Purpose]]
) -> None:
    """All purposes have a living code, each is typed anywhere: what fits is used once, nothing else is touched."""
    living = {purpose: begin(purpose, clock) for purpose in PURPOSES}
    used: set[Purpose] = set()

    for made_for, typed_for in trail:
        outcome = use(living[made_for], living[made_for].code, typed_for, clock)

        expected = "expired" if made_for != typed_for else "used" if made_for in used else "ok"
        assert outcome == expected
        used |= {made_for} if outcome == "ok" else set()
    assert all(
        (found := find_challenge(c.id)) and (found.used_at is not None) == (p in used) for p, c in living.items()
    )


@how(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(pair=any_of.lists(purposes, min_size=2, max_size=2, unique=True), n=any_of.integers(1, 9))
def test_the_purpose_is_part_of_what_the_digits_are_made_of(context: Flask, pair: list[Purpose], n: int) -> None:
    """Over twenty challenges: that all twenty pairs are the same by chance happens once in 10^120."""
    ids = [entropy.identifier() for _ in range(20)]
    ours, theirs = ([derive_code(purpose, one, n) for one in ids] for purpose in pair)

    assert ours != theirs


@pytest.mark.parametrize("purpose", ["new-email", "new-mobile"])
def test_a_code_for_a_new_address_confirms_that_address_only(context: Flask, clock: Clock, purpose: Purpose) -> None:
    challenge = begin(purpose, clock)

    assert use(challenge, challenge.code, purpose, clock, destination=OTHER_MAILBOX) == "expired"
    assert use(challenge, challenge.code, purpose, clock) == "ok"


def test_nobody_can_forget_to_say_which_address(context: Flask, clock: Clock) -> None:
    challenge = begin("new-email", clock)

    with pytest.raises(ValueError, match="address"):
        check_code(
            challenge.id, challenge.code, account_id=ACCOUNT, purpose="new-email", lane="unknown", now=clock()
        )  # fmt: skip


def test_nothing_kept_holds_the_address(context: Flask, clock: Clock) -> None:
    assert MAILBOX not in codes.CHALLENGES.encode(begin("new-email", clock))


# -- sending -------------------------------------------------------------------------------------------------------


def send(account_id: str, purpose: Purpose, clock: Clock, **more: str | None) -> Sent | NotYet:
    from idp.accounts import directory

    occasion = Occasion(purpose=purpose, service="Mes aides", device="", reference="7KQ-4MX", locale="fr")
    sent = send_code(
        account=directory.get_account(account_id),
        method=METHODS["email"],
        challenge_id=more.get("challenge_id"),
        to=more.get("to"),
        occasion=occasion,
        now=clock(),
    )
    db.session.commit()
    return sent


def test_a_challenge_of_another_purpose_is_never_sent_again(context: Flask, alice: str, clock: Clock) -> None:
    first = send(alice, "sign-in", clock)
    assert isinstance(first, Sent)
    clock.step(minutes=2)

    other = send(alice, "reset", clock, challenge_id=first.challenge.id)

    assert isinstance(other, Sent)
    assert other.kind == "first"
    assert other.challenge.id != first.challenge.id
    assert other.challenge.purpose == "reset"
    assert find_challenge(first.challenge.id) == first.challenge


def test_another_new_address_gets_another_code(context: Flask, alice: str, clock: Clock) -> None:
    first = send(alice, "new-email", clock, to=MAILBOX)
    assert isinstance(first, Sent)
    clock.step(minutes=2)
    second = send(alice, "new-email", clock, to=OTHER_MAILBOX, challenge_id=first.challenge.id)

    assert isinstance(second, Sent)
    assert (second.kind, second.challenge.id) == ("new", first.challenge.id)
    assert second.challenge.code != first.challenge.code


def test_nobody_uses_up_the_codes_for_signing_in_by_asking_for_others(context: Flask, alice: str, clock: Clock) -> None:
    """Resetting asks for no password, and a new address may be anybody's: both have allowances of their own (R7)."""
    for purpose in ("reset", "new-email"):
        for _ in range(5):
            to = ALICE_EMAIL if purpose == "new-email" else None
            assert isinstance(send(alice, purpose, clock, to=to), Sent)
            clock.step(minutes=2)
        refused = send(alice, purpose, clock, to=ALICE_EMAIL if purpose == "new-email" else None)
        assert isinstance(refused, NotYet)
        assert refused.is_quota

    assert sends_left(alice, clock()) == 5
    assert isinstance(send(alice, "sign-in", clock), Sent)
    assert {row.purpose for row in db.session.query(Outbox)} == {"reset", "new-email", "sign-in"}
