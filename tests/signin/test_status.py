"""Everybody can see whether codes leave, and is told before asking for one that would be late."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import update

from idp.db import db
from idp.messages import channel_health
from idp.messages.channel_health import judge
from idp.messages.models import Outbox
from tests.conftest import Browser, Clock
from tests.messages.conftest import write
from tests.signin.conftest import Visitor, relying_parties, visitor

__all__ = ["relying_parties", "visitor", "write"]
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def nothing_known(app: Flask) -> None:
    with app.app_context():
        channel_health._memory.forget()


@pytest.mark.parametrize(
    ("waited", "took", "expired", "health"),
    [
        (0, [], 0, "ok"),
        (29, [5] * 9, 2, "ok"),
        (30, [], 0, "slow"),
        (0, [5, 40, 50], 0, "slow"),
        (0, [90], 0, "ok"),
        (120, [5] * 9, 0, "down"),
        (0, [5, 5], 3, "down"),
        (0, [5] * 9, 3, "ok"),
    ],
)
def test_what_waits_and_what_died_waiting_decide(waited: int, took: list[int], expired: int, health: str) -> None:
    assert judge(waited=waited * SECOND, took=[one * SECOND for one in took], expired=expired) == health


def test_what_waits_shows_and_passes_when_it_has_left(
    write: Callable[..., int], http: Browser, app: Flask, clock: Clock
) -> None:
    fresh = http.get("/status.json")
    row = write()
    clock.step(seconds=45)
    late = http.get("/status.json").json
    clock.step(seconds=90)
    broken, page = http.get("/status.json").json, http.get("/status")
    with app.app_context():
        db.session.execute(update(Outbox).where(Outbox.id == row).values(state="accepted", changed_at=clock()))
        db.session.commit()
    still = http.get("/status.json").json["status"]
    clock.step(seconds=11)

    assert (fresh.json, fresh.headers["Cache-Control"]) == (
        {"status": "ok", "channels": {"email": "ok", "sms": "ok"}}, "public, max-age=10",
    )  # fmt: skip
    assert late == {"status": "slow", "channels": {"email": "slow", "sms": "ok"}}
    assert broken == {"status": "down", "channels": {"email": "down", "sms": "ok"}}
    assert "Il y a une panne" in page.text
    assert still == "down", "kept for ten seconds"
    assert http.get("/status.json").json["status"] == "ok"


def test_the_page_warns_before_a_code_is_asked_for(visitor: Visitor, write: Callable[..., int], clock: Clock) -> None:
    before = visitor.start().identify().page.text
    write(channel="sms", to="+33612345699")
    clock.step(seconds=40)

    after = visitor.open("send").page.text

    assert "SMS partent avec du retard" not in before
    assert "SMS partent avec du retard" in after
    assert "e-mails partent avec du retard" not in after
