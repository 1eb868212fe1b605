"""Workers as they run in production: processes that are killed, asked to stop, and threads that are woken."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text

from idp.db import db
from idp.messages import outbox
from idp.messages.models import Outbox
from idp.messages.relays import RelayFault
from idp.settings import Settings
from idp.worker import Worker, start_embedded_worker
from tests.conftest import Clock
from tests.messages.conftest import TEXT, Process, environ_of
from tests.messages.relay import Relay

Row = Callable[[int], Outbox]


@pytest.fixture
def embedded(app: Flask) -> Iterator[Callable[[], Worker]]:
    """Return a starter of a worker in a thread of this process."""
    running: list[Worker] = []

    def start() -> Worker:
        running.append(start_embedded_worker(app))
        return running[-1]

    yield start
    for worker in running:
        worker.stop()
        worker.join(20)


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_worker_killed_between_claim_and_send_loses_nothing_RC_16(
    start_process: Any, open_relay: Any, configure: Any, write: Any, deliver: Any, row_of: Row, clock: Clock
) -> None:
    # A relay that takes the connection and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        row_id = write()
        process = start_process(f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        connection, _address = silent.accept()
        with connection:
            process.kill()
            process.wait()
    assert row_of(row_id).state == "sending"
    good = open_relay()
    configure(smtp_url=good.url, sms={"transport": ""})

    deliver()
    assert good.mails == []
    # The process had the real clock, this one stands still.
    clock.step(seconds=90)
    deliver()

    assert good.texts == [TEXT]
    assert row_of(row_id).state == "accepted"


def test_worker_killed_after_the_relay_accepted_repeats_the_same_code_only_RC_17(
    start_process: Any, open_relay: Any, configure: Any, write: Any, deliver: Any, clock: Clock
) -> None:
    relay: Relay = open_relay()
    configure(smtp_url=relay.url, sms={"transport": ""})
    write()
    started = threading.Event()
    victims: list[Process] = []

    def kill() -> None:
        started.wait(10)
        victims[0].kill()
        victims[0].wait()

    relay.on_mail = kill
    victims.append(start_process(relay.url))
    started.set()
    wait_for(lambda: len(relay.mails) == 1 and victims[0].poll() is not None)

    relay.on_mail = lambda: None
    clock.step(seconds=90)
    deliver()

    assert relay.texts == [TEXT, TEXT]
    assert len({str(mail["Message-ID"]) for mail in relay.mails}) == 1


def test_worker_asked_to_stop_finishes_what_is_under_way(
    start_process: Any, open_relay: Any, write: Any, row_of: Row
) -> None:
    relay: Relay = open_relay()
    relay.delay = 0.5
    row_id = write()
    process: Process = start_process(relay.url)
    wait_for(lambda: "DATA" in relay.commands)

    process.send_signal(signal.SIGTERM)

    assert process.wait(10) == 0
    assert row_of(row_id).state == "accepted"


def test_embedded_worker_is_woken_and_sends_at_once(
    app: Flask, embedded: Any, open_relay: Any, configure: Any, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By itself it would look again after the test has given up.
    monkeypatch.setattr("idp.worker._LOOK_EMBEDDED", 60)
    relay: Relay = open_relay()
    configure(smtp_url=relay.url, sms={"transport": ""})
    embedded()
    time.sleep(0.2)

    write()
    outbox.wake()
    wait_for(lambda: bool(relay.mails))


def test_embedded_worker_ends_when_asked(app: Flask, embedded: Any, configure: Any) -> None:
    configure(sms={"transport": ""})
    worker = embedded()
    worker.stop()
    worker.join(10)

    assert not [thread for thread in threading.enumerate() if thread.name == "worker"]
    outbox.wake()


# What a node with an embedded worker is, to its end: which comes while the relay has not answered yet.
_NODE = """
from idp import create_app
from idp.server import end_with_process
from idp.worker import start_embedded_worker
end_with_process(start_embedded_worker(create_app()))
print("up", flush=True)
input()
"""


def test_a_node_that_ends_records_the_mail_under_way_RC_17(
    idp_settings: Settings, open_relay: Any, write: Any, row_of: Row
) -> None:
    relay: Relay = open_relay()
    relay.delay = 1.0
    row_id = write()
    environ = {**environ_of(idp_settings), "IDP_SMTP_URL": relay.url, "IDP_SMS__TRANSPORT": ""}

    with subprocess.Popen(
        [sys.executable, "-c", _NODE],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as node:
        wait_for(lambda: "DATA" in relay.commands, 60)
        told, _ = node.communicate("\n", timeout=60)

    assert relay.texts == [TEXT]
    assert row_of(row_id).state == "accepted"
    assert "worker-fault" not in told


def test_worker_survives_a_database_that_fails_for_a_while(
    app: Flask, embedded: Any, open_relay: Any, configure: Any, write: Any, told: list[dict[str, Any]]
) -> None:
    relay: Relay = open_relay()
    configure(smtp_url=relay.url, sms={"transport": ""})
    write()
    rename(app, "outbox", "outbox_away")
    try:
        embedded()
        wait_for(lambda: any(line["event"] == "worker-fault" for line in told))
    finally:
        rename(app, "outbox_away", "outbox")

    wait_for(lambda: bool(relay.mails))


def test_unusable_relay_stops_the_start(app: Flask, configure: Any) -> None:
    configure(smtp_url="smtp://relay.example.fr:25")

    with pytest.raises(RelayFault):
        start_embedded_worker(app)


def rename(app: Flask, old: str, new: str) -> None:
    with app.app_context():
        db.session.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))
        db.session.commit()
