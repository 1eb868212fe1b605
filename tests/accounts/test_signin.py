"""The whole answer to a NIR and a password (R7, R8; security.md §5 C)."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import event, select

from idp import audit
from idp.accounts import devices, directory, passwords, throttle
from idp.accounts.models import index_nir
from idp.accounts.nir import find_key, parse_nir
from idp.accounts.passwords import HashingBusy
from idp.accounts.signin import Authenticated, Paused, Refused, authenticate
from idp.audit import AuditEvent
from idp.db import db
from idp.state import state
from tests.accounts.test_passwords import use_passwords
from tests.conftest import ALICE_NIR, ALICE_PASSWORD, Clock

UNKNOWN_NIR = "2850597411084"
WRONG = "not-the-right-password"
MINUTE = timedelta(minutes=1)
Answer = Authenticated | Refused | Paused


def sign_in(
    clock: Clock,
    *,
    nir: str = ALICE_NIR,
    password: str = WRONG,
    cookie: str | None = None,
    address: str = "192.0.2.1",
) -> Answer:
    return authenticate(nir=nir, password=password, device_cookie=cookie, address=address, now=clock.moment)


def fail(clock: Clock, times: int, **how: Any) -> list[Answer]:
    return [sign_in(clock, **how) for _ in range(times)]


def add_twin(nir: str, *, status: str = "active", password: str | None = ALICE_PASSWORD) -> str:
    account = directory.add_account(nir=nir, password=password, status=status)  # type: ignore[arg-type]
    db.session.commit()
    return account.id


@pytest.mark.usefixtures("context")
class TestAnswer:
    def test_the_right_password_gives_the_account(self, alice: str, clock: Clock) -> None:
        answer = sign_in(clock, password=ALICE_PASSWORD)

        assert isinstance(answer, Authenticated)
        assert answer.account_id == alice

    def test_a_wrong_one_says_how_many_tries_are_left(self, alice: str, clock: Clock) -> None:
        assert sign_in(clock) == Refused(tries_left=4, pause=MINUTE)

    def test_a_restricted_account_passes_the_password(self, alice: str, clock: Clock) -> None:
        directory.set_status(alice, "restricted", now=clock.moment)
        db.session.commit()

        answer = sign_in(clock, password=ALICE_PASSWORD)

        assert isinstance(answer, Authenticated)

    @pytest.mark.parametrize("password", ["", " ", "\0", ALICE_PASSWORD + "\0", "x" * 5000, "\udc80" * 12])
    def test_strange_passwords_are_wrong_passwords(self, alice: str, clock: Clock, password: str) -> None:
        assert sign_in(clock, password=password) == Refused(tries_left=4, pause=MINUTE)

    def test_an_older_hash_is_replaced_at_the_next_sign_in(
        self, app: Flask, alice: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """AC-65."""
        changed_at = directory.get_account(alice).password_changed_at
        use_passwords(app, monkeypatch, memory_kib=128, time_cost=2)

        first = sign_in(clock, password=ALICE_PASSWORD)

        assert isinstance(first, Authenticated)
        renewed = directory.get_account(alice)
        kept = renewed.password_hash
        assert kept is not None
        assert "m=128,t=2" in kept
        assert renewed.password_changed_at == changed_at
        again = sign_in(clock, password=ALICE_PASSWORD)
        assert isinstance(again, Authenticated)
        assert directory.get_account(alice).password_hash == kept

    def test_an_older_hash_is_left_for_the_next_time_while_others_wait(
        self, app: Flask, alice: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """RC-33: in a burst the second hash of a sign-in would cost somebody else's first."""
        before = directory.get_account(alice).password_hash
        use_passwords(app, monkeypatch, memory_kib=128, time_cost=2)
        real = PasswordHasher.verify

        def taken(self: PasswordHasher, *args: Any) -> Any:
            # Whoever is next in the lane comes as soon as this one is done.
            matches = real(self, *args)
            monkeypatch.setattr(passwords.current_lane(), "_is_free", lambda: False)
            return matches

        monkeypatch.setattr(PasswordHasher, "verify", taken)

        assert isinstance(sign_in(clock, password=ALICE_PASSWORD), Authenticated)
        assert directory.get_account(alice).password_hash == before

    def test_a_wrong_password_never_strengthens_a_hash(
        self, app: Flask, alice: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        before = directory.get_account(alice).password_hash
        use_passwords(app, monkeypatch, memory_kib=128, time_cost=2)

        sign_in(clock)

        assert directory.get_account(alice).password_hash == before

    def test_an_account_that_is_disabled_while_its_hash_runs_stays_out(
        self, alice: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = PasswordHasher.verify

        def slow(self: PasswordHasher, *args: Any) -> Any:
            directory.set_status(alice, "disabled", now=clock.moment)
            db.session.commit()
            return real(self, *args)

        monkeypatch.setattr(PasswordHasher, "verify", slow)

        assert isinstance(sign_in(clock, password=ALICE_PASSWORD), Refused)


@pytest.mark.usefixtures("context")
class TestAlike:
    """AC-55: unknown, wrong, disabled, never activated."""

    NIRS = ("1850578006084", "1850578006085", "1850578006086", UNKNOWN_NIR)

    @pytest.fixture
    def strangers(self, context: Flask) -> dict[str, tuple[str, str]]:
        wrong, disabled, dormant, unknown = self.NIRS
        add_twin(wrong)
        add_twin(disabled, status="disabled")
        add_twin(dormant, password=None)
        return {
            "wrong password": (wrong, WRONG),
            "disabled, right password": (disabled, ALICE_PASSWORD),
            "disabled, wrong password": (disabled, WRONG),
            "never activated": (dormant, ALICE_PASSWORD),
            "unknown": (unknown, ALICE_PASSWORD),
        }

    def test_all_get_the_same_answers_and_pauses(self, strangers: dict[str, tuple[str, str]], clock: Clock) -> None:
        """AC-55, AC-57."""
        start = clock.moment
        histories = {}
        for who, (nir, password) in strangers.items():
            clock.moment = start
            throttle.clear_wrong_passwords(nir_index=index_nir(nir), device=None)
            history = fail(clock, 6, nir=nir, password=password)
            clock.step(minutes=1)
            history += fail(clock, 2, nir=nir, password=password)
            clock.step(minutes=5)
            history += fail(clock, 2, nir=nir, password=password)
            histories[who] = history

        expected = [
            *(Refused(left, MINUTE) for left in (4, 3, 2, 1)),
            *[Paused(start + MINUTE)] * 2,
            *[Paused(start + 6 * MINUTE)] * 2,
            *[Paused(start + 21 * MINUTE)] * 2,
        ]
        assert all(history == expected for history in histories.values()), histories

    def test_all_cost_one_comparison_of_the_same_strength(
        self, strangers: dict[str, tuple[str, str]], clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        costs: list[str] = []
        real = PasswordHasher.verify

        def counted(self: PasswordHasher, stored: str, password: Any) -> Any:
            costs.append(stored.rsplit("$", 2)[0])
            return real(self, stored, password)

        monkeypatch.setattr(PasswordHasher, "verify", counted)

        for nir, password in strangers.values():
            before = len(costs)
            sign_in(clock, nir=nir, password=password)
            assert len(costs) == before + 1

        assert len(set(costs)) == 1

    @pytest.mark.parametrize("with_cookie", [False, True])
    def test_all_ask_the_database_the_same_questions(
        self, strangers: dict[str, tuple[str, str]], clock: Clock, alice: str, with_cookie: bool
    ) -> None:
        cookie = devices.remember_device(None, alice, "Firefox", clock.moment) if with_cookie else None
        db.session.commit()
        asked: dict[str, list[str]] = {}
        told: dict[str, list[tuple[str, str, str | None, str]]] = {}

        for who, (nir, password) in strangers.items():
            statements: list[str] = []

            def listen(_c: Any, _cur: Any, statement: str, *_: Any, into: list[str] = statements) -> None:
                into.append(statement)

            event.listen(db.engine, "before_cursor_execute", listen)
            audit.flush()
            statements.clear()
            sign_in(clock, nir=nir, password=password, cookie=cookie)
            event.remove(db.engine, "before_cursor_execute", listen)
            asked[who] = statements
            told[who] = [(e["event"], e["outcome"], e["reason"], str(e["facts"])) for e in audit.waiting()]

        assert len({tuple(statements) for statements in asked.values()}) == 1, asked
        assert len({tuple(events) for events in told.values()}) == 1, told


@pytest.mark.usefixtures("context")
class TestPause:
    def test_the_right_password_is_refused_during_a_pause_without_a_look(
        self, alice: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """AC-53."""
        until = clock.moment + MINUTE
        fail(clock, 5)
        monkeypatch.setattr(PasswordHasher, "verify", lambda *_: pytest.fail("a hash was computed during a pause"))

        assert sign_in(clock, password=ALICE_PASSWORD) == Paused(until)
        assert sign_in(clock, password=WRONG) == Paused(until)

    def test_after_the_pause_the_right_password_passes_and_clears_the_count(self, alice: str, clock: Clock) -> None:
        fail(clock, 5)
        clock.step(minutes=1)

        assert isinstance(sign_in(clock, password=ALICE_PASSWORD), Authenticated)
        assert sign_in(clock) == Refused(tries_left=4, pause=MINUTE)

    def test_a_hundred_and_twenty_wrong_passwords_meet_growing_pauses(self, alice: str, clock: Clock) -> None:
        """AC-53: trying without rest, one a second for two minutes, compares six passwords."""
        answers = []
        for _ in range(120):
            answers.append(sign_in(clock))
            clock.step(seconds=1)

        compared = db.session.scalars(select(AuditEvent).where(AuditEvent.outcome == "wrong")).all()
        waiting = [event for event in audit.waiting() if event["outcome"] == "wrong"]
        assert len(compared) + len(waiting) == 6
        assert isinstance(answers[-1], Paused)

    def test_an_attacker_does_not_lock_out_a_recognised_browser(self, alice: str, clock: Clock) -> None:
        """AC-54."""
        cookie = devices.remember_device(None, alice, "Firefox", clock.moment)
        db.session.commit()
        for _ in range(30):
            sign_in(clock)
            clock.step(minutes=1)

        assert isinstance(sign_in(clock, password=ALICE_PASSWORD), Paused)
        assert isinstance(sign_in(clock, password=ALICE_PASSWORD, cookie=cookie), Authenticated)
        # Her success does not free his lane.
        assert isinstance(sign_in(clock, password=ALICE_PASSWORD), Paused)

    def test_a_recognised_browser_has_limits_too(self, alice: str, clock: Clock) -> None:
        cookie = devices.remember_device(None, alice, "Firefox", clock.moment)
        db.session.commit()

        answers = fail(clock, 6, cookie=cookie)

        assert answers[4:] == [Paused(clock.moment + MINUTE)] * 2
        assert isinstance(sign_in(clock, password=ALICE_PASSWORD), Authenticated)

    def test_someone_elses_browser_gives_no_lane(self, alice: str, clock: Clock) -> None:
        """AC-09: the counter is that of every unknown device."""
        bob = add_twin(UNKNOWN_NIR)
        cookie = devices.remember_device(None, bob, "Firefox", clock.moment)
        db.session.commit()
        fail(clock, 5)

        assert isinstance(sign_in(clock, password=ALICE_PASSWORD, cookie=cookie), Paused)

    def test_a_forged_device_cookie_gives_no_lane(self, alice: str, clock: Clock) -> None:
        """AC-175."""
        cookie = devices.remember_device(None, alice, "Firefox", clock.moment)
        db.session.commit()
        fail(clock, 5)

        for forged in (cookie[:-1] + ("0" if cookie[-1] != "0" else "1"), cookie.split(".")[0], "dev"):
            assert isinstance(sign_in(clock, password=ALICE_PASSWORD, cookie=forged), Paused)

    def test_every_way_of_writing_the_number_spends_one_counter(self, alice: str, clock: Clock) -> None:
        """AC-62."""
        with_key = ALICE_NIR + find_key(ALICE_NIR)
        ways = (ALICE_NIR, "1 99 13 99 999 001", "１９９１３９９９９９００１", "1\u00a099.13-99 999 OO1", with_key)

        answers = [sign_in(clock, nir=parse_nir(way)) for way in ways]

        assert [a.tries_left for a in answers if isinstance(a, Refused)] == [4, 3, 2, 1]
        assert isinstance(answers[4], Paused)

    def test_spraying_one_password_over_many_numbers_ends_by_itself(self, alice: str, clock: Clock) -> None:
        """AC-52: fifty comparisons, from as many addresses, then none."""
        numbers = [f"1850578{n:06}" for n in range(60)]

        answers = [sign_in(clock, nir=n, password="Printemps2024!", address=f"addr-{n}") for n in numbers]

        assert [type(a) for a in answers] == [Refused] * 50 + [Paused] * 10
        # Other passwords of other people pass in the same minute.
        assert isinstance(sign_in(clock, password=ALICE_PASSWORD, address="home"), Authenticated)

    def test_one_address_runs_out_of_wrong_passwords(self, alice: str, clock: Clock) -> None:
        """AC-51: and people at other addresses, or on their own browsers behind it, sign in."""
        cookie = devices.remember_device(None, alice, "Firefox", clock.moment)
        db.session.commit()
        numbers = [f"1850578{n:06}" for n in range(105)]

        answers = [sign_in(clock, nir=n, password=f"leaked-{n}", address="bot") for n in numbers]

        assert [type(a) for a in answers] == [Refused] * 100 + [Paused] * 5
        assert isinstance(sign_in(clock, password=ALICE_PASSWORD, address="home"), Authenticated)
        assert isinstance(sign_in(clock, password=ALICE_PASSWORD, address="bot", cookie=cookie), Authenticated)


@pytest.mark.usefixtures("context")
class TestAtOnce:
    def at_once(self, app: Flask, now: datetime, times: int, **how: Any) -> list[Answer | str]:
        asked = {"nir": ALICE_NIR, "password": WRONG, "device_cookie": None, "address": "192.0.2.1", "now": now, **how}

        def one(_: int) -> Answer | str:
            with app.app_context():
                try:
                    return authenticate(**asked)
                except HashingBusy:
                    return "busy"
                finally:
                    audit.flush()
                    db.session.rollback()

        db.session.rollback()
        with ThreadPoolExecutor(min(times, 25)) as pool:
            return list(pool.map(one, range(times)))

    @pytest.mark.parametrize("nir", [ALICE_NIR, UNKNOWN_NIR])
    def test_fifty_wrong_passwords_at_once_are_five_comparisons(
        self, app: Flask, alice: str, clock: Clock, nir: str
    ) -> None:
        """AC-53: counted before compared, and no increment is lost."""
        answers = self.at_once(app, clock.moment, 50, nir=nir)

        assert Counter(type(a) for a in answers) == {Refused: 4, Paused: 46}
        assert sorted(a.tries_left for a in answers if isinstance(a, Refused)) == [1, 2, 3, 4]
        outcomes = Counter(db.session.scalars(select(AuditEvent.outcome)))
        assert outcomes == {"wrong": 5, "paused": 45}
        tries = state.get(throttle.TRIES, f"{index_nir(nir)}:unknown")
        assert tries is not None
        assert tries.count == 5

    def test_fifty_at_once_after_a_pause_are_one_comparison(self, app: Flask, alice: str, clock: Clock) -> None:
        """AC-53: the end of a pause is no gate to rush."""
        fail(clock, 5)
        clock.step(minutes=1)

        answers = self.at_once(app, clock.moment, 50)

        assert {type(a) for a in answers} == {Paused}
        tries = state.get(throttle.TRIES, f"{index_nir(ALICE_NIR)}:unknown")
        assert tries == throttle.Tries(6, clock.moment + 5 * MINUTE)

    def test_wrong_passwords_of_many_accounts_at_once_all_count_for_their_address(
        self, app: Flask, clock: Clock
    ) -> None:
        def one(number: int) -> None:
            with app.app_context():
                authenticate(
                    nir=f"1850578{number:06}",
                    password=f"p-{number}",
                    device_cookie=None,
                    address="bot",
                    now=clock.moment,
                )
                db.session.rollback()

        with ThreadPoolExecutor(20) as pool:
            list(pool.map(one, range(60)))

        left = throttle.ratelimit.peek("password-address", "bot", windows=throttle._address_windows(), now=clock.moment)
        assert left.left == 40

    def test_the_right_password_twice_at_once_passes_twice(self, app: Flask, alice: str, clock: Clock) -> None:
        """A double click."""
        answers = self.at_once(app, clock.moment, 2, password=ALICE_PASSWORD)

        assert [type(a) for a in answers] == [Authenticated] * 2
        assert sign_in(clock) == Refused(tries_left=4, pause=MINUTE)

    def test_a_full_lane_costs_nobody_a_try(
        self, app: Flask, alice: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        use_passwords(app, monkeypatch, memory_kib=64, time_cost=1, lanes=1, wait=timedelta(milliseconds=10))
        with passwords.current_lane().place("somebody", within=0):
            answers = self.at_once(app, clock.moment, 4)

        assert answers == ["busy"] * 4
        assert sign_in(clock) == Refused(tries_left=4, pause=MINUTE)


@pytest.mark.usefixtures("context")
class TestRecorded:
    def test_events_say_what_happened_and_to_whom_but_nothing_personal(self, alice: str, clock: Clock) -> None:
        """The `told` fixture fails this test if an event holds a NIR, a password or an address."""
        fail(clock, 6)
        sign_in(clock, nir=UNKNOWN_NIR, password=ALICE_PASSWORD)
        clock.step(minutes=1)
        sign_in(clock, password=ALICE_PASSWORD)
        audit.flush()

        events = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id)).all()
        assert [(e.outcome, e.reason) for e in events] == [
            *[("wrong", None)] * 5,
            ("paused", "account"),
            ("wrong", None),
            ("ok", None),
        ]
        assert {e.event for e in events} == {"password"}
        assert [e.account_id == alice for e in events] == [True] * 6 + [False, True]

    def test_no_transaction_is_open_while_a_password_is_hashed(
        self, alice: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On SQLite it would hold the write lock of everybody."""
        open_ones: list[bool] = []
        real = PasswordHasher.verify

        def watched(self: PasswordHasher, *args: Any) -> Any:
            open_ones.append(db.session().in_transaction())
            return real(self, *args)

        monkeypatch.setattr(PasswordHasher, "verify", watched)
        sign_in(clock, password=ALICE_PASSWORD)
        sign_in(clock, nir=UNKNOWN_NIR)

        assert open_ones == [False, False]
