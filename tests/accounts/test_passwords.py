"""What is stored of a password, and what a comparison costs."""

import threading
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from argon2 import PasswordHasher, extract_parameters
from flask import Flask

from idp.accounts import passwords
from idp.accounts.passwords import HashingBusy, PasswordCheck, check_password, hash_password
from idp.settings import PasswordSettings, Settings

GOOD = "correct-horse-9-battery"


def use_passwords(app: Flask, monkeypatch: pytest.MonkeyPatch, **values: object) -> None:
    """Run the application with other password settings for one test."""
    before: Settings = app.extensions["sesame"]["settings"]
    changed = before.model_copy(update={"passwords": PasswordSettings.model_validate(values)})
    monkeypatch.setitem(app.extensions["sesame"], "settings", changed)


@pytest.mark.usefixtures("context")
class TestStored:
    def test_the_right_password_passes_and_no_other(self) -> None:
        stored = hash_password(GOOD)

        assert check_password(stored, GOOD) == PasswordCheck(ok=True)
        for wrong in (GOOD.upper(), GOOD + " ", " " + GOOD, GOOD[:-1], "", GOOD + "\n"):
            assert not check_password(stored, wrong).ok

    def test_the_hash_is_argon2id_with_its_own_salt(self) -> None:
        """AC-65."""
        first, second = hash_password(GOOD), hash_password(GOOD)

        assert first != second
        assert first.startswith("$argon2id$v=19$m=64,t=1,p=1$")
        assert extract_parameters(first).salt_len == 16
        assert extract_parameters(first).hash_len == 32

    def test_the_defaults_are_those_of_the_design(self) -> None:
        """AC-65, R10: m=19 MiB, t=2, p=1."""
        defaults = PasswordSettings()

        assert (defaults.memory_kib, defaults.time_cost, defaults.parallelism) == (19 * 1024, 2, 1)

    def test_without_the_pepper_the_hash_cannot_be_tried(self) -> None:
        stored = hash_password(GOOD)

        with pytest.raises(Exception, match="does not match"):
            PasswordHasher().verify(stored, GOOD)

    def test_an_older_strength_passes_and_asks_for_a_new_hash(
        self, app: Flask, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """AC-65."""
        old = hash_password(GOOD)
        use_passwords(app, monkeypatch, memory_kib=128, time_cost=2)

        assert check_password(old, GOOD) == PasswordCheck(ok=True, needs_rehash=True)
        assert check_password(old, "something else here") == PasswordCheck(ok=False)
        assert check_password(hash_password(GOOD), GOOD) == PasswordCheck(ok=True)

    def test_long_passwords_count_to_their_last_character(self) -> None:
        """AC-60: nothing is cut at 72, 64 or anywhere."""
        long = "".join(chr(ord("a") + i % 26) for i in range(100))
        stored = hash_password(long)

        assert check_password(stored, long).ok
        for length in (64, 72, 99):
            assert not check_password(stored, long[:length]).ok

    def test_composed_and_decomposed_letters_are_one(self) -> None:
        """AC-61."""
        composed = unicodedata.normalize("NFC", "été-à-Besançon-1998")
        decomposed = unicodedata.normalize("NFD", composed)

        assert composed != decomposed
        assert check_password(hash_password(composed), decomposed).ok
        assert check_password(hash_password(decomposed), composed).ok

    def test_letters_that_only_look_alike_stay_apart(self) -> None:
        """AC-61: NFC, not NFKC."""
        assert not check_password(hash_password("ﬁnancier-deluxe"), "financier-deluxe").ok

    def test_nul_never_cuts_a_password(self) -> None:
        """AC-61."""
        stored = hash_password("abcdefghijkl")

        assert not check_password(stored, "abcdefghijkl\0x").ok
        assert not check_password(stored, "abcdefghijkl\0").ok
        with pytest.raises(ValueError, match="NUL"):
            hash_password("abcdefghijkl\0x")

    def test_a_lone_surrogate_is_only_a_wrong_password(self) -> None:
        assert not check_password(hash_password(GOOD), GOOD + "\udc80").ok

    @pytest.mark.parametrize(
        "stored", ["", "!", "$2b$12$abcdefghijklmnopqrstuv", "$argon2id$", "$argon2i$v=19$m=8", "x" * 255]
    )
    def test_a_damaged_hash_lets_nobody_in(self, stored: str) -> None:
        assert check_password(stored, GOOD) == PasswordCheck(ok=False)


@pytest.mark.usefixtures("context")
class TestWork:
    def test_the_longest_password_has_1024_bytes(self) -> None:
        assert check_password(hash_password("é" * 512), "é" * 512).ok
        with pytest.raises(ValueError, match="1024"):
            hash_password("é" * 513)

    def test_a_megabyte_is_never_hashed(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        """AC-59: 50 times a megabyte, and no processor notices."""
        use_passwords(app, monkeypatch, memory_kib=19_456, time_cost=2)
        stored = hash_password(GOOD)
        started = time.process_time()

        for _ in range(50):
            assert not check_password(stored, "x" * 1_000_000).ok

        assert time.process_time() - started < 0.02

    def test_nobodys_password_costs_what_a_wrong_one_costs(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        """AC-55: also the very first time after a start."""
        use_passwords(app, monkeypatch, memory_kib=19_456, time_cost=2)
        stored = hash_password(GOOD)
        passwords._nobodys_hash.cache_clear()

        def cost(compared: str | None) -> float:
            started = time.thread_time()
            check_password(compared, "a wrong password")
            return time.thread_time() - started

        first_for_nobody = cost(None)
        wrong = sorted(cost(stored) for _ in range(9))[4]
        nobody = sorted(cost(None) for _ in range(9))[4]
        assert 0.6 < nobody / wrong < 1.6
        assert 0.4 < first_for_nobody / wrong < 3

    @pytest.mark.parametrize("stored", [None, "!disabled!", "$2b$12$legacy"])
    def test_no_password_belongs_to_nobody(self, stored: str | None) -> None:
        assert check_password(stored, GOOD) == PasswordCheck(ok=False)
        assert check_password(stored, "") == PasswordCheck(ok=False)

    def test_a_full_lane_says_busy_after_a_short_wait(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        use_passwords(app, monkeypatch, memory_kib=64, time_cost=1, lanes=1, wait=timedelta(milliseconds=30))
        lane = passwords.current_lane()

        with lane.place("somebody", within=0), pytest.raises(HashingBusy):
            check_password(None, GOOD)

        assert not check_password(None, GOOD).ok

    def test_no_more_hashes_run_than_there_are_lanes(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
        use_passwords(app, monkeypatch, memory_kib=1024, time_cost=1, lanes=3, queue=20, wait=timedelta(seconds=20))
        running, most, lock = 0, 0, threading.Lock()
        real = PasswordHasher.verify

        def watched(self: PasswordHasher, *args: object) -> object:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            try:
                time.sleep(0.005)
                return real(self, *args)  # type: ignore[arg-type]
            finally:
                with lock:
                    running -= 1

        monkeypatch.setattr(PasswordHasher, "verify", watched)

        def attempt(_: int) -> bool:
            with app.app_context():
                return check_password(None, GOOD).ok

        with ThreadPoolExecutor(12) as pool:
            assert not any(pool.map(attempt, range(24)))
        assert most == 3
