"""The token keeps the contract of second factors."""

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sesame_example.token import STEP, TokenFactor, code_of

from idp.mfa.second_factor import Bearer, SecondFactor
from idp.plugins.contract_second_factor import SecondFactorContract
from idp.settings import Settings

SEEDS = {"alice": b"12345678901234567890", "bob": b"another seed of bob."}


def bearer_named(name: str) -> Bearer:
    return Bearer(f"account-{name}", f"19913999990{len(name):02d}", claims={"preferred_username": name})


class TestToken(SecondFactorContract):
    @pytest.fixture
    def factor(self, settings: Callable[..., Settings], tmp_path: Path) -> SecondFactor:
        seeds = tmp_path / "seeds.json"
        seeds.write_text(json.dumps({name: base64.b64encode(seed).decode() for name, seed in SEEDS.items()}))
        return TokenFactor(settings(token={"seeds": str(seeds)}))

    @pytest.fixture
    def bearer(self) -> Bearer:
        return bearer_named("alice")

    @pytest.fixture
    def other(self) -> Bearer:
        return bearer_named("bob")

    @pytest.fixture
    def stranger(self) -> Bearer:
        return bearer_named("eve")

    @pytest.fixture
    def right(self) -> Callable[[Bearer, datetime], str]:
        return lambda bearer, now: code_of(SEEDS[bearer.claims["preferred_username"]], int(now.timestamp()) // STEP)

    @pytest.fixture
    def away(self) -> None:
        """It asks nobody."""

    def test_the_code_of_the_minute_before_is_good_the_one_before_that_is_not(
        self, factor: SecondFactor, bearer: Bearer, right: Callable[[Bearer, datetime], str]
    ) -> None:
        typed = right(bearer, self.now)

        assert factor.check(bearer, typed, now=self.now + timedelta(seconds=60))
        assert not factor.check(bearer, typed, now=self.now + timedelta(seconds=120))


def test_the_display_shows_what_rfc_4226_says() -> None:
    """Appendix D."""
    assert [code_of(SEEDS["alice"], count) for count in range(3)] == ["755224", "287082", "359152"]


def test_a_table_that_does_not_say_where_the_seeds_are_is_a_fault(settings: Callable[..., Settings]) -> None:
    with pytest.raises(KeyError, match="seeds"):
        TokenFactor(settings())
