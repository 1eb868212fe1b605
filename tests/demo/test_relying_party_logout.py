"""The example relying party believes a good logout token, once, and nothing that only looks like one (AC-167)."""

import base64
import hmac
import json
import runpy
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from idp.oidc import registration
from idp.oidc.logout_token import issue_logout_token
from tests.conftest import ISSUER, Clock
from tests.demo.test_relying_party import APP

EVENT = "http://schemas.openid.net/event/backchannel-logout"
PROVIDER = "http://localhost:8000"
KEY = RSAKey.generate_key(2048, {"kid": "k1"})
OTHER = RSAKey.generate_key(2048, {"kid": "k1"})
UNKNOWN = ECKey.generate_key("P-256", {"kid": "k2"})


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    loaded = runpy.run_path(str(APP))
    jwks = KeySet([KEY]).as_dict(private=False)
    loaded["sesame"].server_metadata = {"issuer": PROVIDER, "jwks": jwks, "_loaded_at": 1}
    # A kid that is not known makes it ask again; nothing is listening.
    loaded["sesame"].fetch_jwk_set = lambda force=False: jwks
    return loaded


@pytest.fixture
def site(program: dict[str, Any]) -> FlaskClient:
    people = program["signed_in"]
    people.clear()
    program["used_logout_tokens"].clear()
    for entry, sub, sid in (("one", "alice", "s1"), ("two", "alice", "s2"), ("three", "bob", "s3")):
        people[entry] = {"claims": {"sub": sub, "sid": sid}}
    client: FlaskClient = program["app"].test_client()
    return client


def claims(**changes: Any) -> dict[str, Any]:
    """Return good claims, with changes; one set to ``None`` is left out."""
    now = int(time.time())
    good = {
        "iss": PROVIDER, "aud": "demo-web", "sub": "alice", "sid": "s1", "iat": now, "exp": now + 120, "jti": "j1",
        "events": {EVENT: {}},
    }  # fmt: skip
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def signed(key: Any = KEY, alg: str = "RS256", typ: str | None = "logout+jwt", **changes: Any) -> str:
    header = {"alg": alg, "kid": key.kid, **({"typ": typ} if typ else {})}
    return jwt.encode(header, claims(**changes), key, algorithms=[alg])


def compact(header: dict[str, Any]) -> str:
    """Return header and good claims as the first two parts of a JWS."""
    return ".".join(encoded(json.dumps(part).encode()) for part in (header, claims()))


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def unsigned(alg: str = "none") -> str:
    return compact({"alg": alg, "typ": "logout+jwt"}) + "."


def hmac_with_the_public_key() -> str:
    body = compact({"alg": "HS256", "kid": "k1", "typ": "logout+jwt"})
    return f"{body}.{encoded(hmac.digest(KEY.as_pem(private=False), body.encode(), 'sha256'))}"


def send(site: FlaskClient, token: str) -> Any:
    return site.post("/backchannel-logout", data={"logout_token": token})


def test_a_session_that_ended_there_ends_here(site: FlaskClient, program: dict[str, Any]) -> None:
    answer = send(site, signed())

    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Cache-Control"] == "no-store"
    assert set(program["signed_in"]) == {"two", "three"}


def test_without_sid_every_session_of_the_person_ends(site: FlaskClient, program: dict[str, Any]) -> None:
    assert send(site, signed(sid=None)).status_code == 200

    assert set(program["signed_in"]) == {"three"}


def test_an_audience_may_be_a_list(site: FlaskClient) -> None:
    assert send(site, signed(aud=["demo-web"])).status_code == 200


NOW = int(time.time())


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: signed(OTHER), id="another key under the same kid"),
        pytest.param(lambda: signed()[:-8] + "AAAAAAAA", id="damaged signature"),
        pytest.param(lambda: signed().rsplit(".", 1)[0] + ".", id="no signature"),
        pytest.param(lambda: signed(UNKNOWN, "ES256"), id="unknown key"),
        pytest.param(unsigned, id="none"),
        pytest.param(lambda: unsigned(alg="None"), id="None"),
        pytest.param(hmac_with_the_public_key, id="HMAC with the public key"),
        pytest.param(lambda: signed(nonce="n"), id="nonce"),
        pytest.param(lambda: signed(iat=NOW - 7200, exp=NOW - 7080), id="old"),
        pytest.param(lambda: signed(iat=NOW + 7200, exp=NOW + 7320), id="of tomorrow"),
        pytest.param(lambda: signed(exp=NOW + 86_400), id="good for a day"),
        pytest.param(lambda: signed(exp=None), id="no exp"),
        pytest.param(lambda: signed(iat=None), id="no iat"),
        pytest.param(lambda: signed(exp="soon"), id="exp is text"),
        pytest.param(lambda: signed(aud="other"), id="aud"),
        pytest.param(lambda: signed(aud=["other"]), id="aud list"),
        pytest.param(lambda: signed(iss="https://evil.example"), id="iss"),
        pytest.param(lambda: signed(typ="JWT"), id="an ID token's type"),
        pytest.param(lambda: signed(typ="at+jwt"), id="an access token's type"),
        pytest.param(lambda: signed(typ=None), id="no type"),
        pytest.param(lambda: signed(events=None), id="no events"),
        pytest.param(lambda: signed(events={"http://schemas.openid.net/event/other": {}}), id="another event"),
        pytest.param(lambda: signed(events={EVENT: "x"}), id="event is no object"),
        pytest.param(lambda: signed(events=[EVENT]), id="events is a list"),
        pytest.param(lambda: signed(sub=None, sid=None), id="nobody"),
        pytest.param(lambda: signed(jti=None), id="no jti"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: "a.b.c", id="rubbish"),
        pytest.param(lambda: "é", id="not ASCII"),
    ],
)
def test_what_is_no_good_logout_token_is_refused_ac_167(
    site: FlaskClient, program: dict[str, Any], make: Callable[[], str]
) -> None:
    answer = send(site, make())

    assert answer.status_code == 400
    assert answer.json["error"] == "invalid_request"
    assert set(program["signed_in"]) == {"one", "two", "three"}


def test_a_logout_token_counts_once_ac_167(site: FlaskClient, program: dict[str, Any]) -> None:
    token = signed()
    assert send(site, token).status_code == 200
    program["signed_in"]["one"] = {"claims": {"sub": "alice", "sid": "s1"}}

    assert send(site, token).status_code == 400
    assert "one" in program["signed_in"]


def test_a_get_says_nothing(site: FlaskClient) -> None:
    assert site.get("/backchannel-logout").status_code == 405


def test_it_believes_what_the_provider_sends(
    site: FlaskClient, program: dict[str, Any], context: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from idp.oidc.keys import key_ring

    client, _ = registration.add_client(
        registration.metadata_from_form(
            {"client_id": "demo-web", "name": "Demo", "redirect_uris": ["https://rp.test/cb"]}
        ),
        now=clock(),
    )
    token = issue_logout_token(client, account_id="a" * 22, their_sid="s3", now=clock())
    metadata = {"issuer": ISSUER, "jwks": key_ring().jwks, "_loaded_at": 1}
    monkeypatch.setattr(program["sesame"], "server_metadata", metadata)
    monkeypatch.setattr(program["sesame"], "fetch_jwk_set", lambda force=False: metadata["jwks"])

    assert send(site, token).status_code == 200
    assert set(program["signed_in"]) == {"one", "two"}


@pytest.mark.parametrize(
    ("query", "left"),
    [
        (f"iss={PROVIDER}&sid=s3", {"one", "two"}),
        ("iss=https://evil.example&sid=s3", {"one", "two", "three"}),
        (f"iss={PROVIDER}", {"one", "two", "three"}),
        ("", {"one", "two", "three"}),
    ],
)
def test_a_frame_of_the_provider_ends_the_session_that_it_names(
    site: FlaskClient, program: dict[str, Any], query: str, left: set[str]
) -> None:
    answer = site.get(f"/frontchannel-logout?{query}")

    assert answer.status_code == 200
    assert answer.headers["Content-Security-Policy"] == f"default-src 'none'; frame-ancestors {PROVIDER}"
    assert set(program["signed_in"]) == left
