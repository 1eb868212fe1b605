"""A code is good once, for a quarter of an hour, for its own challenge; guessing is counted on the account."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp import entropy
from idp.db import db
from idp.mfa import guard
from idp.mfa.codes import (
    CHALLENGES,
    Challenge,
    Verdict,
    check_code,
    derive_code,
    find_challenge,
    renew_challenge,
    start_challenge,
)
from idp.state import state
from tests.conftest import Clock

ACCOUNT = "a" * 22
MAILBOX, MOBILE = "alice@example.fr", "+33612345647"


@pytest.fixture
def challenge(context: Flask, clock: Clock) -> Challenge:
    return start_challenge(account_id=ACCOUNT, purpose="sign-in", channel="email", destination=MAILBOX, now=clock())


def wrong(code: str) -> str:
    """Return digits that are surely not ``code``."""
    return f"{(int(code) + 1) % 1_000_000:06d}"


def check(challenge: Challenge, digits: str, clock: Clock, **changes: Any) -> Verdict:
    about: dict[str, Any] = {"account_id": ACCOUNT, "purpose": "sign-in", "lane": "unknown", **changes}
    return check_code(challenge.id, digits, now=clock(), **about)


def renew(challenge: Challenge, clock: Clock, channel: str = "email") -> Challenge:
    destination = MAILBOX if channel == "email" else MOBILE
    renewed = renew_challenge(challenge, channel=channel, destination=destination, now=clock())
    assert renewed is not None
    return renewed


def test_the_right_code_is_ok_once_ac_19(challenge: Challenge, clock: Clock) -> None:
    assert check(challenge, challenge.code, clock).outcome == "ok"
    assert check(challenge, challenge.code, clock).outcome == "used"


def test_ten_thousand_codes_are_uniform_ac_33(context: Flask) -> None:
    codes = [derive_code("sign-in", entropy.identifier(), 1) for _ in range(10_000)]

    for position in range(6):
        counts = Counter(code[position] for code in codes)
        chi_square = sum((counts[str(digit)] - 1000) ** 2 / 1000 for digit in range(10))
        # 9 degrees of freedom: 33.7 is passed once in ten thousand honest runs.
        assert chi_square < 40
    assert len(set(codes)) > 9_900


@pytest.mark.parametrize(("seconds", "outcome"), [(899, "ok"), (900, "expired"), (901, "expired")])
def test_a_code_lives_fifteen_minutes_by_the_clock_and_not_by_a_job_ac_31(
    challenge: Challenge, clock: Clock, seconds: int, outcome: str
) -> None:
    clock.step(seconds=seconds)

    assert check(challenge, challenge.code, clock).outcome == outcome


def test_five_wrong_codes_kill_it_ac_25(challenge: Challenge, clock: Clock) -> None:
    verdicts = [check(challenge, wrong(challenge.code), clock) for _ in range(5)]

    assert [verdict.outcome for verdict in verdicts] == ["wrong"] * 4 + ["burnt"]
    assert [verdict.tries_left for verdict in verdicts[:4]] == [4, 3, 2, 1]
    assert check(challenge, challenge.code, clock).outcome == "burnt"


def test_four_wrong_codes_do_not(challenge: Challenge, clock: Clock) -> None:
    for _ in range(4):
        check(challenge, wrong(challenge.code), clock)

    assert check(challenge, challenge.code, clock).outcome == "ok"


def test_a_code_of_another_account_or_purpose_opens_nothing_ac_29(challenge: Challenge, clock: Clock) -> None:
    assert check(challenge, challenge.code, clock, account_id="b" * 22).outcome == "expired"
    assert check(challenge, challenge.code, clock, purpose="reset").outcome == "expired"
    assert check(challenge, challenge.code, clock).outcome == "ok"


def test_sent_again_it_is_the_same_code_and_its_end_does_not_move_ac_32(challenge: Challenge, clock: Clock) -> None:
    clock.step(minutes=10)

    again = renew(challenge, clock)

    assert (again.code, again.ends_at) == (challenge.code, challenge.ends_at)
    assert again.subject_ref != challenge.subject_ref


def test_under_five_minutes_a_new_code_is_made_and_the_old_one_dies_ac_30(challenge: Challenge, clock: Clock) -> None:
    clock.step(minutes=10, seconds=1)

    renewed = renew(challenge, clock)

    assert renewed.code != challenge.code
    assert renewed.ends_at == clock() + timedelta(minutes=15)
    assert check(challenge, challenge.code, clock).outcome == "replaced"
    assert check(renewed, renewed.code, clock).outcome == "ok"


def test_another_channel_means_another_code_ac_50(challenge: Challenge, clock: Clock) -> None:
    renewed = renew(challenge, clock, channel="sms")

    assert renewed.code != challenge.code
    assert check(challenge, challenge.code, clock).outcome == "replaced"


def test_a_replaced_code_is_told_and_never_counted(challenge: Challenge, clock: Clock) -> None:
    first = challenge.code
    renewed = renew(renew(challenge, clock, channel="sms"), clock, channel="email")

    assert {check(renewed, first, clock).outcome for _ in range(30)} == {"replaced"}
    assert check(renewed, wrong(renewed.code), clock).tries_left == 4
    assert check(renewed, renewed.code, clock).outcome == "ok"


def test_a_pause_tells_nothing_of_a_replaced_code(challenge: Challenge, clock: Clock) -> None:
    renewed = renew(challenge, clock, channel="sms")
    pause_by_guessing(clock)

    assert check(renewed, challenge.code, clock).outcome == "paused"


def test_after_a_burnt_or_used_code_a_new_one_is_made(challenge: Challenge, clock: Clock) -> None:
    for _ in range(5):
        check(challenge, wrong(challenge.code), clock)

    renewed = renew(challenge, clock)

    assert renewed.n == 2
    assert check(renewed, renewed.code, clock).outcome == "ok"
    assert renew(renewed, clock).n == 3


def test_nothing_kept_holds_the_code_ac_34(challenge: Challenge, clock: Clock) -> None:
    (stored,) = state.store.get((f"{CHALLENGES.name}:{challenge.id}",), clock().timestamp())

    assert stored is not None
    assert challenge.code not in stored.text


def test_the_right_code_typed_fifty_times_at_once_is_ok_once(
    context: Flask, challenge: Challenge, clock: Clock
) -> None:
    def one(_n: int) -> str:
        with context.app_context():
            return check(challenge, challenge.code, clock).outcome

    with ThreadPoolExecutor(50) as pool:
        outcomes = Counter(pool.map(one, range(50)))

    assert outcomes["ok"] == 1
    assert set(outcomes) <= {"ok", "used", "burnt", "busy"}
    # Right codes count for nothing: the account is not paused by them.
    assert guard.find_pause(ACCOUNT, "unknown", clock()) is None


def test_the_tenth_wrong_code_pauses_the_account_whatever_was_sent_anew_ac_26(
    challenge: Challenge, clock: Clock
) -> None:
    outcomes = []
    for _ in range(3):
        outcomes += [check(challenge, wrong(challenge.code), clock).outcome for _ in range(4)]
        challenge = renew(challenge, clock, channel="sms" if challenge.channel == "email" else "email")

    assert outcomes[:10] == ["wrong"] * 9 + ["paused"]
    assert outcomes[10:] == ["paused"] * 2
    assert check(challenge, challenge.code, clock).outcome == "paused"


def pause_by_guessing(clock: Clock) -> timedelta:
    """Type wrong codes until the account pauses, and return for how long."""
    while True:
        challenge = start_challenge(
            account_id=ACCOUNT, purpose="sign-in", channel="email", destination=MAILBOX, now=clock()
        )
        for _ in range(5):
            verdict = check(challenge, wrong(challenge.code), clock)
            if verdict.outcome == "paused":
                assert verdict.until is not None
                return verdict.until - clock()


def test_pauses_double_up_to_a_day_and_stop_at_a_hundred(context: Flask, clock: Clock) -> None:
    pauses = []
    for _ in range(9):
        pauses.append(pause_by_guessing(clock))
        clock.step(seconds=pauses[-1].total_seconds())

    assert [pause / timedelta(minutes=1) for pause in pauses] == [15, 30, 60, 120, 240, 480, 960, 1440, 1440]
    challenge = start_challenge(
        account_id=ACCOUNT, purpose="sign-in", channel="email", destination=MAILBOX, now=clock()
    )
    for _ in range(5):
        check(challenge, wrong(challenge.code), clock)
    challenge = start_challenge(
        account_id=ACCOUNT, purpose="sign-in", channel="email", destination=MAILBOX, now=clock()
    )
    for _ in range(5):
        last = check(challenge, wrong(challenge.code), clock)
    assert (last.outcome, last.until) == ("paused", None)
    clock.step(days=30)
    assert guard.find_pause(ACCOUNT, "unknown", clock()) == guard.CodePause(None)


def test_a_pause_ends_by_itself(context: Flask, clock: Clock) -> None:
    clock.step(seconds=pause_by_guessing(clock).total_seconds())
    challenge = start_challenge(
        account_id=ACCOUNT, purpose="sign-in", channel="email", destination=MAILBOX, now=clock()
    )

    assert check(challenge, challenge.code, clock).outcome == "ok"


def test_a_recognised_device_has_its_own_count_ac_54(context: Flask, clock: Clock) -> None:
    pause_by_guessing(clock)
    challenge = start_challenge(
        account_id=ACCOUNT, purpose="sign-in", channel="email", destination=MAILBOX, now=clock()
    )

    assert check(challenge, challenge.code, clock).outcome == "paused"
    assert check(challenge, challenge.code, clock, lane="device").outcome == "ok"


def test_a_right_code_does_not_clear_the_count_but_a_sign_in_does(context: Flask, clock: Clock) -> None:
    for number in range(9):
        challenge = start_challenge(
            account_id=ACCOUNT, purpose="sign-in", channel="email", destination=MAILBOX, now=clock()
        )
        check(challenge, wrong(challenge.code), clock)
        if number == 8:
            assert check(challenge, challenge.code, clock).outcome == "ok"

    challenge = start_challenge(
        account_id=ACCOUNT, purpose="sign-in", channel="email", destination=MAILBOX, now=clock()
    )
    assert check(challenge, wrong(challenge.code), clock).outcome == "paused"
    guard.clear_guard(ACCOUNT, "unknown")
    db.session.commit()
    assert check(challenge, challenge.code, clock).outcome == "ok"


def test_twenty_browsers_guessing_at_once_are_ten_comparisons_ac_27(context: Flask, clock: Clock) -> None:
    challenges = [
        start_challenge(account_id=ACCOUNT, purpose="sign-in", channel="email", destination=MAILBOX, now=clock())
        for _ in range(20)
    ]

    def guess(challenge: Challenge) -> list[str]:
        with context.app_context():
            return [check(challenge, wrong(challenge.code), clock).outcome for _ in range(4)]

    with ThreadPoolExecutor(20) as pool:
        outcomes = Counter(outcome for guesses in pool.map(guess, challenges) for outcome in guesses)

    # Nine were told "wrong"; the tenth began the pause; all others were not compared.
    assert outcomes["wrong"] == 9
    assert outcomes["paused"] + outcomes["busy"] == 71
    assert isinstance(guard.find_pause(ACCOUNT, "unknown", clock()), guard.CodePause)


def test_tries_under_way_begin_no_pause_until_they_are_known_to_be_wrong(context: Flask, clock: Clock) -> None:
    for _ in range(10):
        assert isinstance(guard.count_try(ACCOUNT, "unknown", clock()), guard.Counted)

    assert guard.count_try(ACCOUNT, "unknown", clock()) == guard.Busy()
    assert guard.find_pause(ACCOUNT, "unknown", clock()) is None
    for _ in range(10):
        guard.give_back_try(ACCOUNT, "unknown")
    assert guard.count_try(ACCOUNT, "unknown", clock()) == guard.Counted(pauses=0, is_last=False)


def test_a_pause_that_a_killed_process_owed_is_begun_by_the_next_try(context: Flask, clock: Clock) -> None:
    for _ in range(10):
        guard.count_try(ACCOUNT, "unknown", clock())
    clock.step(seconds=10)

    assert guard.count_try(ACCOUNT, "unknown", clock()) == guard.CodePause(clock() + timedelta(minutes=15))
    assert guard.find_pause(ACCOUNT, "unknown", clock()) is not None


def test_a_challenge_is_forgotten_after_two_hours(challenge: Challenge, clock: Clock) -> None:
    clock.step(hours=2)

    assert find_challenge(challenge.id) is None
    assert check(challenge, challenge.code, clock).outcome == "expired"
