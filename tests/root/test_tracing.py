"""Traces reach a collector, carry the ids of the log's lines, and nothing of what people typed."""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask import Flask
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from sqlalchemy.exc import DBAPIError

from idp import audit, create_app
from idp.db import db
from idp.messages.delivery import Courier
from idp.messages.models import Message
from idp.settings import Settings
from idp.state import Space, StateDown
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, ALICE_PASSWORD, Browser
from tests.drills.stores import Redis
from tests.messages.conftest import SMS_TEXT, write
from tests.messages.relay import Relay
from tests.messages.smsc import Smsc

__all__ = ["write"]


@dataclass(frozen=True)
class Thing:
    word: str


THINGS = Space("traced-things", Thing)
CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"


class Collector(BaseHTTPRequestHandler):
    """An OTLP receiver: what was posted, as it came."""

    posted: list[tuple[str, str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            import gzip

            body = gzip.decompress(body)
        self.posted.append((self.path, self.headers.get("x-key", ""), body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[HTTPServer]:
    Collector.posted = []
    server = HTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def traced(app: Flask, idp_settings: Settings, collector: HTTPServer) -> Iterator[Callable[..., Flask]]:
    """Return a maker of applications on the stores of the test, traced."""
    made: list[Flask] = []

    def make(*, whole: dict[str, Any] | None = None, **changes: Any) -> Flask:
        told = {"endpoint": f"http://127.0.0.1:{collector.server_port}/v1/traces", "share": 1.0, **changes}
        tree = {name: getattr(idp_settings, name) for name in type(idp_settings).model_fields}
        before = structlog.get_config()
        made.append(create_app(Settings.model_validate({**tree, "tracing": told, **(whole or {})})))
        made[-1].test_client_class = Browser
        # Lines go on to where the test reads them.
        structlog.configure(**before)
        return made[-1]

    yield make
    for one in made:
        one.extensions["sesame"]["tracing"].shutdown()
        with one.app_context():
            db.engine.dispose()
        one.extensions["sesame"]["state"].store.close()


def spans(app: Flask) -> list[Any]:
    app.extensions["sesame"]["tracing"].force_flush()
    requests = [ExportTraceServiceRequest.FromString(body) for _path, _key, body in Collector.posted]
    return [
        span for one in requests for part in one.resource_spans for scope in part.scope_spans for span in scope.spans
    ]


def facts_of(span: Any) -> dict[str, Any]:
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_a_request_is_a_span_named_by_its_rule_with_the_ids_of_its_log_lines(
    traced: Callable[..., Flask], told: list[dict[str, Any]]
) -> None:
    app = traced(headers={"x-key": "of the collector"}, believe_callers=True)

    app.test_client().get("/help/easy?nir=1", headers={"traceparent": f"00-{CALLER}-00f067aa0ba902b7-01"})
    app.test_client().get("/userinfo")
    page, lane = [span for span in spans(app) if span.name.startswith("GET ")]
    facts = facts_of(page)

    assert (page.name, page.trace_id.hex()) == ("GET /help/<name>", CALLER)
    assert facts == {"http.request.method": "GET", "http.route": "/help/<name>", "http.response.status_code": 200}
    assert lane.name == "GET /userinfo", "also what is answered in front of Flask"
    lines = [line for line in told if line["event"] == "request"]
    assert [(line["trace_id"], line["span_id"]) for line in lines] == [
        (one.trace_id.hex(), one.span_id.hex()) for one in (page, lane)
    ]
    assert Collector.posted[0][:2] == ("/v1/traces", "of the collector")


def test_a_strangers_trace_is_not_ours(traced: Callable[..., Flask]) -> None:
    app = traced()

    app.test_client().get("/help/easy", headers={"traceparent": f"00-{CALLER}-00f067aa0ba902b7-01"})

    assert all(span.trace_id.hex() != CALLER for span in spans(app))


def test_statements_are_told_without_what_is_in_them(traced: Callable[..., Flask], alice: str) -> None:
    app = traced()

    with app.app_context():
        from idp.accounts.signin import authenticate
        from idp.clock import now

        authenticate(nir=ALICE_NIR, password=ALICE_PASSWORD, device_cookie=None, address="192.0.2.9", now=now())
        audit.flush()
        with pytest.raises(DBAPIError):
            db.session.connection().exec_driver_sql("SELECT nothing_such")
        db.session.rollback()
    found = spans(app)

    assert {"SELECT", "INSERT"} <= {span.name for span in found}
    assert any("error.type" in {one.key for one in span.attributes} for span in found)
    sent = b"".join(body for _path, _key, body in Collector.posted)
    for secret in (ALICE_NIR, ALICE_PASSWORD, alice, "192.0.2.9"):
        assert secret.encode() not in sent


def test_rounds_to_redis_are_told_without_their_keys(traced: Callable[..., Flask]) -> None:
    with tempfile.TemporaryDirectory(prefix="sesame-traced-") as folder:
        redis = Redis(Path(folder) / "redis").start()
        try:
            app = traced(whole={"redis_url": f"redis://127.0.0.1:{redis.port}/0"})
            state = app.extensions["sesame"]["state"]
            state.put(THINGS, "secret-key", Thing("secret-value"), ttl=timedelta(minutes=1))
            state.take_asking(THINGS, "secret-key", THINGS, "secret-other")
            redis.kill()
            with pytest.raises(StateDown):
                state.get(THINGS, "secret-key")
        finally:
            redis.kill()

    rounds = [span for span in spans(app) if facts_of(span).get("db.system.name") == "redis"]

    assert [span.name for span in rounds] == ["SET", "PIPELINE", "MGET"]
    assert [facts_of(span).get("db.operation.batch.size") for span in rounds] == [None, 2, None]
    assert [facts_of(span).get("error.type") for span in rounds] == [None, None, "StateDown"]
    assert b"secret" not in b"".join(body for _path, _key, body in Collector.posted)


@pytest.mark.parametrize(
    ("answer", "outcome", "error"),
    [("250 ok", "accepted", None), (f"550 5.1.1 {ALICE_EMAIL} is nobody here", "refused", "mailbox")],
)
def test_a_message_is_a_span_that_says_nothing_of_it(
    answer: str, outcome: str, error: str | None, traced: Callable[..., Flask], write: Callable[..., int]
) -> None:
    relay, smsc = Relay().start(), Smsc().start()
    relay.rcpt_answers = [answer]
    try:
        app = traced(whole={"smtp_url": relay.url, "sms": {
            "transport": "smpp", "smpp_url": f"smpp://test:test@127.0.0.1:{smsc.port}"}})  # fmt: skip
        write()
        write("other:2:1", channel="sms", to=ALICE_MOBILE, message=Message("", SMS_TEXT))
        asyncio.run(deliver_once(app))
    finally:
        relay.stop()
        smsc.stop()

    mail, sms = sorted((one for one in spans(app) if one.name.startswith("send ")), key=lambda one: one.name)

    assert [facts_of(one).get("idp.channel") for one in (mail, sms)] == ["email", "sms"]
    assert (facts_of(mail)["idp.outcome"], facts_of(mail).get("error.type")) == (outcome, error)
    assert (facts_of(mail)["idp.relay"], facts_of(mail)["idp.attempt"]) == (f"127.0.0.1:{relay.port}", 1)
    sent = b"".join(body for _path, _key, body in Collector.posted)
    for secret in (ALICE_EMAIL, ALICE_MOBILE, "482915", "test:test"):
        assert secret.encode() not in sent


async def deliver_once(app: Flask) -> None:
    courier = Courier(app, name="traced-worker", on_lane_free=lambda: None)
    await courier.start_some()
    await courier.finish(timedelta(seconds=20))
