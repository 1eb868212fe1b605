"""A client's keys at its `jwks_uri`: found, kept, found anew when they change, and no storm of fetches about it."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey

from idp import clock as idp_clock
from idp import entropy
from idp.oidc.assertions import TYPE
from idp.oidc.client_keys import check_client_signature, forget_client_keys, keys_of
from idp.oidc.clients import Client as Registered
from idp.oidc.jose.foreign import BadKeys, BadSignature, PublicKey, UnknownKey, take_apart
from idp.settings import Settings
from tests.conftest import ISSUER, Browser, Clock
from tests.oidc.conftest import Maker
from tests.strangers import Answer, Authority, Stranger, drips, says

OLD, NEW = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")


def jwks(**keys: ECKey) -> str:
    return json.dumps({"keys": [key.as_dict(private=False) | {"kid": kid} for kid, key in keys.items()]})


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def party(authority: Authority, app: Flask) -> Iterator[Stranger]:
    """Return a relying party's server, whose keys the provider may fetch."""
    settings: Settings = app.extensions["sesame"]["settings"]
    rules = settings.fetch.model_copy(update={"ca_file": authority.ca_file, "allow_networks": ("127.0.0.1/32",)})
    rules.__dict__.pop("networks", None)
    app.extensions["sesame"]["settings"] = settings.model_copy(update={"fetch": rules})
    server = Stranger(authority)
    server.pages["/keys"] = says(jwks(old=OLD))
    yield server
    server.close()
    app.extensions["sesame"]["settings"] = settings


@pytest.fixture
def registered(party: Stranger, context: Flask) -> Registered:
    return Registered("signer", "Service", jwks_uri=f"{party.url}/keys")


def signed(key: ECKey = OLD, kid: str | None = "old") -> Any:
    header = {"alg": "ES256"} | ({"kid": kid} if kid else {})
    return take_apart(jwt.encode(header, {"sub": "signer"}, key, algorithms=["ES256"]))


def kids(keys: tuple[PublicKey, ...]) -> list[str | None]:
    return [key.kid for key in keys]


def check(client: Registered, token: Any) -> None:
    check_client_signature(client, token, algorithms=("ES256",), now=idp_clock.now())


def test_keys_are_fetched_once_and_kept(registered: Registered, party: Stranger, clock: Clock) -> None:
    found = [kids(keys_of(registered, now=clock())) for _ in range(3)]
    clock.step(minutes=9, seconds=59)
    found.append(kids(keys_of(registered, now=clock())))

    assert found == [["old"]] * 4
    assert len(party.seen) == 1
    clock.step(seconds=1)
    keys_of(registered, now=clock())
    assert len(party.seen) == 2


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("max-age=120", 120),
        ("public, MAX-AGE=120", 120),
        ("max-age=0", 60),
        ("no-store", 60),
        ("no-cache, max-age=500", 60),
        ("max-age=999999999", 600),
        ("max-age=soon", 600),
        ("s-maxage-max-age", 600),
    ],
)
def test_their_cache_control_shortens_it_and_never_below_a_minute(
    registered: Registered, party: Stranger, clock: Clock, told: str, seconds: int
) -> None:
    party.pages["/keys"] = says(jwks(old=OLD), Cache_Control=told)
    keys_of(registered, now=clock())
    clock.step(seconds=seconds - 1)
    keys_of(registered, now=clock())
    before = len(party.seen)
    clock.step(seconds=1)
    keys_of(registered, now=clock())

    assert (before, len(party.seen)) == (1, 2)


def test_a_key_that_is_new_is_found_after_a_minute_at_most(
    registered: Registered, party: Stranger, clock: Clock
) -> None:
    check(registered, signed())
    party.pages["/keys"] = says(jwks(new=NEW))
    clock.step(seconds=59)
    with pytest.raises(UnknownKey):
        check(registered, signed(NEW, "new"))
    clock.step(seconds=1)

    check(registered, signed(NEW, "new"))

    assert len(party.seen) == 2
    with pytest.raises(UnknownKey):
        check(registered, signed(OLD, "old"))


def test_made_up_kids_make_one_fetch_a_minute_ac_157(registered: Registered, party: Stranger, clock: Clock) -> None:
    for _ in range(3):
        for _ in range(50):
            with pytest.raises(BadSignature):
                check(registered, signed(NEW, entropy.identifier()))
        clock.step(seconds=60)

    assert len(party.seen) == 3


def test_requests_at_once_make_one_fetch(registered: Registered, party: Stranger, context: Flask) -> None:
    answer, found = says(jwks(old=OLD)), []

    def slowly(handler: Any) -> None:
        time.sleep(0.2)
        answer(handler)

    def ask() -> None:
        with context.app_context():
            found.append(kids(keys_of(registered, now=idp_clock.now())))

    party.pages["/keys"] = slowly
    threads = [threading.Thread(target=ask) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert found == [["old"]] * 8
    assert len(party.seen) == 1


def _bad_pages() -> list[Any]:
    private = json.dumps({"keys": [OLD.as_dict(private=True) | {"kid": "old"}]})
    return [
        says("", status=500),
        says("", status=302, Location="/elsewhere"),
        says(jwks(old=OLD), status=404),
        says("not json"),
        says("[]"),
        says("[" * 50_000),
        says(private),
        says(jwks(old=OLD) + " " * 70_000),
        says(json.dumps({"keys": [{"kty": "EC"}]})),
    ]


@pytest.mark.parametrize("page", _bad_pages())
def test_a_bad_answer_is_not_asked_again_for_a_minute(
    registered: Registered, party: Stranger, clock: Clock, page: Answer
) -> None:
    party.pages["/keys"] = page
    for _ in range(3):
        with pytest.raises(BadKeys):
            keys_of(registered, now=clock())
    asked = len(party.seen)
    clock.step(seconds=60)
    party.pages["/keys"] = says(jwks(old=OLD))

    assert kids(keys_of(registered, now=clock())) == ["old"]
    assert asked == 1


def test_a_server_that_hangs_costs_one_request_its_patience(
    registered: Registered, party: Stranger, clock: Clock
) -> None:
    party.pages["/keys"] = drips(b"HTTP/1.1 200 OK\r\n" * 100, party.released)
    began = time.monotonic()
    with pytest.raises(BadKeys):
        keys_of(registered, now=clock())
    first = time.monotonic() - began
    for _ in range(20):
        with pytest.raises(BadKeys):
            keys_of(registered, now=clock())
    rest = time.monotonic() - began - first

    assert rest < first / 2, "twenty more did not wait"


def test_keys_go_on_serving_for_a_day_when_their_server_is_down(
    registered: Registered, party: Stranger, clock: Clock
) -> None:
    keys_of(registered, now=clock())
    party.pages["/keys"] = says("", status=503)
    clock.step(hours=24)
    still = kids(keys_of(registered, now=clock()))
    clock.step(minutes=2)

    assert still == ["old"]
    with pytest.raises(BadKeys):
        keys_of(registered, now=clock())


def test_keys_that_serve_are_used_while_another_request_fetches(
    registered: Registered, party: Stranger, clock: Clock, context: Flask
) -> None:
    keys_of(registered, now=clock())
    clock.step(minutes=11)
    asked, go_on = threading.Event(), threading.Event()
    answer = says(jwks(new=NEW))

    def waiting(handler: Any) -> None:
        asked.set()
        go_on.wait(2)
        answer(handler)

    party.pages["/keys"] = waiting
    fetched: list[list[str | None]] = []

    def ask() -> None:
        with context.app_context():
            fetched.append(kids(keys_of(registered, now=clock())))

    other = threading.Thread(target=ask)
    other.start()
    assert asked.wait(2)
    began = time.monotonic()
    meanwhile = kids(keys_of(registered, now=clock()))
    took = time.monotonic() - began
    go_on.set()
    other.join()

    assert (meanwhile, fetched) == (["old"], [["new"]])
    assert took < 0.5


def test_registered_keys_are_built_once_and_anew_when_they_change(context: Flask, clock: Clock) -> None:
    forget_client_keys()
    client = Registered("signer", "Service", jwks=json.loads(jwks(old=OLD)))
    first = keys_of(client, now=clock())
    reread = replace(client, jwks=json.loads(jwks(old=OLD)))
    changed = replace(client, jwks=json.loads(jwks(new=NEW)))

    assert keys_of(reread, now=clock()) is first
    assert kids(keys_of(changed, now=clock())) == ["new"]
    with pytest.raises(BadKeys):
        keys_of(replace(client, jwks=None), now=clock())


def test_a_client_proves_itself_by_a_key_at_its_jwks_uri(
    party: Stranger, make_client: Maker, http: Browser, clock: Clock
) -> None:
    make_client("signer", auth_method="private_key_jwt", jwks_uri=f"{party.url}/keys")

    def send(key: ECKey, kid: str) -> Any:
        now = int(clock().timestamp())
        claims = {"iss": "signer", "sub": "signer", "aud": ISSUER, "exp": now + 60, "jti": entropy.token()}
        assertion = jwt.encode({"alg": "ES256", "kid": kid}, claims, key, algorithms=["ES256"])
        form = {"grant_type": "authorization_code", "code": "x"}
        answer = http.post("/token", data={**form, "client_assertion_type": TYPE, "client_assertion": assertion})
        return answer.json["error"]

    known, foreign = send(OLD, "old"), send(NEW, "old")
    party.pages["/keys"] = says(jwks(new=NEW))
    clock.step(seconds=60)

    assert (known, foreign) == ("invalid_grant", "invalid_client")
    assert (send(NEW, "new"), send(OLD, "old")) == ("invalid_grant", "invalid_client")
