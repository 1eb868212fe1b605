"""Receipts on their way: from the network to the row of the outbox, whichever comes first."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp.audit import AuditEvent
from idp.db import db
from idp.messages import outbox, receipts
from idp.messages.delivery import Courier
from idp.messages.models import Message, Outbox
from idp.messages.transport import Answer, Receipt
from tests.conftest import ALICE_MOBILE, Clock
from tests.messages.smsc import Smsc

Row = Callable[[int], Outbox]
SMS = {"channel": "sms", "to": ALICE_MOBILE, "message": Message("", "Code : 482915\n\n@idp.test #482915")}


@pytest.fixture
def deliver_and_hear(app: Flask, configure: Any, row_of: Row) -> Callable[..., Outbox]:
    """Return a worker that sends one SMS by SMPP and listens until its row is in ``state``."""

    def go(smsc: Smsc, row_id: int, state: str) -> Outbox:
        url = f"smpp://test:test@127.0.0.1:{smsc.port}"
        configure(sms={"transport": "smpp", "smpp_url": url, "timeout": 3})

        async def work() -> None:
            courier = Courier(app, name="test-worker", on_lane_free=lambda: None)
            try:
                async with asyncio.timeout(10):
                    while row_of(row_id).state != state or smsc.acknowledged == 0:
                        await courier.start_some()
                        await asyncio.sleep(0.05)
            finally:
                await courier.finish(timedelta(seconds=5))

        asyncio.run(work())
        return row_of(row_id)

    return go


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    ("word", "state", "answer_class"), [("DELIVRD", "delivered", "accepted"), ("UNDELIV", "refused", "undelivered")]
)
def test_receipt_decides_what_became_of_the_message(
    deliver_and_hear: Any, open_smsc: Any, write: Any, word: str, state: str, answer_class: str, first: bool
) -> None:
    row_id = write(**SMS)

    row = deliver_and_hear(open_smsc(receipt=word, receipt_before_reply=first), row_id, state)

    assert (row.state, row.answer_class, row.recipient, row.content) == (state, answer_class, None, None)


def test_what_became_of_it_is_audited_without_the_number(
    app: Flask, deliver_and_hear: Any, open_smsc: Any, write: Any
) -> None:
    deliver_and_hear(open_smsc(receipt="DELIVRD"), write(**SMS), "delivered")

    with app.app_context():
        events = db.session.query(AuditEvent).filter_by(event="message-receipt").all()
        assert [(event.outcome, event.reason) for event in events] == [("delivered", "accepted")]


def test_second_receipt_changes_nothing(app: Flask, write: Any, row_of: Row, clock: Clock) -> None:
    row_id = accept(app, write, clock, relay="brevo", relay_ref="7")
    with app.app_context():
        receipts.record(Receipt("brevo", "7", "delivered"), clock())
        receipts.record(Receipt("brevo", "7", "failed"), clock())
        db.session.commit()

    assert row_of(row_id).state == "delivered"


@pytest.mark.parametrize("receipt", [Receipt("orange", "7", "failed"), Receipt("brevo", "8", "failed")])
def test_receipt_of_another_network_or_message_changes_nothing(
    app: Flask, write: Any, row_of: Row, clock: Clock, receipt: Receipt
) -> None:
    row_id = accept(app, write, clock, relay="brevo", relay_ref="7")
    with app.app_context():
        receipts.record(receipt, clock())
        db.session.commit()

    assert row_of(row_id).state == "accepted"


def accept(app: Flask, write: Any, clock: Clock, *, relay: str, relay_ref: str) -> int:
    """Write an SMS down and record that a network accepted it; return its row's id."""
    row_id = int(write(**SMS))
    with app.app_context():
        claimed = outbox.claim(channel="sms", worker="w", limit=1, lease=timedelta(minutes=1), now=clock())
        outbox.record_answer(claimed[0], Answer("accepted", "accepted", relay, relay_ref), clock())
        db.session.commit()
    return row_id
