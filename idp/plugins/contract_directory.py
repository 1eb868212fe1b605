"""The contract of `idp.accounts.outside.Directory`: inherit, say what the fixtures are, run pytest."""

import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import get_args

import pytest

from idp.accounts.models import PROFILE_CLAIMS
from idp.accounts.outside import Directory, DirectoryAway, Kept, Person


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody who is in the directory under test, and their password."""

    nir: str
    password: str


class DirectoryContract:
    """What every directory does."""

    # How much longer or shorter an unknown person may take than a wrong password: in seconds, or half of it all.
    same_time_within = 0.005

    @pytest.fixture
    def directory(self) -> Iterator[Directory]:
        """Give the directory, made as the entry point makes it, and close it."""
        raise NotImplementedError

    @pytest.fixture
    def somebody(self) -> Known:
        """Return somebody who may sign in."""
        raise NotImplementedError

    @pytest.fixture
    def other(self) -> Known:
        """Return somebody else who may sign in, with another password."""
        raise NotImplementedError

    @pytest.fixture
    def disabled(self) -> Known | None:
        """Return somebody who may not sign in, with the right password; ``None`` if there is no such thing."""
        raise NotImplementedError

    @pytest.fixture
    def unknown_nir(self) -> str:
        """Return a canonical NIR that nobody has."""
        return "2991299999999"

    @pytest.fixture
    def away(self) -> Iterator[Directory]:
        """Give the directory while it cannot answer."""
        raise NotImplementedError

    def test_the_right_password_gives_the_person_who_was_asked_for(
        self, directory: Directory, somebody: Known, other: Known
    ) -> None:
        for known in (somebody, other):
            person = directory.authenticate(known.nir, known.password)

            assert isinstance(person, Person)
            assert person.nir == known.nir

    def test_a_wrong_password_gives_nobody(self, directory: Directory, somebody: Known, other: Known) -> None:
        wrong = (
            other.password,
            somebody.password + "x",
            somebody.password[:-1],
            somebody.password.swapcase(),
            f" {somebody.password}",
            "*",
            "x" * 1024,
            "\U0001f511" * 200,
        )
        for password in wrong:
            typed = unicodedata.normalize("NFC", password)
            if typed != somebody.password:
                assert directory.authenticate(somebody.nir, typed) is None, repr(typed)

    def test_an_unknown_nir_gives_nobody(self, directory: Directory, somebody: Known, unknown_nir: str) -> None:
        assert directory.authenticate(unknown_nir, somebody.password) is None
        assert directory.find(unknown_nir) is None

    def test_somebody_disabled_is_nobody(self, directory: Directory, disabled: Known | None) -> None:
        if disabled is None:
            return
        assert directory.authenticate(disabled.nir, disabled.password) is None
        assert directory.find(disabled.nir) is None

    def test_somebody_can_be_looked_up_without_a_password(self, directory: Directory, somebody: Known) -> None:
        found = directory.find(somebody.nir)
        authenticated = directory.authenticate(somebody.nir, somebody.password)

        assert found == authenticated

    def test_it_says_what_it_keeps_and_nothing_else(self, directory: Directory, somebody: Known) -> None:
        person = directory.find(somebody.nir)
        assert person is not None
        given: dict[Kept, bool] = {
            "email": person.email is not None,
            "mobile": person.mobile is not None,
            "profile": bool(person.claims) or person.locale is not None,
            "password-age": person.password_changed_at is not None,
        }

        assert directory.keeps <= set(get_args(Kept))
        assert set(person.claims) <= PROFILE_CLAIMS, "only claims of a profile, and never the NIR"
        unkept = [what for what, is_given in given.items() if is_given and what not in directory.keeps]
        assert not unkept, f"what is not among `keeps` is not taken over: {unkept}"
        moment = person.password_changed_at
        assert moment is None or moment.tzinfo is not None, "a moment needs a time zone"

    def test_an_unknown_nir_takes_as_long_as_a_wrong_password(
        self, directory: Directory, somebody: Known, unknown_nir: str
    ) -> None:
        """R8: interleaved, so that what slows the machine down slows both."""
        took: dict[str, list[float]] = {somebody.nir: [], unknown_nir: []}
        directory.authenticate(somebody.nir, "warms-everything-up-1")
        for number in range(30):
            for nir, times in took.items():
                began = perf_counter()
                assert directory.authenticate(nir, f"not-the-password-{number}") is None
                times.append(perf_counter() - began)
        wrong, unknown = (median(times) for times in took.values())

        allowed = max(self.same_time_within, wrong / 2)
        assert abs(wrong - unknown) < allowed, f"wrong: {wrong * 1000:.1f} ms, unknown: {unknown * 1000:.1f} ms"

    def test_no_answer_is_not_a_wrong_password(self, away: Directory, somebody: Known, unknown_nir: str) -> None:
        for nir in (somebody.nir, unknown_nir):
            with pytest.raises(DirectoryAway):
                away.authenticate(nir, somebody.password)
            with pytest.raises(DirectoryAway):
                away.find(nir)

    def test_many_threads_ask_at_once(self, directory: Directory, somebody: Known, other: Known) -> None:
        cases = [
            (somebody.nir, somebody.password, True),
            (other.nir, other.password, True),
            (somebody.nir, other.password, False),
            (other.nir, somebody.password, False),
        ] * 6

        def ask(case: tuple[str, str, bool]) -> bool:
            nir, password, is_right = case
            person = directory.authenticate(nir, password)
            return (person is not None) == is_right and (person is None or person.nir == nir)

        with ThreadPoolExecutor(8) as threads:
            assert all(threads.map(ask, cases)), "somebody was taken for somebody else"

    def test_it_tells_nobody(
        self,
        directory: Directory,
        somebody: Known,
        capfd: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with caplog.at_level("DEBUG"):
            person = directory.authenticate(somebody.nir, somebody.password)
            directory.authenticate(somebody.nir, "a-wrong-password-1")

        told = "".join(capfd.readouterr()) + caplog.text + repr(directory) + repr(person)
        assert somebody.password not in told, "a password is in a log"
        assert "a-wrong-password-1" not in told, "a password is in a log"
        assert somebody.nir not in told, "a NIR is in a log (R9)"

    def test_closing_twice_is_closing(self, directory: Directory) -> None:
        directory.close()
        directory.close()
