"""What the tests of messages stand on: relays and SMS centres, settings that point to them, letters to send."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from idp.db import db
from idp.messages import outbox
from idp.messages.delivery import Courier
from idp.messages.http_sms import HttpSmsSender
from idp.messages.models import Message, Outbox
from idp.messages.transport import Answer, Letter
from idp.settings import Settings
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, Clock
from tests.messages.gateway_server import GatewayServer, Reply
from tests.messages.relay import Relay, make_certificates
from tests.messages.smsc import Smsc

Process = subprocess.Popen[bytes]
SMS_TEXT = "Code : 482915\n\n@idp.test #482915"
TEXT = "Votre code de connexion : 482915\n"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def open_relay() -> Iterator[Callable[..., Relay]]:
    """Return a starter of relays; arguments of `Relay` and of its `start` alike."""
    opened: list[Relay] = []

    def start(*, tls: Any = None, smtps: bool = False, login: str = "", **answers: Any) -> Relay:
        opened.append(Relay(**answers).start(tls=tls, smtps=smtps, login=login))
        return opened[-1]

    yield start
    for relay in opened:
        relay.stop()


@pytest.fixture
def open_smsc() -> Iterator[Callable[..., Smsc]]:
    opened: list[Smsc] = []

    def start(**behaviour: Any) -> Smsc:
        opened.append(Smsc(**behaviour).start())
        return opened[-1]

    yield start
    for smsc in opened:
        smsc.stop()


@pytest.fixture
def configure(whole_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Return a changer of settings for this test: top-level fields, or sections given as dictionaries."""

    def change(**changes: Any) -> Settings:
        tree = whole_app.extensions["sesame"]["settings"].model_dump()
        for name, value in changes.items():
            tree[name] = tree[name] | value if isinstance(value, dict) else value
        settings = Settings.model_validate(tree)
        monkeypatch.setitem(whole_app.extensions["sesame"], "settings", settings)
        return settings

    return change


@pytest.fixture
def write(app: Flask, clock: Clock) -> Callable[..., int]:
    """Return a writer of messages into the outbox, committed at once."""

    def enqueue(ref: str = "challenge:1:1", **changes: Any) -> int:
        values = {
            "channel": "email",
            "to": ALICE_EMAIL,
            "message": Message("482915 : votre code", TEXT, "<p>482915</p>"),
            "subject_ref": ref,
            "purpose": "sign-in",
            "account_id": "account-1",
            "deadline": clock() + timedelta(minutes=15),
            "now": clock(),
        }
        with app.app_context():
            written = outbox.enqueue(**{**values, **changes})  # type: ignore[arg-type]
            db.session.commit()
        return written

    return enqueue


@pytest.fixture
def row_of(app: Flask) -> Callable[[int], Outbox]:
    def find(row_id: int) -> Outbox:
        with app.app_context():
            row = db.session.get(Outbox, row_id)
            db.session.expunge_all()
            assert row is not None
            return row

    return find


@pytest.fixture
def deliver(app: Flask) -> Callable[[], None]:
    """Return what a worker does in one look, and in those that follow at once."""

    async def work() -> None:
        courier = Courier(app, name="test-worker", on_lane_free=lambda: None)
        try:
            while await courier.start_some():
                await courier.settle(timedelta(seconds=20))
        finally:
            await courier.finish(timedelta(seconds=20))

    return lambda: asyncio.run(work())


def letter(to: str = ALICE_EMAIL, text: str = TEXT, **changes: Any) -> Letter:
    message = Message("482915 : votre code", text, changes.pop("html", ""))
    values: dict[str, Any] = {
        "reference": "ref-1",
        "written_at": datetime(2026, 11, 23, 14, 2, tzinfo=UTC),
        "attempt": 1,
    }
    return Letter(to, message, **{**values, **changes})


@pytest.fixture
def open_gateway() -> Iterator[Callable[..., GatewayServer]]:
    """Return a starter of operators' HTTP interfaces."""
    opened: list[GatewayServer] = []

    def start(*replies: Reply, tls: Any = None) -> GatewayServer:
        opened.append(GatewayServer(*replies, tls=tls))
        return opened[-1]

    yield start
    for server in opened:
        server.stop()


@pytest.fixture
def send_http(configure: Any) -> Callable[..., list[Answer]]:
    """Return a sender of one SMS, several times, through the gateway ``name`` with these settings of its own."""

    def go(name: str, own: dict[str, Any], *, times: int = 1, text: str = SMS_TEXT, **sms: Any) -> list[Answer]:
        settings = configure(sms={"transport": name, name: own, "timeout": 2, **sms})

        async def run() -> list[Answer]:
            sender = HttpSmsSender(name, settings)
            try:
                return [await sender.send(letter(ALICE_MOBILE, text)) for _ in range(times)]
            finally:
                await sender.close()

        return asyncio.run(run())

    return go


@pytest.fixture
def start_process(idp_settings: Settings) -> Iterator[Callable[..., Process]]:
    """Return a starter of `idp worker` processes that send through one relay."""
    running: list[Process] = []

    def start(smtp_url: str = "smtp://127.0.0.1:1", **changes: str) -> Process:
        environ = {**environ_of(idp_settings), "IDP_SMTP_URL": smtp_url, **changes}
        program = [sys.executable, "-c", "from idp.commands import cli; cli()", "worker"]
        running.append(subprocess.Popen(program, env=environ))
        return running[-1]

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.wait()


def environ_of(settings: Settings) -> dict[str, str]:
    """Return the variables that lead another process to the same stores with the same keys."""
    secrets = settings.model_dump()["secrets"]
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IDP_")},
        "IDP_ISSUER": settings.issuer,
        "IDP_DATABASE_URL": settings.database_url.get_secret_value(),
        "IDP_REDIS_URL": settings.redis_url.get_secret_value(),
        "IDP_STATE_FILE": str(settings.state_file),
        "IDP_SECRETS__FIELD_KEY_ID": secrets["field_key_id"],
    }
    for name in ("pepper", "index", "subject", "code", "token"):
        environ[f"IDP_SECRETS__{name.upper()}"] = secrets[name].get_secret_value()
    for key_id, key in secrets["field_keys"].items():
        environ[f"IDP_SECRETS__FIELD_KEYS__{key_id.upper()}"] = key.get_secret_value()
    return environ
