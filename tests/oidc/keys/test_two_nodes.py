"""Two nodes on one database: keys rotate while both sign and verify, and no verification fails (RC-24)."""

import random
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from idp import audit
from idp.db import db
from idp.oidc.jose.own import BadToken, read_own, sign
from idp.oidc.keys import key_ring, keys_for
from idp.oidc.rotation import rotate, tend_keys
from tests.conftest import ISSUER, Browser, Clock
from tests.oidc.keys.conftest import BRISK, MakeNode

LIFETIME = timedelta(minutes=10)


class RelyingParty:
    """Caches the JWKS for as long as it may, and does not ask again for a `kid` that it does not know."""

    def __init__(self, nodes: list[Flask], clock: Clock, *, age: timedelta) -> None:
        self.nodes, self.clock = nodes, clock
        # Each began at another time.
        self.fetched_at = clock() - age
        self.keys: Any = None

    def verify(self, token: str) -> None:
        """Verify a token; ask a node chosen at random for the JWKS when the copy is too old."""
        if self.keys is None or self.clock() >= self.fetched_at + BRISK["jwks_max_age"]:
            if self.keys is not None:
                self.fetched_at = self.clock()
            http: Browser = random.choice(self.nodes).test_client()  # type: ignore[assignment]
            self.keys = KeySet.import_key_set(http.get("/jwks.json").json)
        jwt.decode(token, self.keys, algorithms=["ES256"])


class Traffic(threading.Thread):
    """Signs at one node and verifies at another, at once and just before the token ends, until told to stop."""

    def __init__(self, nodes: list[Flask], clock: Clock, age: timedelta) -> None:
        super().__init__(daemon=True)
        self.nodes, self.clock, self.rp = nodes, clock, RelyingParty(nodes, clock, age=age)
        self.rounds, self.failures, self.stopped = 0, list[str](), False
        self.kept: list[tuple[Any, str]] = []

    def run(self) -> None:
        while not self.stopped:
            try:
                self._round()
            except (BadToken, JoseError, ValueError) as fault:
                self.failures.append(f"{type(fault).__name__}: {fault}")
            except Exception as fault:  # noqa: BLE001 - a thread that dies must fail the test
                self.failures.append(f"died of {fault!r}")
                return
            self.rounds += 1

    def _round(self) -> None:
        now = self.clock()
        claims = {"iss": ISSUER, "sub": "s", "iat": int(now.timestamp()), "exp": int((now + LIFETIME).timestamp())}
        with random.choice(self.nodes).app_context():
            token = sign(claims, key_ring().active["ES256"], typ="JWT")
            db.session.rollback()
        if not self.kept or self.kept[-1][0] != now:
            self.kept.append((now, token))
        self.kept = [one for one in self.kept if self.clock() < one[0] + LIFETIME]
        for one in {token, *(kept for _, kept in self.kept[:1])}:
            with random.choice(self.nodes).app_context():
                read_own(one, keys_for(one), typ="JWT", issuer=ISSUER, now=now)
                db.session.rollback()
            self.rp.verify(one)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.timeout(300)
def test_keys_rotate_under_load_with_no_failed_verification(app: Flask, make_node: MakeNode, clock: Clock) -> None:
    nodes = [make_node(keys=BRISK), make_node(keys=BRISK)]
    with nodes[0].app_context():
        first = key_ring().active["ES256"].kid
        db.session.rollback()
    # Fetches fall between the minutes, when a node may not have heard of a key that was just published.
    traffic = [Traffic(nodes, clock, timedelta(minutes=minutes)) for minutes in (0.5, 4.5, 8.5)]
    for one in traffic:
        one.start()
    signed_with = set()

    for _ in range(80):
        with random.choice(nodes).app_context():
            # As an operator in a hurry would: a rotation follows the other as soon as it may.
            rotate("ES256", anyway=True)
            tend_keys(clock())
            audit.flush()
            signed_with.add(key_ring().active["ES256"].kid)
            db.session.rollback()
        for _half in range(2):
            _wait_for_rounds(traffic)
            clock.step(seconds=30)
    for one in traffic:
        one.stopped = True
    for one in traffic:
        one.join(20)

    assert [failure for one in traffic for failure in one.failures] == []
    assert len(signed_with) >= 6
    with nodes[0].app_context():
        assert first not in key_ring().by_kid, "the first key has left the JWKS"
        db.session.rollback()


def _wait_for_rounds(traffic: list[Traffic]) -> None:
    """Let each thread do two whole rounds in the present moment."""
    goals = [(one, one.rounds + 2) for one in traffic]
    deadline = time.monotonic() + 30
    while any(one.rounds < goal and one.is_alive() for one, goal in goals) and time.monotonic() < deadline:
        time.sleep(0.002)
