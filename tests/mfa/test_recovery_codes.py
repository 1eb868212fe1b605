"""Recovery codes: ten, kept as nobody can read them, each good once, told to every channel."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from idp import entropy
from idp.accounts import directory
from idp.db import db
from idp.messages.models import Outbox
from idp.mfa.recovery_codes import (
    HOW_MANY,
    RecoveryCode,
    count_recovery_codes,
    make_recovery_codes,
    parse_recovery_code,
    use_recovery_code,
)
from idp.security_events import SecurityEvent
from tests.conftest import Clock


@pytest.fixture
def codes(context: Flask, alice: str, clock: Clock) -> tuple[str, ...]:
    made = make_recovery_codes(alice, clock())
    db.session.commit()
    return made


def use(account_id: str, typed: str, clock: Clock, lane: str = "unknown") -> str:
    account = directory.get_account(account_id)
    return use_recovery_code(account, typed, lane=lane, device="Firefox (Windows)", now=clock())


def test_ten_different_codes_are_made_each_of_more_than_64_bits(codes: tuple[str, ...]) -> None:
    assert len(set(codes)) == HOW_MANY == 10
    assert len(entropy.SPOKEN) ** 16 > 2**64
    assert {len(code.replace("-", "")) for code in codes} == {16}


def test_each_is_good_once(alice: str, codes: tuple[str, ...], clock: Clock) -> None:
    assert [use(alice, code, clock) for code in codes] == ["ok"] * 10
    assert [use(alice, code, clock) for code in codes[:3]] == ["wrong"] * 3
    assert count_recovery_codes(alice) == 0


def test_typed_ten_times_at_once_one_is_let_in(
    context: Flask, alice: str, codes: tuple[str, ...], clock: Clock
) -> None:
    def one(number: int) -> str:
        with context.app_context():
            return use(alice, codes[0], clock, lane=f"lane-{number}")

    with ThreadPoolExecutor(10) as pool:
        outcomes = Counter(pool.map(one, range(10)))

    assert outcomes == {"ok": 1, "wrong": 9}


@pytest.mark.parametrize(
    "write", [str.lower, lambda c: c.replace("-", ""), lambda c: c.replace("-", " "), "  {}  ".format]
)
def test_a_code_may_be_written_as_people_write_it(
    alice: str, codes: tuple[str, ...], clock: Clock, write: object
) -> None:
    assert use(alice, write(codes[0]), clock) == "ok"  # type: ignore[operator]


@pytest.mark.parametrize(
    "typed", ["", "123456", "A" * 16, "3479-CDFH-JKMN-PQR", "3479-CDFH-JKMN-PQRT-W", "３479" * 4, "x" * 500]
)
def test_what_cannot_be_a_code_is_no_guess(alice: str, codes: tuple[str, ...], clock: Clock, typed: str) -> None:
    assert parse_recovery_code(typed) is None
    assert {use(alice, typed, clock) for _ in range(20)} == {"form"}
    assert use(alice, codes[0], clock) == "ok"


def test_guessing_pauses_the_account(alice: str, codes: tuple[str, ...], clock: Clock) -> None:
    guess = "3479-CDFH-JKMN-PQRT"

    assert [use(alice, guess, clock) for _ in range(10)] == ["wrong"] * 9 + ["paused"]
    assert use(alice, codes[0], clock) == "paused"
    assert use(alice, codes[0], clock, lane="device") == "ok"


def test_new_codes_end_the_old_ones(alice: str, codes: tuple[str, ...], clock: Clock) -> None:
    fresh = make_recovery_codes(alice, clock())
    db.session.commit()

    assert use(alice, codes[0], clock) == "wrong"
    assert use(alice, fresh[0], clock) == "ok"
    assert count_recovery_codes(alice) == 9


def test_a_code_of_another_account_is_wrong(alice: str, codes: tuple[str, ...], clock: Clock) -> None:
    bob = directory.add_account(nir="2991399999002", password=None, email="bob@example.fr")
    db.session.commit()

    assert use(bob.id, codes[0], clock) == "wrong"
    assert use(alice, codes[0], clock) == "ok"


def test_nothing_kept_tells_a_code(codes: tuple[str, ...]) -> None:
    rows = db.session.query(RecoveryCode).all()

    assert len(rows) == 10
    assert not [row for row in rows for code in codes if code.replace("-", "") in row.code_hash]
    assert {len(row.code_hash) for row in rows} == {64}


def test_every_channel_is_told_of_a_use_and_of_nothing_else(alice: str, codes: tuple[str, ...], clock: Clock) -> None:
    use(alice, "3479-CDFH-JKMN-PQRT", clock)
    assert db.session.query(Outbox).count() == 0

    use(alice, codes[0], clock)
    told = sorted((row.purpose, row.channel) for row in db.session.query(Outbox))
    assert told == [("alert-recovery-used", "email"), ("alert-recovery-used", "sms")]


def test_services_that_asked_hear_of_a_use_and_of_nothing_else(
    alice: str, codes: tuple[str, ...], clock: Clock
) -> None:
    use(alice, "3479-CDFH-JKMN-PQRT", clock)
    assert db.session.query(SecurityEvent).count() == 0

    use(alice, codes[0], clock)

    (event,) = db.session.query(SecurityEvent)
    assert (event.account_id, event.kind) == (alice, "credential-change")
    assert event.facts == {"credential_type": "recovery-code", "change_type": "update"}
