"""What the fuzzing stands on: parties and tokens of the other tests, and how long it goes on."""

import os
import time
from collections.abc import Callable

import pytest

from tests.authorize.conftest import parties
from tests.oidc.conftest import make_client, make_code

__all__ = ["make_client", "make_code", "parties"]

# Seconds over all places; a moment within `make test`, ten minutes with `make fuzz`.
SECONDS = float(os.environ.get("FUZZ_SECONDS", "10"))
PLACES = 14


@pytest.fixture
def for_a_while() -> Callable[[Callable[[], None]], int]:
    """Return an act that goes on fuzzing one place for its share of the time; it returns how many rounds that were."""

    def go_on(fuzz: Callable[[], None]) -> int:
        rounds, end = 0, time.monotonic() + SECONDS / PLACES
        while rounds == 0 or time.monotonic() < end:
            fuzz()
            rounds += 1
        return rounds

    return go_on
