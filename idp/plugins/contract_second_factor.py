"""The contract of `idp.mfa.second_factor.SecondFactor`: inherit, say what the fixtures are, run pytest."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from time import perf_counter

import pytest

from idp.mfa.plugged import LONGEST, find_faults
from idp.mfa.second_factor import TEXTS, Bearer, FactorAway, SecondFactor

# Where a text is longer than this, it does not fit its place at 320 px and 200 % any more.
_LONGEST_TEXT = {"with": 60, "have": 120, "title": 60, "label": 60, "hint": 200, "wrong": 200}
_ODD = ("*", "0", "-1", "٣٣٣", "\u200b", "';--", "%s", "../", "é" * LONGEST, "x" * LONGEST, "\U0001f511", "\ud800")


class SecondFactorContract:
    """What every second factor does."""

    # When the tests take place; a factor whose secrets follow a clock goes by what it is told.
    now = datetime(2026, 3, 2, 13, 20, tzinfo=UTC)
    # How long asking whether somebody is enrolled may take, in seconds: it is asked on every page.
    enrolment_within = 0.005

    @pytest.fixture
    def factor(self) -> SecondFactor:
        """Return the factor, made as the entry point makes it."""
        raise NotImplementedError

    @pytest.fixture
    def bearer(self) -> Bearer:
        """Return somebody who has one."""
        raise NotImplementedError

    @pytest.fixture
    def other(self) -> Bearer:
        """Return somebody else who has one."""
        raise NotImplementedError

    @pytest.fixture
    def stranger(self) -> Bearer:
        """Return somebody who has none."""
        raise NotImplementedError

    @pytest.fixture
    def right(self) -> Callable[[Bearer, datetime], str]:
        """Return what gives the right thing to type, for a person and a moment."""
        raise NotImplementedError

    @pytest.fixture
    def away(self) -> SecondFactor | None:
        """Return the factor while what it asks does not answer; ``None`` if it asks nobody."""
        raise NotImplementedError

    def test_it_is_worth_what_it_says_and_speaks_every_language(self, factor: SecondFactor) -> None:
        faults = find_faults(factor, ("fr", "en"))

        assert not faults, faults

    def test_its_texts_fit_their_places(self, factor: SecondFactor) -> None:
        for locale in ("fr", "en"):
            for name, text in factor.texts(locale).items():
                assert name in TEXTS, f"{name} is shown nowhere"
                assert len(text) <= _LONGEST_TEXT[name], f"{locale}: {name} is longer than {_LONGEST_TEXT[name]}"
                assert "<" not in text, f"{locale}: {name} holds markup, which is shown as it stands"
                assert text.isprintable(), f"{locale}: {name} has more than one line"

    def test_it_knows_who_has_one(self, factor: SecondFactor, bearer: Bearer, other: Bearer, stranger: Bearer) -> None:
        assert [factor.is_enrolled(one) for one in (bearer, other, stranger)] == [True, True, False]

    def test_it_says_so_at_once(self, factor: SecondFactor, bearer: Bearer, stranger: Bearer) -> None:
        factor.is_enrolled(bearer)
        began = perf_counter()
        for _ in range(100):
            factor.is_enrolled(bearer)
            factor.is_enrolled(stranger)
        took = (perf_counter() - began) / 200

        assert took < self.enrolment_within, f"{took * 1000:.1f} ms: is_enrolled is asked on every page"

    def test_the_right_thing_is_right(
        self, factor: SecondFactor, bearer: Bearer, right: Callable[[Bearer, datetime], str]
    ) -> None:
        typed = right(bearer, self.now)

        assert 1 <= len(typed) <= LONGEST, f"no more than {LONGEST} characters are handed on"
        assert factor.check(bearer, typed, now=self.now) is True

    def test_anything_else_is_wrong_and_no_exception(
        self, factor: SecondFactor, bearer: Bearer, right: Callable[[Bearer, datetime], str]
    ) -> None:
        typed = right(bearer, self.now)
        changed = [typed[:-1], typed[1:], typed[::-1] + "0", typed + typed[-1:]]
        for wrong in (*_ODD, *changed):
            if wrong != typed:
                assert factor.check(bearer, wrong, now=self.now) is False, repr(wrong)

    def test_one_persons_is_nobody_elses(
        self,
        factor: SecondFactor,
        bearer: Bearer,
        other: Bearer,
        stranger: Bearer,
        right: Callable[[Bearer, datetime], str],
    ) -> None:
        typed = right(bearer, self.now)

        assert factor.check(other, typed, now=self.now) is False
        assert factor.check(stranger, typed, now=self.now) is False

    def test_what_was_right_is_not_right_for_ever(
        self, factor: SecondFactor, bearer: Bearer, right: Callable[[Bearer, datetime], str]
    ) -> None:
        """Single use is kept here for a day; from then on, nothing but the factor itself refuses it."""
        typed = right(bearer, self.now)
        factor.check(bearer, typed, now=self.now)

        assert factor.check(bearer, typed, now=self.now + timedelta(days=1)) is False

    def test_many_threads_ask_at_once(
        self, factor: SecondFactor, bearer: Bearer, other: Bearer, right: Callable[[Bearer, datetime], str]
    ) -> None:
        people = [bearer, other] * 8
        typed = {one.account_id: right(one, self.now) for one in (bearer, other)}
        strangers_code = {bearer.account_id: typed[other.account_id], other.account_id: typed[bearer.account_id]}

        with ThreadPoolExecutor(16) as threads:
            wrong = list(
                threads.map(lambda one: factor.check(one, strangers_code[one.account_id], now=self.now), people)
            )

        assert not any(wrong), "somebody's secret opened somebody else's account"

    def test_no_answer_is_neither_right_nor_wrong(
        self, away: SecondFactor | None, bearer: Bearer, right: Callable[[Bearer, datetime], str]
    ) -> None:
        if away is None:
            return
        with pytest.raises(FactorAway):
            away.check(bearer, right(bearer, self.now), now=self.now)

    def test_it_tells_nobody(
        self,
        factor: SecondFactor,
        bearer: Bearer,
        right: Callable[[Bearer, datetime], str],
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        typed = right(bearer, self.now)
        with caplog.at_level("DEBUG"):
            factor.check(bearer, typed, now=self.now)
            factor.check(bearer, typed + "0", now=self.now)

        told = "".join(capfd.readouterr()) + caplog.text + repr(factor)
        assert typed not in told, "what was typed is in a log"
        assert bearer.nir not in told, "a NIR is in a log (R9)"
