"""When a password may be tried (R7, design §4): the arithmetic, beneath the sign-in."""

from datetime import timedelta

import pytest
from flask import Flask

from idp.accounts import throttle
from idp.accounts.throttle import Attempt, Pause
from tests.conftest import Clock

MINUTE = timedelta(minutes=1)


def spend(
    clock: Clock, *, nir_index: str = "n" * 32, device: str | None = None, password: str = "wrong"
) -> Attempt | Pause:
    return throttle.spend_attempt(
        nir_index=nir_index, device=device, address="192.0.2.1", password=password, now=clock.moment
    )


@pytest.mark.usefixtures("context")
class TestPauses:
    @pytest.mark.parametrize(
        ("count", "pause"),
        [(0, None), (1, None), (4, None), (5, 1), (6, 5), (7, 15), (8, 15), (99, 15), (100, 720), (500, 720)],
    )
    def test_the_schedule_is_that_of_the_design(self, count: int, pause: int | None) -> None:
        assert throttle.pause_after(count) == (None if pause is None else pause * MINUTE)

    def test_tries_are_announced_before_the_pause(self, clock: Clock) -> None:
        answers = [spend(clock) for _ in range(5)]

        assert [a.tries_left for a in answers if isinstance(a, Attempt)] == [4, 3, 2, 1, 0]
        assert [a.pause for a in answers if isinstance(a, Attempt)] == [MINUTE] * 4 + [5 * MINUTE]
        assert isinstance(answers[3], Attempt)
        assert answers[3].pause_until is None
        assert isinstance(answers[4], Attempt)
        assert answers[4].pause_until == clock.moment + MINUTE

    def test_knocking_during_a_pause_does_not_lengthen_it(self, clock: Clock) -> None:
        for _ in range(5):
            spend(clock)
        until = clock.moment + MINUTE

        for _ in range(20):
            assert spend(clock) == Pause(until, "account")
            clock.step(seconds=2)

        clock.moment = until
        assert isinstance(spend(clock), Attempt)
        assert spend(clock) == Pause(until + 5 * MINUTE, "account")

    def test_a_try_that_was_not_compared_is_given_back(self, clock: Clock) -> None:
        for _ in range(5):
            spend(clock)
        throttle.give_back_attempt(nir_index="n" * 32, device=None)

        again = spend(clock)

        assert isinstance(again, Attempt)
        assert again.tries_left == 0

    def test_a_day_without_tries_is_forgiven(self, clock: Clock) -> None:
        for _ in range(5):
            spend(clock)
        clock.step(hours=24)

        answer = spend(clock)

        assert isinstance(answer, Attempt)
        assert answer.tries_left == 4

    def test_lanes_do_not_touch_each_other(self, clock: Clock) -> None:
        for _ in range(5):
            spend(clock)

        assert isinstance(spend(clock), Pause)
        assert isinstance(spend(clock, device="d" * 64), Attempt)
        assert isinstance(spend(clock, nir_index="m" * 32), Attempt)

    def test_waiting_out_every_pause_gives_a_hundred_tries_then_two_a_day(self, clock: Clock) -> None:
        """AC-53, NIST SP 800-63B-4 §3.2.2."""
        compared = []
        while len(compared) < 102:
            answer = spend(clock)
            if isinstance(answer, Pause):
                clock.moment = answer.until
            else:
                compared.append(clock.moment)

        assert compared[99] - compared[0] > timedelta(hours=23)
        assert compared[100] - compared[99] == compared[101] - compared[100] == timedelta(hours=12)


@pytest.mark.usefixtures("context")
class TestSharedLimits:
    def test_one_address_has_a_hundred_wrong_passwords_in_a_quarter_of_an_hour(self, clock: Clock) -> None:
        """AC-52."""
        for number in range(100):
            throttle.count_wrong_password(
                nir_index=f"{number:032}", device=None, address="192.0.2.1", password=f"p{number}", now=clock.moment
            )

        assert spend(clock, nir_index="z" * 32) == Pause(clock.moment + 15 * MINUTE, "address")
        assert isinstance(spend(clock, nir_index="z" * 32, device="d" * 64), Attempt)
        clock.step(minutes=15)
        assert isinstance(spend(clock, nir_index="z" * 32), Attempt)

    def test_one_password_on_fifty_accounts_is_spraying_whatever_the_addresses(self, clock: Clock) -> None:
        """AC-52."""
        for number in range(50):
            throttle.count_wrong_password(
                nir_index=f"{number:032}", device=None, address=f"a{number}", password="Soleil2024!", now=clock.moment
            )

        assert spend(clock, password="Soleil2024!") == Pause(clock.moment + 10 * MINUTE, "same-password")
        assert isinstance(spend(clock, password="Soleil2024?"), Attempt)
        assert isinstance(spend(clock, password="Soleil2024!", device="d" * 64), Attempt)

    def test_one_person_repeating_one_mistake_is_no_sprayer(self, clock: Clock) -> None:
        for _ in range(60):
            throttle.count_wrong_password(
                nir_index="n" * 32, device=None, address="192.0.2.1", password="Soleil2024!", now=clock.moment
            )

        assert isinstance(spend(clock, password="Soleil2024!", nir_index="m" * 32), Attempt)

    def test_no_password_reaches_the_store_in_clear(
        self, app: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """AC-52: kept as a keyed value, for the window only."""
        keys: list[str] = []
        store = app.extensions["sesame"]["state"].store
        real_add = store.add

        def listen(key: str, *rest: object) -> bool:
            keys.append(key)
            return bool(real_add(key, *rest))

        monkeypatch.setattr(store, "add", listen)
        throttle.count_wrong_password(
            nir_index="n" * 32, device=None, address="192.0.2.1", password="Soleil2024!", now=clock.moment
        )

        assert len(keys) == 3
        assert not any("Soleil" in key for key in keys)
