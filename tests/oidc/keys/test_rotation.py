"""A key is published before it signs, kept after, and revoked at once when it leaked (P-46, RC-24, RC-25)."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from idp import audit
from idp.db import db
from idp.oidc import hints
from idp.oidc.jose.own import ALGORITHMS, BadToken, read_own, sign
from idp.oidc.jwks_watch import Standing, Watched
from idp.oidc.keys import SigningKeyRow, forget_key_ring, key_ring, keys_for
from idp.oidc.rotation import (
    MOVES,
    RotationFault,
    Verdict,
    describe_keys,
    describe_step,
    judge,
    revoke_and_replace,
    rotate,
    tend_keys,
)
from idp.settings import Settings, settings
from tests.conftest import ISSUER, Browser, Clock, example_settings
from tests.oidc.conftest import Maker
from tests.oidc.keys.conftest import BRISK, MakeNode

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
# 600 s of JWKS cache, 60 s of our own, 60 s of clocks.
SOONEST = timedelta(minutes=12)


def client(standing: Standing) -> Watched:
    return Watched("web", "Service", standing, NOON, None)


@pytest.mark.parametrize(
    ("age", "standings", "anyway", "verdict"),
    [
        (timedelta(0), [], False, "too-young"),
        (timedelta(minutes=15) - timedelta(seconds=1), ["seen"], False, "too-young"),
        (timedelta(minutes=15), [], False, "ready"),
        (timedelta(minutes=15), ["seen", "unseen"], False, "ready"),
        (timedelta(minutes=15), ["seen", "late"], False, "clients-late"),
        (timedelta(days=300), ["late"], False, "clients-late"),
        (timedelta(minutes=15), ["late"], True, "ready"),
        (SOONEST, ["late"], True, "ready"),
        (SOONEST, ["seen"], False, "too-young"),
        (SOONEST - timedelta(seconds=1), [], True, "too-young"),
        (timedelta(0), [], True, "too-young"),
    ],
)
def test_a_key_signs_when_caches_and_clients_have_it(
    age: timedelta, standings: list[Standing], anyway: bool, verdict: Verdict
) -> None:
    rules = Settings.model_validate(example_settings(keys=BRISK))

    found = judge(
        published_at=NOON, clients=[client(one) for one in standings], anyway=anyway, now=NOON + age, rules=rules
    )

    assert found == verdict


def test_no_key_comes_back_and_none_skips_being_published() -> None:
    assert MOVES == {
        "next": ("active", "revoked"),
        "active": ("retired", "revoked"),
        "retired": ("revoked",),
        "revoked": (),
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"keys": {"publish_before_use": 3600}}, "publish_before_use must be at least"),
        ({"keys": {"jwks_max_age": 8 * 86_400}}, "publish_before_use must be at least"),
        ({"keys": {"keep_retired": 4000}}, "keep_retired must be at least"),
        ({"lifetimes": {"id_token": 40 * 86_400}}, "keep_retired must be at least"),
        ({"keys": {"service": "pkcs11"}}, "needs pkcs11.module"),
    ],
)
def test_numbers_that_would_break_relying_parties_stop_the_start_p_46(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.model_validate(example_settings(**changes))


@pytest.fixture
def node(make_node: MakeNode) -> Iterator[Flask]:
    """Run the test inside a node with brisk numbers."""
    brisk = make_node(keys=BRISK)
    with brisk.app_context():
        yield brisk
        db.session.rollback()


def states(alg: str = "ES256") -> dict[str, str]:
    return {row["kid"]: row["state"] for row in describe_keys() if row["alg"] == alg}


def token(clock: Clock, alg: str = "ES256", **changes: Any) -> str:
    now = int(clock().timestamp())
    claims = {"iss": ISSUER, "sub": "s", "aud": "web", "iat": now, "exp": now + 600, **changes}
    return sign(claims, key_ring().active[alg], typ="JWT")


def published(http: Browser) -> set[str]:
    return {key["kid"] for key in http.get("/jwks.json").json["keys"]}


def events() -> list[tuple[str, str | None]]:
    audit.flush()
    return [
        (row.event, row.facts.get("kid")) for row in db.session.query(audit.AuditEvent).order_by(audit.AuditEvent.id)
    ]


def test_a_whole_rotation(node: Flask, clock: Clock) -> None:
    http: Browser = node.test_client()  # type: ignore[assignment]
    old = key_ring().active["ES256"].kid

    step = rotate("ES256")

    assert (step.outcome, step.verdict) == ("published", "too-young")
    # No two keys are published at the same moment: the clock stands, so this one is some milliseconds later.
    assert step.usable_at is not None
    assert timedelta(0) <= step.usable_at - clock() - timedelta(minutes=15) < timedelta(seconds=1)
    assert states() == {old: "active", step.kid: "next"}
    assert published(http) >= {old, step.kid}
    assert key_ring().active["ES256"].kid == old
    assert key_ring().by_kid[step.kid].private is None, "a key that does not sign yet is not in memory"

    clock.step(minutes=14)
    waiting = rotate("ES256")
    assert (waiting.outcome, waiting.verdict, waiting.kid) == ("waiting", "too-young", step.kid)

    clock.step(minutes=1, seconds=1)
    signed_before = token(clock)
    done = rotate("ES256")
    assert (done.outcome, done.kid, done.previous) == ("rotated", step.kid, (old,))
    assert states() == {old: "retired", step.kid: "active"}
    assert key_ring().active["ES256"].kid == step.kid
    assert published(http) >= {old, step.kid}
    assert read_own(signed_before, keys_for(signed_before), typ="JWT", issuer=ISSUER, now=clock())["sub"] == "s"

    tend_keys(clock.step(seconds=119))
    assert next(row for row in describe_keys() if row["kid"] == old)["private_half"] == "kept"
    tend_keys(clock.step(seconds=1))
    assert next(row for row in describe_keys() if row["kid"] == old)["private_half"] == "destroyed"
    assert old in published(http)

    tend_keys(clock.step(minutes=37, seconds=59))
    assert old in states()
    tend_keys(clock.step(seconds=1))
    clock.step(minutes=1)
    assert states() == {step.kid: "active"}
    assert published(http).isdisjoint({old})
    assert [one for one in events() if one[0] != "key-made"] == [
        ("key-retired", old),
        ("key-activated", step.kid),
        ("key-private-half-destroyed", old),
        ("key-gone", old),
    ]


def test_oidcc_server_rotate_keys(node: Flask) -> None:
    http: Browser = node.test_client()  # type: ignore[assignment]
    before = {key["kid"]: key for key in http.get("/jwks.json").json["keys"]}

    for alg in ALGORITHMS:
        rotate(alg)
    after = {key["kid"]: key for key in http.get("/jwks.json").json["keys"]}

    assert len(after) == len(before) + len(ALGORITHMS)
    assert {kid: after.get(kid) for kid in before} == before
    new = [key for kid, key in after.items() if kid not in before]
    assert {key["alg"] for key in new} == set(ALGORITHMS)
    assert not {key.get("n", key.get("x")) for key in new} & {key.get("n", key.get("x")) for key in before.values()}


def test_the_other_algorithm_is_left_alone(node: Flask, clock: Clock) -> None:
    before = states("RS256") or (key_ring(), states("RS256"))[1]

    rotate("ES256")
    clock.step(minutes=15, seconds=1)
    rotate("ES256")

    assert states("RS256") == before
    assert set(before.values()) == {"active"}


def test_the_jwks_says_how_long_it_may_be_cached_and_no_key_signs_sooner_ac_156(node: Flask) -> None:
    http: Browser = node.test_client()  # type: ignore[assignment]

    plain = http.get("/jwks.json")
    odd = http.get("/jwks.json?x=1", headers={"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"})

    assert plain.headers["Cache-Control"] == odd.headers["Cache-Control"] == "public, max-age=600"
    assert settings.soonest_use > timedelta(seconds=600)
    assert plain.data == odd.data
    assert "Set-Cookie" not in odd.headers
    assert not {"x5u", "jku", "x5c"} & {name for key in plain.json["keys"] for name in key}, "P-77"


def test_a_key_that_cannot_sign_does_not_become_active(node: Flask, clock: Clock) -> None:
    old = key_ring().active["ES256"].kid
    step = rotate("ES256")
    row = db.session.get(SigningKeyRow, step.kid)
    assert row is not None
    row.handle = b"\1" * 60
    db.session.commit()
    clock.step(days=1)

    with pytest.raises(Exception, match="cannot be unsealed"):
        rotate("ES256")

    assert states() == {old: "active", step.kid: "next"}


def test_an_emergency_revokes_every_key_of_the_algorithm_at_once_rc_25(node: Flask, clock: Clock) -> None:
    http: Browser = node.test_client()  # type: ignore[assignment]
    first = key_ring().active["ES256"].kid
    rotate("ES256")
    clock.step(minutes=15, seconds=1)
    second = rotate("ES256").kid
    third = rotate("ES256").kid
    stolen = token(clock)

    step = revoke_and_replace("ES256", reason="laptop stolen")

    assert set(step.previous) == {first, second, third}
    assert states() == {first: "revoked", second: "revoked", third: "revoked", step.kid: "active"}
    assert published(http).isdisjoint(step.previous)
    assert step.kid in published(http)
    assert all(row["private_half"] == "destroyed" for row in describe_keys() if row["state"] == "revoked")
    with pytest.raises(BadToken):
        read_own(stolen, keys_for(stolen), typ="JWT", issuer=ISSUER, now=clock())
    assert hints.find_hint(stolen) is None
    fresh = token(clock)
    assert read_own(fresh, keys_for(fresh), typ="JWT", issuer=ISSUER, now=clock())["sub"] == "s"
    assert ("key-revoked", second) in events()
    assert any("unknown kid" in line for line in describe_step(step)["breaks"])


def test_a_jwt_access_token_dies_with_its_key_rc_25(
    node: Flask, make_client: Maker, make_code: Maker, clock: Clock
) -> None:
    service = make_client(access_token_format="jwt", id_token_alg="ES256")
    service.http = node.test_client()
    value = service.exchange(make_code()).json["access_token"]
    before = service.userinfo(value).status_code

    revoke_and_replace("ES256", reason="laptop stolen")

    assert value.count(".") == 2
    assert (before, service.userinfo(value).status_code) == (200, 401)


def test_an_emergency_may_keep_a_next_key_that_relying_parties_know(node: Flask, clock: Clock) -> None:
    old = key_ring().active["ES256"].kid
    upcoming = rotate("ES256").kid

    step = revoke_and_replace("ES256", reason="core dump sent out", keep_next=True)

    assert (step.kid, step.previous) == (upcoming, (old,))
    assert states() == {old: "revoked", upcoming: "active"}


def test_an_emergency_with_no_next_key_to_keep_changes_nothing(node: Flask) -> None:
    old = key_ring().active["ES256"].kid

    with pytest.raises(RotationFault, match="no next key"):
        revoke_and_replace("ES256", reason="x", keep_next=True)

    assert states() == {old: "active"}


def test_another_node_learns_of_a_new_key_by_its_first_token(node: Flask, make_node: MakeNode, clock: Clock) -> None:
    other = make_node(keys=BRISK)
    with other.app_context():
        key_ring()
    clock.step(seconds=10)
    revoke_and_replace("ES256", reason="x")
    fresh = token(clock)

    with other.app_context():
        assert read_own(fresh, keys_for(fresh), typ="JWT", issuer=ISSUER, now=clock())["sub"] == "s"


def test_ten_thousand_unknown_kids_cost_one_look_ac_157(node: Flask, clock: Clock) -> None:
    whole = token(clock)
    clock.step(seconds=30)
    looks: list[str] = []
    _, body, signature = whole.split(".")
    import base64
    import json

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        looks.append(statement)

    event.listen(db.engine, "before_cursor_execute", count)
    for number in range(10_000):
        header = json.dumps({"alg": "ES256", "kid": f"k{number}", "typ": "JWT"}).encode()
        forged = f"{base64.urlsafe_b64encode(header).decode().rstrip('=')}.{body}.{signature}"
        assert f"k{number}" not in keys_for(forged)
    event.remove(db.engine, "before_cursor_execute", count)

    assert len([one for one in looks if "signing_keys" in one]) == 1


def test_a_token_of_the_staging_issuer_is_refused_in_production_ac_159(
    node: Flask, make_node: MakeNode, clock: Clock, tmp_path: Any
) -> None:
    staging = make_node(
        issuer="https://staging.idp.test",
        database_url=f"sqlite:///{tmp_path}/staging.db",
        state_file=tmp_path / "state.db",
        redis_url="",
    )
    with staging.app_context():
        db.create_all()
        foreign = token(clock, iss=ISSUER)
        own = token(clock, iss="https://staging.idp.test")
        staging_kids = set(key_ring().by_kid)

    assert staging_kids.isdisjoint(key_ring().by_kid), "keys are not shared"
    for one in (foreign, own):
        with pytest.raises(BadToken):
            read_own(one, keys_for(one), typ="JWT", issuer=ISSUER, now=clock())


def test_a_worker_rotates_by_age_where_it_is_told_to(make_node: MakeNode, clock: Clock) -> None:
    with make_node(keys={**BRISK, "rotate_every": timedelta(days=90)}).app_context():
        old = key_ring().active["ES256"].kid

        tend_keys(clock.step(days=89))
        assert states() == {old: "active"}
        tend_keys(clock.step(days=1, seconds=1))
        assert sorted(states().values()) == ["active", "next"]
        tend_keys(clock.step(minutes=15, seconds=1))
        assert states()[old] == "retired"
        assert set(states("RS256").values()) == {"retired", "active"}
        tend_keys(clock.step(minutes=1))
        assert sorted(states().values()) == ["active", "retired"], "and then waits for the next age"
        db.session.rollback()


def test_a_worker_rotates_nothing_unless_told(node: Flask, clock: Clock) -> None:
    key_ring()

    tend_keys(clock.step(days=1000))

    assert set(states().values()) == {"active"}


def test_two_first_starts_make_one_key_each(app: Flask, make_node: MakeNode) -> None:
    from threading import Barrier, Thread

    nodes, ready = [app, make_node()], Barrier(2)
    kids: list[set[str]] = []

    def start(one: Flask) -> None:
        with one.app_context():
            ready.wait(10)
            key_ring()
            forget_key_ring()
            kids.append({key.kid for key in key_ring().active.values()})
            audit.flush()

    threads = [Thread(target=start, args=(one,)) for one in nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert len(kids) == 2
    assert kids[0] == kids[1]
    with app.app_context():
        assert sorted(row["alg"] for row in describe_keys()) == sorted(ALGORITHMS)
        db.session.rollback()


def test_of_two_rotations_at_once_one_is_done(app: Flask, make_node: MakeNode, clock: Clock) -> None:
    from threading import Barrier, Thread

    nodes, told = [make_node(keys=BRISK), make_node(keys=BRISK)], []
    with nodes[0].app_context():
        key_ring()
        db.session.rollback()

    def together() -> None:
        ready = Barrier(2)

        def act(one: Flask) -> None:
            with one.app_context():
                ready.wait(10)
                try:
                    told.append(rotate("ES256").outcome)
                except RotationFault:
                    told.append("refused")
                audit.flush()

        threads = [Thread(target=act, args=(one,)) for one in nodes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

    together()
    assert len(told) == 2
    assert "published" in told
    with nodes[0].app_context():
        assert sorted(states().values()) == ["active", "next"]
        db.session.rollback()
    told.clear()
    clock.step(minutes=15, seconds=1)
    together()
    assert told.count("rotated") == 1
    with nodes[0].app_context():
        assert list(states().values()).count("active") == 1
        db.session.rollback()
