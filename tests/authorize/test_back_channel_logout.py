"""From the end of a session to the relying party's server: real listeners over TLS, real workers."""

import asyncio
import json
import os
import subprocess
import sys
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from flask import Flask
from joserfc import jwe
from joserfc.jwk import RSAKey
from prometheus_client import REGISTRY

from idp import session
from idp.audit import AuditEvent
from idp.db import db
from idp.oidc.back_channel_logout import LOGOUT
from idp.oidc.clients import ClientRow, forget_cached_clients
from idp.oidc.jose.own import BadToken, read_own
from idp.oidc.keys import key_ring
from idp.oidc.notice_courier import NoticeCourier
from idp.oidc.posting import PAUSES
from idp.session_clients import SessionClient
from idp.settings import Settings
from idp.worker import start_embedded_worker
from tests.authorize.conftest import CALLBACK, VERIFIER, Visitor, add_client, subject, told_to
from tests.authorize.test_logout import BYE, leave
from tests.authorize.test_logout_ends import confirm
from tests.conftest import ISSUER, Clock
from tests.strangers import Authority, Stranger, says

EVENT = "http://schemas.openid.net/event/backchannel-logout"
DONE = says("", status=200)
Deliver = Callable[[], None]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def rp(authority: Authority) -> Iterator[Stranger]:
    """Return the server of a relying party; it says that it is done."""
    server = Stranger(authority)
    server.pages["/bcl"] = DONE
    yield server
    server.close()


@pytest.fixture
def configure(whole_app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settings]:
    """Return a changer of sections of the settings for this test."""

    def change(**sections: dict[str, Any]) -> Settings:
        tree = whole_app.extensions["sesame"]["settings"].model_dump()
        settings = Settings.model_validate({**tree, **{name: tree[name] | more for name, more in sections.items()}})
        monkeypatch.setitem(whole_app.extensions["sesame"], "settings", settings)
        return settings

    return change


@pytest.fixture(autouse=True)
def reachable(configure: Callable[..., Settings], authority: Authority) -> Settings:
    """Let the provider call loopback, and wait for a second only."""
    return configure(
        fetch={"ca_file": authority.ca_file, "allow_networks": ("127.0.0.0/8",)},
        logout={"timeout": timedelta(seconds=1)},
        sms={"transport": ""},
    )


@pytest.fixture
def told_rp(app: Flask, rp: Stranger) -> Stranger:
    """Register `told`, whose server is ``rp``."""
    register(app, "told", rp.url + "/bcl")
    return rp


def register(app: Flask, client_id: str, uri: str, **more: Any) -> str | None:
    """Register a client; its address on loopback, which no registration lets through, is put in afterwards."""
    with app.app_context():
        _client, secret = add_client(client_id, backchannel_logout_uri="https://rp.test/bcl", **more)
        row = db.session.get(ClientRow, client_id)
        assert row is not None
        row.client_metadata = {**row.client_metadata, "backchannel_logout_uri": uri}
        db.session.commit()
        forget_cached_clients()
    return secret


@pytest.fixture
def deliver(app: Flask) -> Deliver:
    """Return what a worker does in one look, and in those that follow at once."""

    async def work() -> None:
        courier = NoticeCourier(app, name="test-worker", errands=[LOGOUT], on_lane_free=lambda: None)
        try:
            while await courier.start_some():
                await courier.settle(timedelta(seconds=20))
        finally:
            await courier.finish(timedelta(seconds=20))

    return lambda: asyncio.run(work())


def entry(app: Flask, client_id: str = "told") -> SessionClient:
    """Return the one entry of the log."""
    with app.app_context():
        found = db.session.query(SessionClient).filter_by(client_id=client_id).one()
        db.session.expunge_all()
    return found


def tokens_of(rp: Stranger) -> list[str]:
    """Return the logout tokens that a server was sent, after what holds for each of the requests."""
    tokens = []
    for method, path, headers, body in rp.seen:
        assert (method, path) == ("POST", "/bcl")
        assert headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert "Cookie" not in headers
        form = parse_qs(body.decode(), strict_parsing=True)
        assert set(form) == {"logout_token"}
        tokens += form["logout_token"]
    return tokens


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload, _ = (part + "=" * (-len(part) % 4) for part in token.split("."))
    return json.loads(urlsafe_b64decode(header)), json.loads(urlsafe_b64decode(payload))


def counted(outcome: str) -> float:
    return REGISTRY.get_sample_value("idp_logout_delivery_total", {"channel": "back", "outcome": outcome}) or 0


def id_token_of(visitor: Visitor, client_id: str, secret: str | None) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code", "code": told_to(visitor.ask(client_id))["code"],
        "redirect_uri": CALLBACK, "code_verifier": VERIFIER,
    }  # fmt: skip
    return parts_of(visitor.browser.post("/token", data=form, auth=(client_id, secret)).json["id_token"])[1]


# -- the token -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_service_is_told_with_the_sid_of_its_id_token_p_58(
    signed_in: Visitor, app: Flask, rp: Stranger, deliver: Deliver, alice: str, alg: str
) -> None:
    """oidcc-backchannel-rp-initiated-logout."""
    secret = register(app, "told", rp.url + "/bcl", id_token_alg=alg)
    id_token = id_token_of(signed_in, "told", secret)
    signed_in.clock.step(minutes=5)

    confirm(signed_in)
    deliver()

    (token,) = tokens_of(rp)
    header, claims = parts_of(token)
    now = int(signed_in.clock().timestamp())
    with app.app_context():
        assert header == {"alg": alg, "typ": "logout+jwt", "kid": key_ring().active[alg].kid}
        assert read_own(token, key_ring().by_kid, typ="logout+jwt", issuer=ISSUER, now=signed_in.clock()) == claims
    assert len(claims.pop("jti")) == 22
    assert claims == {
        "iss": ISSUER, "aud": "told", "sub": id_token["sub"], "sid": id_token["sid"], "iat": now, "exp": now + 120,
        "events": {EVENT: {}},
    }  # fmt: skip
    assert id_token["sub"] == subject(app, alice, "told")


def test_a_logout_token_is_no_other_token_ac_160(
    signed_in: Visitor, told_rp: Stranger, app: Flask, deliver: Deliver
) -> None:
    signed_in.ask("told")
    confirm(signed_in)
    deliver()
    (token,) = tokens_of(told_rp)

    with app.app_context(), pytest.raises(BadToken):
        read_own(token, key_ring().by_kid, typ="JWT", issuer=ISSUER, now=signed_in.clock())
    assert signed_in.browser.get("/userinfo", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    answer = leave(signed_in, id_token_hint=token, client_id="told", post_logout_redirect_uri=BYE)
    assert "Location" not in answer.headers


def test_who_gets_encrypted_id_tokens_gets_encrypted_logout_tokens(
    signed_in: Visitor, app: Flask, rp: Stranger, deliver: Deliver
) -> None:
    """§2.4: "The same keys are used to sign and encrypt Logout Tokens as are used for ID Tokens"."""
    key = RSAKey.generate_key(2048, {"kid": "enc", "use": "enc"})
    more = {"id_token_encrypted_response_alg": "RSA-OAEP-256", "jwks": {"keys": [key.as_dict(private=False)]}}
    register(app, "told", rp.url + "/bcl", **more)
    signed_in.ask("told")
    confirm(signed_in)

    deliver()

    (sealed,) = tokens_of(rp)
    assert sealed.count(".") == 4
    opened = jwe.decrypt_compact(sealed, key, algorithms=["RSA-OAEP-256", "A128CBC-HS256"])
    assert opened.plaintext is not None
    assert parts_of(opened.plaintext.decode())[1]["events"] == {EVENT: {}}


def test_without_a_key_nothing_is_sent_in_clear(signed_in: Visitor, app: Flask, rp: Stranger, deliver: Deliver) -> None:
    key = RSAKey.generate_key(2048, {"kid": "enc", "use": "enc"})
    more = {"id_token_encrypted_response_alg": "RSA-OAEP-256", "jwks": {"keys": [key.as_dict(private=False)]}}
    register(app, "told", rp.url + "/bcl", **more)
    signed_in.ask("told")
    confirm(signed_in)
    with app.app_context():
        row = db.session.get(ClientRow, "told")
        assert row is not None
        row.client_metadata = {**row.client_metadata, "jwks": {"keys": []}}
        db.session.commit()
        forget_cached_clients()

    deliver()

    assert rp.seen == []
    assert (entry(app).state, entry(app).answer_class) == ("queued", "no key")


# -- who is told, and when -------------------------------------------------------------------------------------------


def test_every_service_of_the_session_is_told_and_no_other(
    signed_in: Visitor, new_visitor: Callable[[], Visitor], alice: str, app: Flask, rp: Stranger, deliver: Deliver
) -> None:
    for name in ("told", "also", "unused"):
        register(app, name, rp.url + "/bcl")
    for name in ("told", "also", "web", "told"):
        signed_in.ask(name)
    there = new_visitor()
    there.sign_in(alice)
    there.ask("told")

    confirm(signed_in)
    deliver()

    assert sorted(parts_of(token)[1]["aud"] for token in tokens_of(rp)) == ["also", "told"]
    assert told_to(there.ask("told", prompt="none"))["code"]


def test_another_person_signing_in_ends_the_first_ones_sessions_ac_173(
    signed_in: Visitor, told_rp: Stranger, bob: str, alice: str, app: Flask, deliver: Deliver
) -> None:
    signed_in.ask("told")

    signed_in.sign_in(bob)
    deliver()

    (token,) = tokens_of(told_rp)
    assert parts_of(token)[1]["sub"] == subject(app, alice, "told")


def test_a_new_password_reaches_services_whose_session_is_over_here(
    signed_in: Visitor, told_rp: Stranger, alice: str, app: Flask, deliver: Deliver
) -> None:
    signed_in.ask("told")
    signed_in.clock.step(days=3)

    with app.app_context():
        assert session.end_sessions_of(alice, signed_in.clock()) == 0
        db.session.commit()
    deliver()

    assert len(tokens_of(told_rp)) == 1


def test_the_end_by_time_is_no_sign_out(signed_in: Visitor, told_rp: Stranger, deliver: Deliver) -> None:
    signed_in.ask("told")
    signed_in.clock.step(hours=13)

    deliver()

    assert told_rp.seen == []


def test_an_end_that_is_not_committed_tells_nobody(
    signed_in: Visitor, told_rp: Stranger, alice: str, app: Flask, deliver: Deliver
) -> None:
    signed_in.ask("told")

    with app.app_context():
        session.end_sessions_of(alice, signed_in.clock())
        db.session.rollback()
    deliver()

    assert told_rp.seen == []
    assert entry(app).state == "open"


def test_a_service_that_wants_no_notice_any_more_gets_none(
    signed_in: Visitor, told_rp: Stranger, app: Flask, deliver: Deliver
) -> None:
    signed_in.ask("told")
    confirm(signed_in)
    with app.app_context():
        row = db.session.get(ClientRow, "told")
        assert row is not None
        row.client_metadata = {**row.client_metadata, "backchannel_logout_uri": None}
        db.session.commit()
        forget_cached_clients()

    deliver()

    assert told_rp.seen == []
    assert entry(app).state == "closed"


# -- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 204])
def test_a_delivery_is_logged_counted_and_audited(
    signed_in: Visitor, told_rp: Stranger, app: Flask, deliver: Deliver, alice: str, status: int
) -> None:
    told_rp.pages["/bcl"] = says("", status=status)
    before = counted("told")
    signed_in.ask("told")

    confirm(signed_in)
    deliver()
    deliver()

    assert len(told_rp.seen) == 1
    logged = entry(app)
    assert (logged.state, logged.attempts, logged.answer_class) == ("told", 1, str(status))
    assert (logged.ended_at, logged.changed_at) == (signed_in.clock(), signed_in.clock())
    assert counted("told") == before + 1
    with app.app_context():
        trace = db.session.query(AuditEvent).filter_by(event="logout-told").one()
        assert (trace.outcome, trace.client_id, trace.account_id) == ("told", "told", alice)


def test_a_fault_and_then_success_with_a_fresh_token(
    signed_in: Visitor, told_rp: Stranger, app: Flask, deliver: Deliver, clock: Clock
) -> None:
    told_rp.pages["/bcl"] = says("", status=500)
    signed_in.ask("told")
    confirm(signed_in)
    deliver()
    assert (entry(app).state, entry(app).answer_class) == ("queued", "500")

    told_rp.pages["/bcl"] = DONE
    clock.step(seconds=9)
    deliver()
    assert len(told_rp.seen) == 1
    clock.step(seconds=1)
    deliver()

    first, second = (parts_of(token)[1] for token in tokens_of(told_rp))
    assert second["iat"] == first["iat"] + 10
    assert second["jti"] != first["jti"]
    assert (entry(app).state, entry(app).attempts) == ("told", 2)


def test_pauses_grow_and_end_after_a_day(
    signed_in: Visitor, told_rp: Stranger, app: Flask, deliver: Deliver, clock: Clock
) -> None:
    told_rp.pages["/bcl"] = says("", status=503)
    before = counted("failed")
    signed_in.ask("told")
    confirm(signed_in)
    ended = clock()
    pauses = []

    deliver()
    while entry(app).state == "queued":
        pauses.append(entry(app).not_before - clock())
        clock.moment = entry(app).not_before
        deliver()

    assert pauses[: len(PAUSES)] == list(PAUSES)
    assert set(pauses[len(PAUSES) :]) == {PAUSES[-1]}
    assert entry(app).state == "failed"
    assert timedelta(hours=18) < clock() - ended <= timedelta(hours=24)
    assert counted("failed") == before + 1
    with app.app_context():
        trace = db.session.query(AuditEvent).filter_by(event="logout-told").one()
        assert (trace.outcome, trace.reason) == ("failed", "503")


def test_a_refusal_is_tried_three_times(
    signed_in: Visitor, told_rp: Stranger, app: Flask, deliver: Deliver, clock: Clock
) -> None:
    """§2.8: 400 says "the logout request was invalid or the logout failed"; new keys may not be known there yet."""
    told_rp.pages["/bcl"] = says('{"error":"invalid_request"}', status=400)
    signed_in.ask("told")
    confirm(signed_in)

    for _ in range(5):
        deliver()
        clock.step(minutes=10)

    assert len(told_rp.seen) == 3
    assert (entry(app).state, entry(app).answer_class) == ("refused", "400")


def test_a_redirect_is_not_followed_ac_168(signed_in: Visitor, told_rp: Stranger, app: Flask, deliver: Deliver) -> None:
    told_rp.pages["/bcl"] = says("", status=307, Location=told_rp.url + "/internal")
    told_rp.pages["/internal"] = DONE
    signed_in.ask("told")
    confirm(signed_in)

    deliver()

    assert [path for _, path, _, _ in told_rp.seen] == ["/bcl"]
    assert (entry(app).state, entry(app).answer_class) == ("queued", "307")


def test_an_address_inside_is_never_called_ac_168(
    signed_in: Visitor, told_rp: Stranger, app: Flask, deliver: Deliver, configure: Callable[..., Settings]
) -> None:
    """The name was public when it was registered, and leads to loopback now."""
    configure(fetch={"allow_networks": ()})
    signed_in.ask("told")
    confirm(signed_in)

    deliver()

    assert told_rp.seen == []
    assert (entry(app).state, entry(app).answer_class) == ("queued", "address not public")


def test_a_service_that_never_answers_holds_nobody_up_RC_37(
    signed_in: Visitor, told_rp: Stranger, app: Flask, deliver: Deliver, clock: Clock, authority: Authority
) -> None:
    """The visitor waits for nobody, and other services are told while the slow one is waited for."""
    told_rp.pages["/bcl"] = lambda handler: bool(told_rp.released.wait(20))
    quick = Stranger(authority)
    quick.pages["/bcl"] = DONE
    try:
        register(app, "quick", quick.url + "/bcl")
        signed_in.ask("told")
        signed_in.ask("quick")

        began = time.monotonic()
        confirm(signed_in)
        confirmed = time.monotonic()
        deliver()
        delivered = time.monotonic()

        assert (entry(app).state, entry(app).answer_class) == ("queued", "timeout")
        assert entry(app, "quick").state == "told"
        # The delivery waits out the patience of the slow one once; the visitor not at all.
        assert confirmed - began < (delivered - confirmed) / 2
    finally:
        quick.close()


def test_a_service_that_is_down_is_left_alone_for_all_its_sessions(
    signed_in: Visitor, new_visitor: Callable[[], Visitor], alice: str, app: Flask, deliver: Deliver, clock: Clock,
    told_rp: Stranger, configure: Callable[..., Settings],
) -> None:  # fmt: skip
    """One lane, and a backlog: after one failure the others of this service wait too, unspent."""
    configure(logout={"lanes": 1})
    told_rp.pages["/bcl"] = lambda handler: handler.connection.close()
    for visitor in (signed_in, new_visitor(), new_visitor()):
        visitor.sign_in(alice)
        visitor.ask("told")
        confirm(visitor)

    deliver()

    assert len(told_rp.seen) == 1
    with app.app_context():
        rows = db.session.query(SessionClient).order_by(SessionClient.id).all()
        assert sorted(row.attempts for row in rows) == [0, 0, 1]
        assert {row.not_before for row in rows if row.attempts == 0} == {clock() + timedelta(seconds=30)}
    told_rp.pages["/bcl"] = DONE
    clock.step(seconds=30)
    deliver()
    assert len(told_rp.seen) == 4


def test_an_answer_without_end_is_cut_off(signed_in: Visitor, told_rp: Stranger, app: Flask, deliver: Deliver) -> None:
    told_rp.pages["/bcl"] = says(b"x" * 400_000)
    signed_in.ask("told")
    confirm(signed_in)

    deliver()

    assert (entry(app).state, entry(app).answer_class) == ("queued", "is too large")


# -- workers ---------------------------------------------------------------------------------------------------------


@pytest.mark.once
def test_a_killed_worker_loses_nothing_RC_16(
    signed_in: Visitor, told_rp: Stranger, app: Flask, deliver: Deliver, clock: Clock, reachable: Settings
) -> None:
    told_rp.pages["/bcl"] = lambda handler: bool(told_rp.released.wait(30))
    signed_in.ask("told")
    confirm(signed_in)
    process = start_worker(reachable)
    try:
        wait_for(lambda: len(told_rp.seen) == 1)
    finally:
        process.kill()
        process.wait()
    assert entry(app).state == "sending"

    told_rp.pages["/bcl"] = DONE
    deliver()
    assert len(told_rp.seen) == 1
    # The process had the real clock, this one stands still.
    clock.step(seconds=90)
    deliver()

    assert len(told_rp.seen) == 2
    assert (entry(app).state, entry(app).attempts) == ("told", 2)


def test_two_workers_tell_each_service_once(
    signed_in: Visitor, app: Flask, rp: Stranger, configure: Callable[..., Settings]
) -> None:
    configure(logout={"lanes": 2})
    for number in range(12):
        register(app, f"told{number}", rp.url + "/bcl")
        signed_in.ask(f"told{number}")
    confirm(signed_in)

    async def work() -> None:
        couriers = [
            NoticeCourier(app, name=name, errands=[LOGOUT], on_lane_free=lambda: None) for name in ("one", "two")
        ]
        while sum(await asyncio.gather(*(courier.start_some() for courier in couriers))):
            await asyncio.gather(*(courier.settle(timedelta(seconds=20)) for courier in couriers))
        for courier in couriers:
            await courier.finish(timedelta(seconds=5))

    asyncio.run(work())

    assert len({parts_of(token)[1]["aud"] for token in tokens_of(rp)}) == len(rp.seen) == 12


def test_the_worker_of_this_process_tells_at_once(
    signed_in: Visitor, told_rp: Stranger, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By itself it would look again after the test has given up.
    monkeypatch.setattr("idp.worker._LOOK_EMBEDDED", 60)
    signed_in.ask("told")
    worker = start_embedded_worker(app)
    try:
        time.sleep(0.2)
        confirm(signed_in)
        wait_for(lambda: bool(told_rp.seen))
    finally:
        worker.stop()
        worker.join(20)
    assert entry(app).state == "told"


def start_worker(settings: Settings) -> "subprocess.Popen[bytes]":
    """Start an `idp worker` that may call loopback."""
    secrets = settings.secrets
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IDP_")},
        "IDP_ISSUER": settings.issuer,
        "IDP_DATABASE_URL": settings.database_url.get_secret_value(),
        "IDP_REDIS_URL": settings.redis_url.get_secret_value(),
        "IDP_STATE_FILE": str(settings.state_file),
        "IDP_FETCH__CA_FILE": str(settings.fetch.ca_file),
        "IDP_FETCH__ALLOW_NETWORKS": "127.0.0.0/8",
        "IDP_LOGOUT__TIMEOUT": "20",
        "IDP_SECRETS__FIELD_KEY_ID": secrets.field_key_id,
        **{
            f"IDP_SECRETS__FIELD_KEYS__{name.upper()}": key.get_secret_value()
            for name, key in secrets.field_keys.items()
        },
    }
    for name in ("pepper", "index", "subject", "code", "token"):
        environ[f"IDP_SECRETS__{name.upper()}"] = getattr(secrets, name).get_secret_value()
    program = [sys.executable, "-c", "from idp.commands import cli; cli()", "worker"]
    return subprocess.Popen(program, env=environ, cwd=Path(__file__).parents[2])


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_a_client_that_wants_to_be_told_learns_of_it_in_the_metadata(signed_in: Visitor) -> None:
    """oidcc-backchannel- and oidcc-frontchannel-logout-discovery-endpoint-verification."""
    metadata = signed_in.browser.get("/.well-known/openid-configuration").json

    for name in ("backchannel", "frontchannel"):
        assert metadata[f"{name}_logout_supported"] is True
        assert metadata[f"{name}_logout_session_supported"] is True
