"""What workers do from time to time is done to the end, however much there is of it."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from idp import security_events, session, session_clients
from idp.db import Base, db
from idp.security_events import SecurityEvent
from idp.session import SessionRecord
from idp.session_clients import SessionClient
from idp.settings import settings
from idp.worker import start_embedded_worker
from tests.conftest import Clock

LONG_AGO = timedelta(days=400)
Rows = Callable[[Any], list[dict[str, Any]]]
MORE = 100


def records(at: Any) -> list[dict[str, Any]]:
    return [
        {"sid": f"sid-{number}", "account_id": "a", "state_key": "k", "device_label": "", "acr": "x", "created_at": at,
         "ends_at": at}
        for number in range(session.PURGED_AT_ONCE + MORE)
    ]  # fmt: skip


def notice(at: Any, **own: Any) -> dict[str, Any]:
    return {"account_id": "a", "client_id": "c", "attempts": 1, "changed_at": at, "not_before": at, **own}


def departures(at: Any) -> list[dict[str, Any]]:
    return [
        notice(at, sid=f"sid-{number}", their_sid=f"{number}", wants_notice=True, wants_event=False, joined_at=at,
               state="told")
        for number in range(session_clients.PURGED_AT_ONCE + MORE)
    ]  # fmt: skip


def happenings(at: Any) -> list[dict[str, Any]]:
    return [
        notice(at, jti=f"{number}", kind="session-revoked", facts={}, happened_at=at, state="told")
        for number in range(security_events.PURGED_AT_ONCE + MORE)
    ]


@pytest.mark.parametrize(
    ("table", "rows"), [(SessionRecord, records), (SessionClient, departures), (SecurityEvent, happenings)]
)
def test_a_purge_goes_on_while_there_is_more(app: Flask, clock: Clock, table: type[Base], rows: Rows) -> None:
    with app.app_context():
        old = clock() - settings.lifetimes.refresh_absolute - LONG_AGO
        db.session.execute(insert(table), rows(old))
        db.session.commit()

    def left() -> int:
        with app.app_context():
            return db.session.execute(select(func.count()).select_from(table)).scalar_one()

    worker = start_embedded_worker(app)
    try:
        # By the clock of the test no minute passes: what is not done at once stays.
        ends_at = time.monotonic() + 8
        while left() and time.monotonic() < ends_at:
            time.sleep(0.02)
    finally:
        worker.stop()
        worker.join(20)

    assert left() == 0
