"""Tokens signed by one library are verified by the other; a token that is not ours is never read (AC-146..150)."""

import base64
import contextlib
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc import jws, jwt
from joserfc.jwk import KeySet, OctKey

from idp.oidc.jose import own as jose
from idp.oidc.keys import KeyRing, ensure_signing_keys, key_ring
from idp.oidc.rotation import describe_keys
from tests.conftest import ISSUER, Clock


@pytest.fixture
def ring(context: Flask) -> KeyRing:
    return key_ring()


def claims(clock: Clock, **changes: Any) -> dict[str, Any]:
    now = int(clock().timestamp())
    return {"iss": ISSUER, "sub": "s", "aud": "web", "iat": now, "exp": now + 600, **changes}


def read(token: str, ring: KeyRing, clock: Clock, **options: Any) -> dict[str, Any]:
    return jose.read_own(token, ring.by_kid, **{"typ": "JWT", "issuer": ISSUER, "now": clock(), **options})


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_what_python_jose_signs_joserfc_verifies(ring: KeyRing, clock: Clock, alg: str) -> None:
    token = jose.sign(claims(clock), ring.active[alg], typ="JWT")

    verified = jwt.decode(token, KeySet.import_key_set(ring.jwks), algorithms=[alg])

    assert verified.claims == claims(clock)
    assert verified.header == {"alg": alg, "kid": ring.active[alg].kid, "typ": "JWT"}


@pytest.mark.parametrize("alg", jose.ALGORITHMS)
def test_we_read_our_own(ring: KeyRing, clock: Clock, alg: str) -> None:
    assert read(jose.sign(claims(clock), ring.active[alg], typ="JWT"), ring, clock) == claims(clock)


def test_a_token_of_another_type_or_issuer_is_refused_ac_160(ring: KeyRing, clock: Clock) -> None:
    key = ring.active["ES256"]

    for token in (
        jose.sign(claims(clock), key, typ="at+jwt"),
        jose.sign(claims(clock, iss="https://other"), key, typ="JWT"),
    ):
        with pytest.raises(jose.BadToken):
            read(token, ring, clock)


def test_an_expired_token_is_refused_unless_a_hint_may_be_old(ring: KeyRing, clock: Clock) -> None:
    token = jose.sign(claims(clock), ring.active["RS256"], typ="JWT")
    clock.step(minutes=10)

    with pytest.raises(jose.BadToken):
        read(token, ring, clock)
    assert read(token, ring, clock, allow_expired=True)["sub"] == "s"


@pytest.mark.parametrize("missing", ["exp", "iat", "iss", "sub"])
def test_a_token_without_its_claims_is_refused(ring: KeyRing, clock: Clock, missing: str) -> None:
    short = {name: value for name, value in claims(clock).items() if name != missing}

    with pytest.raises(jose.BadToken):
        read(jose.sign(short, ring.active["RS256"], typ="JWT"), ring, clock)


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def forged(ring: KeyRing, clock: Clock) -> dict[str, str]:
    """Return tokens that somebody else could make, by the trick that they try."""
    key = ring.active["RS256"]
    header = {"alg": "RS256", "kid": key.kid, "typ": "JWT"}
    good = jose.sign(claims(clock), key, typ="JWT")
    _, body, signature = good.split(".")
    secret = OctKey.import_key(json.dumps(dict(key.public_jwk)).encode())
    registry = jws.JWSRegistry(algorithms=["HS256"])
    hs256 = jws.serialize_compact(
        {"alg": "HS256", "kid": key.kid, "typ": "JWT"}, json.dumps(claims(clock)), secret, registry=registry
    )
    return {
        "none": f"{part({**header, 'alg': 'none'})}.{body}.",
        "nOnE": f"{part({**header, 'alg': 'nOnE'})}.{body}.{signature}",
        "hs256-with-public-key": hs256,
        "other-alg": f"{part({**header, 'alg': 'ES256'})}.{body}.{signature}",
        "unknown-kid": f"{part({**header, 'kid': 'x'})}.{body}.{signature}",
        "kid-path": f"{part({**header, 'kid': '../../dev/null'})}.{body}.{signature}",
        "kid-number": f"{part({**header, 'kid': 1})}.{body}.{signature}",
        "no-kid": f"{part({'alg': 'RS256', 'typ': 'JWT'})}.{body}.{signature}",
        "jwk": f"{part({**header, 'jwk': dict(key.public_jwk)})}.{body}.{signature}",
        "jku": f"{part({**header, 'jku': 'https://evil.example/jwks'})}.{body}.{signature}",
        "crit": f"{part({**header, 'crit': ['x'], 'x': 1})}.{body}.{signature}",
        "b64": f"{part({**header, 'b64': False, 'crit': ['b64']})}.{body}.{signature}",
        "changed-body": f"{good.split('.')[0]}.{part(claims(clock, sub='somebody-else'))}.{signature}",
        "no-signature": f"{good.split('.')[0]}.{body}.",
        "cut": good[:-4],
        "empty": "",
        "dots": "..",
        "header-list": f"{part([])}.{body}.{signature}",
        "five-parts": "a.b.c.d.e",
    }


def test_no_forgery_is_read_ac_146_to_ac_150(ring: KeyRing, clock: Clock) -> None:
    read_anyway = []
    for trick, token in forged(ring, clock).items():
        with contextlib.suppress(jose.BadToken):
            read(token, ring, clock)
            read_anyway.append(trick)

    assert not read_anyway


def test_a_huge_token_is_refused_at_once_ac_151(ring: KeyRing, clock: Clock) -> None:
    started = time.process_time()

    with pytest.raises(jose.BadToken):
        read("a" * 5_000_000 + ".b.c", ring, clock)

    assert time.process_time() - started < 0.1


def test_keys_are_made_once_and_kept_sealed(context: Flask, clock: Clock) -> None:
    before = describe_keys()

    ensure_signing_keys()

    assert describe_keys() == before
    assert "pem" not in str(before).lower()


def test_a_key_is_built_once_per_process(ring: KeyRing, clock: Clock) -> None:
    clock.step(hours=1)

    assert key_ring().active["RS256"].private is ring.active["RS256"].private


def test_the_clock_decides_not_the_library(ring: KeyRing) -> None:
    past = datetime(2020, 1, 1, tzinfo=UTC)
    token = jose.sign(
        {
            "iss": ISSUER,
            "sub": "s",
            "aud": "web",
            "iat": int(past.timestamp()),
            "exp": int((past + timedelta(hours=1)).timestamp()),
        },
        ring.active["ES256"],
        typ="JWT",
    )

    assert jose.read_own(token, ring.by_kid, typ="JWT", issuer=ISSUER, now=past)["sub"] == "s"
