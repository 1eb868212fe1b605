"""A code of an app is good once, near its time, and counts on the account like any other (RFC 6238)."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from flask import Flask

from idp.accounts import directory
from idp.db import db
from idp.mfa import guard, totp
from idp.mfa.totp import TotpSecret, check_totp, describe_secret, enrol_totp, find_step, new_secret
from tests.conftest import Clock

RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"


@pytest.fixture
def secret(context: Flask, alice: str, clock: Clock) -> str:
    drawn = new_secret()
    enrol_totp(alice, drawn, step=0, now=clock())
    db.session.commit()
    return drawn


def code_at(secret: str, moment: datetime) -> str:
    return pyotp.TOTP(secret).at(moment)


def check(account_id: str, digits: str, clock: Clock, lane: str = "unknown") -> str:
    return check_totp(account_id, digits, lane=lane, now=clock())


@pytest.mark.parametrize(
    ("seconds", "digits"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_the_vectors_of_rfc_6238_appendix_b(context: Flask, seconds: int, digits: str) -> None:
    assert find_step(RFC_SECRET, digits, datetime.fromtimestamp(seconds, UTC)) == seconds // 30


@pytest.mark.parametrize(("steps", "outcome"), [(-2, "wrong"), (-1, "ok"), (0, "ok"), (1, "ok"), (2, "wrong")])
def test_one_step_early_or_late_is_taken(alice: str, secret: str, clock: Clock, steps: int, outcome: str) -> None:
    assert check(alice, code_at(secret, clock() + timedelta(seconds=30 * steps)), clock) == outcome


def test_a_code_is_good_once_even_while_it_is_shown(alice: str, secret: str, clock: Clock) -> None:
    code = code_at(secret, clock())

    assert [check(alice, code, clock) for _ in range(3)] == ["ok", "wrong", "wrong"]
    clock.step(seconds=30)
    assert check(alice, code, clock) == "wrong"
    assert check(alice, code_at(secret, clock()), clock) == "ok"


def test_no_step_before_the_last_one_is_taken(alice: str, secret: str, clock: Clock) -> None:
    early, now = code_at(secret, clock() - timedelta(seconds=30)), code_at(secret, clock())

    assert check(alice, now, clock) == "ok"
    assert check(alice, early, clock) == "wrong"


def test_typed_twenty_times_at_once_it_is_taken_once(context: Flask, alice: str, secret: str, clock: Clock) -> None:
    code = code_at(secret, clock())

    def one(_n: int) -> str:
        with context.app_context():
            return check(alice, code, clock, lane=f"lane-{_n}")

    with ThreadPoolExecutor(10) as pool:
        outcomes = Counter(pool.map(one, range(20)))

    assert outcomes == {"ok": 1, "wrong": 19}


def test_the_tenth_wrong_code_pauses_and_the_right_one_is_not_heard(alice: str, secret: str, clock: Clock) -> None:
    right = code_at(secret, clock())
    wrong = next(d for d in ("000000", "111111", "222222", "333333") if find_step(secret, d, clock()) is None)

    assert [check(alice, wrong, clock) for _ in range(10)] == ["wrong"] * 9 + ["paused"]
    assert check(alice, right, clock) == "paused"
    assert guard.find_pause(alice, "unknown", clock()) is not None
    assert check(alice, right, clock, lane="device") == "ok"


def test_a_code_of_another_account_is_wrong(alice: str, secret: str, clock: Clock) -> None:
    with_nothing = directory.add_account(nir="2991399999002", password=None, email="bob@example.fr")
    db.session.commit()

    assert check(with_nothing.id, code_at(secret, clock()), clock) == "wrong"


def test_the_secret_is_sealed_and_does_not_open_in_another_row(alice: str, secret: str) -> None:
    kept = db.session.query(TotpSecret).one()

    assert secret.encode() not in kept.secret_sealed
    with pytest.raises(totp.crypto.Unreadable):
        totp.crypto.unseal(kept.secret_sealed, context="totp_secrets:secret:another")


def test_a_secret_has_160_bits_and_names_no_nir() -> None:
    drawn = {new_secret() for _ in range(50)}
    uri = describe_secret(RFC_SECRET, name="a•••••n@gmail.com", issuer="Mon Compte").uri

    assert len(drawn) == 50
    assert {len(one) for one in drawn} == {32}
    assert uri.startswith("otpauth://totp/Mon%20Compte:a")
    assert RFC_SECRET not in repr(describe_secret(RFC_SECRET, name="x", issuer="y"))
