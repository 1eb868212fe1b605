"""A trail of thirty events by several people and clients, linked and signed."""

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import text

from idp import audit
from idp.audit.sealing import seal
from idp.audit.verify import Verdict, verify
from idp.db import db
from tests.conftest import Clock

Say = Callable[..., None]


@pytest.fixture
def write(context: Flask, clock: Clock) -> Say:
    """Return an act that writes so many events and links them."""

    def act(count: int = 30, *, sealed: bool = True) -> None:
        for number in range(count):
            audit.record("password", outcome="ok", account_id=f"person-{number % 3}", number=number)
            clock.step(milliseconds=10)
        audit.flush()
        if sealed:
            seal(clock())
            db.session.commit()

    return act


@pytest.fixture
def tamper(context: Flask) -> Say:
    """Return an act that changes the database behind the provider's back."""

    def act(*statements: str) -> None:
        for statement in statements:
            db.session.execute(text(statement))
        db.session.commit()

    return act


@pytest.fixture
def judged(context: Flask, clock: Clock) -> Callable[[], Verdict]:
    """Return an act that verifies, long after everything has settled."""

    def act() -> Verdict:
        return verify(clock())

    return act


@pytest.fixture
def settled(write: Say, clock: Clock) -> None:
    """Write thirty events, and have two more passes long after."""
    write()
    for _ in range(2):
        clock.step(minutes=20)
        write(1)
