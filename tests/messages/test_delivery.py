"""From the outbox to the relay: what is recorded, retried, dropped, and that workers do not step on each other."""

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from prometheus_client import REGISTRY
from sqlalchemy import event, text

from idp.audit import AuditEvent
from idp.db import db
from idp.messages import outbox
from idp.messages.delivery import Courier
from idp.messages.models import Message, Outbox
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, Clock
from tests.messages.conftest import TEXT
from tests.messages.relay import Relay, free_port
from tests.messages.smsc import Smsc

Row = Callable[[int], Outbox]


@pytest.fixture
def relay(open_relay: Callable[..., Relay], configure: Any) -> Relay:
    opened = open_relay()
    configure(smtp_url=opened.url, sms={"transport": ""})
    return opened


def test_delivered_mail_leaves_nothing_readable_behind(
    app: Flask, relay: Relay, write: Any, deliver: Any, row_of: Row, clock: Clock
) -> None:
    row_id = write()

    deliver()

    assert relay.texts == [TEXT]
    row = row_of(row_id)
    assert (row.state, row.answer_class, row.relay, row.attempts) == ("accepted", "accepted", relay.url[7:], 1)
    assert (row.recipient, row.content, row.locked_until) == (None, None, None)
    with app.app_context():
        stored = str(db.session.execute(text("SELECT * FROM outbox")).one())
    assert "482915" not in stored
    assert ALICE_EMAIL not in stored


def test_fate_is_counted_and_audited(app: Flask, relay: Relay, write: Any, deliver: Any) -> None:
    labels = {"channel": "email", "reason": "sign-in", "outcome": "accepted"}
    before = REGISTRY.get_sample_value("idp_otp_send_total", labels) or 0
    write()

    deliver()

    assert REGISTRY.get_sample_value("idp_otp_send_total", labels) == before + 1
    with app.app_context():
        events = [(row.event, row.outcome, row.account_id) for row in db.session.query(AuditEvent)]
    assert events == [("message", "accepted", "account-1")]


def test_greylisted_mail_goes_once_with_the_same_code_RC_13(
    relay: Relay, write: Any, deliver: Any, row_of: Row, clock: Clock
) -> None:
    relay.rcpt_answers = ["451 4.7.1 greylisted", "250 ok"]
    row_id = write()

    deliver()
    assert (row_of(row_id).state, relay.mails) == ("queued", [])
    clock.step(seconds=29)
    deliver()
    assert relay.mails == []
    clock.step(seconds=1)
    deliver()
    deliver()

    assert relay.texts == [TEXT]
    assert row_of(row_id).attempts == 2


def test_refused_mail_is_not_tried_again_RC_14(
    relay: Relay, write: Any, deliver: Any, row_of: Row, clock: Clock
) -> None:
    relay.rcpt_answers = ["550 5.1.1 no such user"]
    row_id = write()

    deliver()
    clock.step(minutes=5)
    deliver()

    assert (row_of(row_id).state, row_of(row_id).answer_class, row_of(row_id).content) == ("refused", "mailbox", None)
    assert relay.commands.count("RCPT") == 1


def test_address_from_imported_data_is_refused_and_flagged_AC_178(
    relay: Relay, write: Any, deliver: Any, row_of: Row
) -> None:
    row_id = write(to="a@b.fr\r\nBcc: x@y.fr")

    deliver()

    assert (row_of(row_id).state, row_of(row_id).answer_class) == ("refused", "address")
    assert relay.connections == 0


def test_relay_that_is_down_until_the_code_dies_gets_nothing_afterwards_RC_11(
    open_relay: Any, configure: Any, write: Any, deliver: Any, row_of: Row, clock: Clock
) -> None:
    configure(smtp_url=f"smtp://127.0.0.1:{free_port()}", sms={"transport": ""})
    row_id = write()
    deliver()
    assert (row_of(row_id).state, row_of(row_id).answer_class) == ("queued", "unreachable")

    back = open_relay()
    configure(smtp_url=back.url)
    clock.step(minutes=15)
    deliver()

    assert (row_of(row_id).state, row_of(row_id).answer_class, back.mails) == ("expired", "deadline", [])


def test_relay_that_comes_back_gets_the_mail_RC_11(
    open_relay: Any, configure: Any, write: Any, deliver: Any, clock: Clock
) -> None:
    configure(smtp_url=f"smtp://127.0.0.1:{free_port()}", sms={"transport": ""})
    write()
    deliver()

    back = open_relay()
    configure(smtp_url=back.url)
    clock.step(seconds=2)
    deliver()

    assert back.texts == [TEXT]


def test_code_asked_for_again_during_an_outage_arrives_once_and_living(
    open_relay: Any, configure: Any, write: Any, deliver: Any, clock: Clock
) -> None:
    configure(smtp_url=f"smtp://127.0.0.1:{free_port()}", sms={"transport": ""})
    write("challenge:1:1", message=Message("", "111111"))
    deliver()
    clock.step(minutes=11)
    write("challenge:2:2", message=Message("", "222222"))

    back = open_relay()
    configure(smtp_url=back.url)
    deliver()

    assert back.texts == ["222222\n"]


def test_sms_goes_by_smpp_and_mail_beside_it(
    relay: Relay, open_smsc: Callable[..., Smsc], configure: Any, write: Any, deliver: Any, row_of: Row
) -> None:
    smsc = open_smsc()
    configure(sms={"transport": "smpp", "smpp_url": f"smpp://test:test@127.0.0.1:{smsc.port}"})
    sms = write("a:1", channel="sms", to=ALICE_MOBILE, message=Message("", "Code : 482915"))
    mail = write("b:1")

    deliver()

    assert [each.octets for each in smsc.texts] == [b"Code : 482915"]
    assert (row_of(sms).state, row_of(sms).relay_ref, row_of(mail).state) == ("accepted", "id-1", "accepted")


def test_sms_without_a_transport_waits_and_expires(
    app: Flask, relay: Relay, write: Any, deliver: Any, clock: Clock
) -> None:
    write(channel="sms", to=ALICE_MOBILE)

    deliver()
    clock.step(minutes=15)
    deliver()

    with app.app_context():
        found = outbox.delivery_of("challenge:1:1")
    assert found is not None
    assert found.status == "expired"


def test_four_workers_send_forty_mails_once_each(app: Flask, relay: Relay, write: Any) -> None:
    for number in range(40):
        write(f"challenge-{number}:1:1", message=Message("", f"code {number:02}"))
    at_once = threading.Barrier(4)

    async def work(name: str) -> None:
        courier = Courier(app, name=name, on_lane_free=lambda: None)
        at_once.wait()
        while await courier.start_some():
            await courier.settle(timedelta(seconds=20))
        await courier.finish(timedelta(seconds=20))

    threads = [threading.Thread(target=lambda n=n: asyncio.run(work(f"w{n}"))) for n in range(4)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(relay.texts) == [f"code {number:02}\n" for number in range(40)]


def test_slow_relay_holds_no_more_than_its_lanes_RC_12(
    app: Flask, relay: Relay, configure: Any, write: Any, row_of: Row
) -> None:
    configure(smtp={"connections": 2})
    relay.delay = 0.2
    rows = [write(f"challenge-{number}:1:1") for number in range(3)]

    async def look() -> list[int]:
        courier = Courier(app, name="w", on_lane_free=lambda: None)
        started = [await courier.start_some(), await courier.start_some()]
        await courier.finish(timedelta(seconds=5))
        return started

    assert asyncio.run(look()) == [2, 0]
    assert [row_of(row).state for row in rows] == ["queued", "accepted", "accepted"]


def test_depth_is_measured_and_old_rows_purged(
    app: Flask, relay: Relay, write: Any, deliver: Any, clock: Clock
) -> None:
    write("old:1")
    deliver()
    clock.step(hours=24)
    write("new:1")

    async def tidy() -> None:
        courier = Courier(app, name="w", on_lane_free=lambda: None)
        await courier.tidy()
        await courier.finish(timedelta(seconds=5))

    asyncio.run(tidy())

    assert REGISTRY.get_sample_value("idp_outbox_depth", {"channel": "email"}) == 1
    with app.app_context():
        assert [row.subject_ref for row in db.session.query(Outbox)] == ["new:1"]


def test_an_idle_worker_asks_the_outbox_one_thing(app: Flask, relay: Relay, deliver: Any) -> None:
    deliver()
    asked: list[str] = []

    with app.app_context():
        engine = db.engine

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.extend([statement] if "outbox" in statement else [])

    event.listen(engine, "before_cursor_execute", note)
    try:
        deliver()
    finally:
        event.remove(engine, "before_cursor_execute", note)

    assert [statement.split(None, 1)[0] for statement in asked] == ["SELECT"]
