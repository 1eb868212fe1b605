"""The lane answers as Flask does, byte by byte, and leaves to Flask what is not plain (R21).

`make test` also runs every test of the protocol once through each (`--door`).
"""

import base64
from collections.abc import Iterator
from typing import Any, cast

import pytest
from flask import Flask

from idp.db import db
from idp.guard import MAX_BODY
from idp.oidc.endpoints import ENDPOINTS
from idp.oidc.lane import Lane
from idp.settings import Settings
from idp.state import State
from idp.state_redis import RedisStore
from tests.conftest import ISSUER
from tests.oidc.conftest import Client, Maker
from tests.oidc.wsgi import FORM, HOST, ask


@pytest.fixture
def lane(app: Flask) -> Lane:
    """Return the lane, whichever way the other tests go."""
    front = app.wsgi_app
    return cast(Lane, front) if isinstance(front, Lane) else Lane(app)


DISCOVERY = "/.well-known/openid-configuration"
BASIC = "Basic d2ViOndyb25n"
LATIN_1 = b"\xe9"
CASES: dict[str, tuple[str, str, bytes | None, dict[str, Any]]] = {
    "discovery": ("GET", DISCOVERY, None, {}),
    "discovery, its other name": ("GET", "/.well-known/oauth-authorization-server", None, {}),
    "keys": ("GET", "/jwks.json", None, {}),
    "HEAD": ("HEAD", DISCOVERY, None, {}),
    "a query on a GET": ("GET", f"{DISCOVERY}?x=1", None, {}),
    "a query that is no text": ("GET", f"{DISCOVERY}?x=%ff", None, {}),
    "a slash at the end": ("GET", "/jwks.json/", None, {}),
    "a method that is not answered": ("PUT", "/token", b"a=b", {}),
    "a GET of an endpoint for POST": ("GET", "/token", None, {}),
    "an odd method": ("TRACE", "/token", None, {}),
    "an unknown method": ("BREW", "/token", None, {}),
    "preflight": ("OPTIONS", "/token", None, {"HTTP_ORIGIN": "https://spa.test"}),
    "preflight of what scripts may not call": ("OPTIONS", "/introspect", None, {"HTTP_ORIGIN": "https://spa.test"}),
    "from another origin": ("POST", "/token", b"grant_type=x", {"HTTP_ORIGIN": "https://spa.test"}),
    "no body": ("POST", "/token", None, {}),
    "an empty body": ("POST", "/token", b"", {}),
    "no client": ("POST", "/token", b"grant_type=authorization_code", {}),
    "an unknown client": ("POST", "/token", b"grant_type=refresh_token&client_id=who&refresh_token=x", {}),
    "a wrong secret": ("POST", "/token", b"grant_type=client_credentials", {"HTTP_AUTHORIZATION": BASIC}),
    "a header that is no base64": ("POST", "/token", b"grant_type=x", {"HTTP_AUTHORIZATION": "Basic \xe9"}),
    "two Authorization headers": ("POST", "/token", b"grant_type=x", {"HTTP_AUTHORIZATION": f"{BASIC},{BASIC}"}),
    "a parameter twice": ("POST", "/token", b"grant_type=a&grant_type=b", {}),
    "a parameter twice, one empty": ("POST", "/token", b"grant_type=a&grant_type=", {}),
    "a parameter in the address": ("POST", "/token?grant_type=x", b"client_id=web", {}),
    "a resource twice": ("POST", "/token", b"grant_type=x&client_id=mobile&resource=a&resource=b", {}),
    "too many fields": ("POST", "/token", b"&".join(b"f%d=1" % n for n in range(101)), {}),
    "as many fields as may be": ("POST", "/token", b"&".join(b"f%d=1" % n for n in range(100)), {}),
    "NUL": ("POST", "/token", b"grant_type=%00", {}),
    "no UTF-8": ("POST", "/token", b"grant_type=%ff", {}),
    "no UTF-8, as octets": ("POST", "/token", b"grant_type=" + LATIN_1, {}),
    "UTF-8, as octets": ("POST", "/token", "grant_type=é".encode(), {}),
    "another content type": ("POST", "/token", b"{}", {"CONTENT_TYPE": "application/json"}),
    "no content type": ("POST", "/token", b"a=b", {"CONTENT_TYPE": None}),
    "multipart": ("POST", "/token", b"--x--", {"CONTENT_TYPE": "multipart/form-data; boundary=x"}),
    "a content type with a charset": ("POST", "/token", b"grant_type=x", {"CONTENT_TYPE": f"{FORM}; charset=UTF-8"}),
    "a content type in capitals": ("POST", "/token", b"grant_type=x", {"CONTENT_TYPE": FORM.upper()}),
    "compressed": ("POST", "/token", b"grant_type=x", {"HTTP_CONTENT_ENCODING": "gzip"}),
    "the largest body": ("POST", "/token", b"a=" + b"x" * (MAX_BODY - 2), {}),
    "too large a body": ("POST", "/token", b"a=" + b"x" * MAX_BODY, {}),
    "a body that is said to be huge": ("POST", "/token", b"a=b", {"CONTENT_LENGTH": "9" * 30}),
    "a length that is no number": ("POST", "/token", b"a=b", {"CONTENT_LENGTH": "-3"}),
    "a length in other digits": ("POST", "/token", b"a=b", {"CONTENT_LENGTH": "³"}),
    "a body that ends too early": ("POST", "/token", b"grant_type=x", {"CONTENT_LENGTH": "400"}),
    "chunked": ("POST", "/token", b"grant_type=x", {"CONTENT_LENGTH": None, "HTTP_TRANSFER_ENCODING": "chunked",
                                                    "wsgi.input_terminated": True}),
    "chunked with a length": ("POST", "/token", b"grant_type=x", {"HTTP_TRANSFER_ENCODING": "chunked"}),
    "another host": ("GET", "/jwks.json", None, {"HTTP_HOST": "evil.example"}),
    "no host": ("GET", "/jwks.json", None, {"HTTP_HOST": None}),
    "the host with its port": ("GET", "/jwks.json", None, {"HTTP_HOST": "idp.test:443"}),
    "plain http": ("GET", "/jwks.json", None, {"wsgi.url_scheme": "http", "SERVER_PORT": "80"}),
    "plain http, posted": ("POST", "/token", b"a=b", {"wsgi.url_scheme": "http", "SERVER_PORT": "80"}),
    "what a stranger forwards": ("GET", "/jwks.json", None, {"HTTP_X_FORWARDED_HOST": "evil.example"}),
    "mounted below a path": ("GET", "/jwks.json", None, {"SCRIPT_NAME": "/below"}),
    "no token": ("GET", "/userinfo", None, {}),
    "an unknown token": ("GET", "/userinfo", None, {"HTTP_AUTHORIZATION": "Bearer " + "x" * 65}),
    "a token in the body": ("POST", "/userinfo", b"access_token=" + b"x" * 65, {}),
    "a proof that is none": ("GET", "/userinfo", None, {"HTTP_AUTHORIZATION": "DPoP x", "HTTP_DPOP": "x"}),
    "introspection without a client": ("POST", "/introspect", b"token=x", {}),
    "revocation": ("POST", "/revoke", b"client_id=mobile&token=nothing", {}),
    "par": ("POST", "/par", b"client_id=mobile", {}),
    "device": ("POST", "/device_authorization", b"client_id=mobile", {}),
    "the app's first question": ("POST", "/authorize-challenge", b"client_id=mobile", {}),
    "registration": ("POST", "/register", b"{}", {"CONTENT_TYPE": "application/json"}),
    "a registration": ("GET", "/register/web", None, {}),
    "a cookie": ("GET", "/jwks.json", None, {"HTTP_COOKIE": "__Host-sid=x"}),
    "a language": ("GET", "/jwks.json", None, {"HTTP_ACCEPT_LANGUAGE": "en"}),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_lane_and_flask_answer_alike(lane: Lane, mobile: Client, web: Client, case: str) -> None:
    method, path, body, changes = CASES[case]

    by_lane = ask(lane, method, path, body, **changes)
    by_flask = ask(lane.behind, method, path, body, **changes)

    assert by_lane == by_flask


def test_every_endpoint_is_among_the_cases() -> None:
    asked = {path.partition("?")[0] for _, path, _, _ in CASES.values()}

    assert {path.replace("<client_id>", "web") for path in ENDPOINTS} <= asked


def test_a_cached_document_is_not_sent_again(lane: Lane) -> None:
    etag = dict(ask(lane, "GET", DISCOVERY)[1])["ETag"]

    by_lane = ask(lane, "GET", DISCOVERY, HTTP_IF_NONE_MATCH=etag)

    assert by_lane == ask(lane.behind, "GET", DISCOVERY, HTTP_IF_NONE_MATCH=etag)
    assert by_lane[0] == "304 NOT MODIFIED"


@pytest.mark.parametrize("remote", ["192.0.2.7", "2001:db8::1", "fe80::1%eth0", "", None])
def test_tokens_come_alike_from_any_address(lane: Lane, make_client: Maker, remote: str | None) -> None:
    machine = make_client("m2m", grant_types=["client_credentials"], machine_scope="api", redirect_uris=[])
    basic = "Basic " + base64.b64encode(f"m2m:{machine.secret}".encode()).decode()

    by_lane, by_flask = (
        ask(door, "POST", "/token", b"grant_type=client_credentials", HTTP_AUTHORIZATION=basic, REMOTE_ADDR=remote)
        for door in (lane, lane.behind)
    )

    assert by_lane[:2] == (by_flask[0], by_flask[1])
    assert by_lane[0] == "200 OK"
    assert len(by_lane[2]) == len(by_flask[2])


def test_plain_requests_take_the_lane_and_odd_ones_do_not(lane: Lane, app: Flask) -> None:
    taken: list[str] = []
    lane.behind = cast(Any, lambda environ, _start: taken.append(environ["REQUEST_METHOD"]) or [b""])
    try:
        ask(lane, "GET", "/jwks.json")
        ask(lane, "POST", "/token", b"grant_type=x")
        assert taken == []
        with pytest.raises(IndexError):
            ask(lane, "HEAD", "/jwks.json")
        assert taken == ["HEAD"]
    finally:
        lane.behind = type(app).wsgi_app.__get__(app)


def test_a_request_out_of_another_application_is_answered_by_ours(lane: Lane, mobile: Client) -> None:
    with Flask("another").app_context():
        answer = ask(lane, "GET", "/jwks.json")

    assert answer[0] == "200 OK"


@pytest.fixture
def without_state(whole_app: Flask) -> Iterator[None]:
    parts: dict[str, Any] = whole_app.extensions["sesame"]
    living, parts["state"] = parts["state"], State(RedisStore("redis://127.0.0.1:1/0"))
    yield
    parts["state"] = living


def test_a_store_that_is_down_is_told_alike(lane: Lane, mobile: Client, without_state: None, told: list[Any]) -> None:
    body = b"grant_type=authorization_code&client_id=mobile&code=x&redirect_uri=x&code_verifier=x"

    by_lane, by_flask = (ask(door, "POST", "/token", body) for door in (lane, lane.behind))

    assert by_lane == by_flask
    assert by_lane[0].startswith("503")
    assert [line["event"] for line in told if line["event"] == "store-down"] == ["store-down"] * 2


def test_log_and_metrics_are_alike(lane: Lane, told: list[dict[str, Any]]) -> None:
    ask(lane, "POST", "/token", b"grant_type=x")
    by_lane = [{**line, "ms": 0, "timestamp": ""} for line in told]
    told.clear()
    ask(lane.behind, "POST", "/token", b"grant_type=x")

    assert by_lane == [{**line, "ms": 0, "timestamp": ""} for line in told]
    assert by_lane[-1]["route"] == "/token"


def test_behind_a_proxy_the_forwarded_address_counts(idp_settings: Settings, tmp_path: Any) -> None:
    from idp import create_app

    stores = {"database_url": f"sqlite:///{tmp_path}/proxied.db", "state_file": tmp_path / "s.db", "redis_url": ""}
    app = create_app(idp_settings.model_copy(update={"trusted_hops": 1, **_as_settings(stores)}))
    with app.app_context():
        db.create_all()
    forwarded = {
        "HTTP_HOST": "inside:8000", "wsgi.url_scheme": "http", "HTTP_X_FORWARDED_FOR": "198.51.100.9",
        "HTTP_X_FORWARDED_PROTO": "https", "HTTP_X_FORWARDED_HOST": "idp.test",
    }  # fmt: skip

    answer = ask(app.wsgi_app, "GET", "/jwks.json", **forwarded)

    assert answer[0] == "200 OK"
    with app.app_context():
        from idp.oidc.jwks_watch import _book

        assert list(_book().fetched) == ["198.51.100.9"]
        db.engine.dispose()
    app.extensions["sesame"]["state"].store.close()


def _as_settings(stores: dict[str, Any]) -> dict[str, Any]:
    from pydantic import SecretStr

    return {
        "database_url": SecretStr(stores["database_url"]),
        "redis_url": SecretStr(""),
        "state_file": stores["state_file"],
    }


def test_the_issuer_of_the_tests_is_the_host_of_the_cases() -> None:
    assert f"https://{HOST['HTTP_HOST']}" == ISSUER
