"""Rotation waits for relying parties that are known to fetch the JWKS, and names them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select

from idp.db import db
from idp.oidc import clients, jwks_watch
from idp.oidc.jwks_watch import ClientSource, JwksFetch, Source, standing_of
from idp.oidc.rotation import describe_step, rotate
from tests.conftest import ISSUER, Browser, Clock
from tests.oidc.conftest import Maker
from tests.oidc.keys.conftest import BRISK, MakeNode, forget_keys

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HERE, THERE, ELSEWHERE = "192.0.2.7", "192.0.2.8", "2001:db8:1:2::9"


@pytest.mark.parametrize(
    ("sources", "standing"),
    [
        ([], "unseen"),
        ([Source(NOON + HOUR)], "unseen"),
        ([Source(NOON + HOUR, NOON, NOON - HOUR)], "late"),
        ([Source(NOON + HOUR, NOON, NOON)], "seen"),
        # Another address authenticates and never fetches: it is a proxy's, or another machine's.
        ([Source(NOON + HOUR, NOON, NOON), Source(NOON + HOUR)], "seen"),
        # Two nodes, one of which still has the old JWKS.
        ([Source(NOON + HOUR, NOON, NOON), Source(NOON + HOUR, NOON, NOON - HOUR)], "late"),
        # A node that is gone since does not hold up the others.
        ([Source(NOON + HOUR, NOON, NOON), Source(NOON - HOUR, NOON - HOUR, NOON - HOUR)], "seen"),
        # Nobody at work since: the last of them counts.
        ([Source(NOON - HOUR, NOON, NOON), Source(NOON - 2 * HOUR, NOON - HOUR, NOON - HOUR)], "seen"),
        ([Source(NOON - HOUR, NOON - HOUR, NOON - HOUR), Source(NOON - 2 * HOUR, NOON, NOON)], "late"),
    ],
)
def test_a_client_has_seen_a_key_when_its_addresses_were_served_it(sources: list[Source], standing: str) -> None:
    assert standing_of(sources, NOON) == standing


@pytest.fixture
def node(make_node: MakeNode) -> Flask:
    return make_node(keys=BRISK)


@pytest.fixture
def http(node: Flask) -> Browser:
    browser: Browser = node.test_client()  # type: ignore[assignment]
    browser.get("/jwks.json", environ_overrides={"REMOTE_ADDR": "198.51.100.1"})
    return browser


@pytest.fixture
def service(make_client: Maker, http: Browser) -> Any:
    client = make_client()
    client.http = http
    return client


def call(client: Any, address: str) -> None:
    """Authenticate at the token endpoint; that the code is wrong does not matter."""
    form = {"grant_type": "authorization_code", "code": "x"}
    if client.secret is None:
        form["client_id"] = client.client_id
    auth = None if client.secret is None else (client.client_id, client.secret)
    answer = client.http.post("/token", data=form, auth=auth, environ_overrides={"REMOTE_ADDR": address})
    assert answer.json["error"] == "invalid_grant"


def fetch(http: Browser, address: str, **headers: str) -> Any:
    return http.get("/jwks.json", headers=headers, environ_overrides={"REMOTE_ADDR": address})


def told(node: Flask, **how: Any) -> dict[str, Any]:
    with node.app_context():
        step = describe_step(rotate("ES256", **how))
        db.session.rollback()
    return step


def test_rotation_waits_for_a_client_until_it_has_fetched_and_names_it(
    node: Flask, http: Browser, service: Any, clock: Clock
) -> None:
    call(service, HERE)
    fetch(http, HERE)
    clock.step(minutes=1)
    told(node)
    clock.step(minutes=15, seconds=1)
    call(service, HERE)

    waiting = told(node)

    assert waiting["outcome"] == "waiting"
    assert waiting["waits_for"].startswith("late_clients")
    assert [line.split(":")[0] for line in waiting["late_clients"]] == ["web (Service)"]
    assert "last fetch" in waiting["late_clients"][0]
    fetch(http, THERE)
    clock.step(minutes=1)
    fetch(http, "198.51.100.1")
    assert told(node)["outcome"] == "waiting", "somebody else's fetch is not this client's"
    clock.step(minutes=1)
    fetch(http, HERE)
    assert told(node)["outcome"] == "rotated"


def test_a_fetch_answered_by_304_counts(node: Flask, http: Browser, service: Any, clock: Clock) -> None:
    call(service, HERE)
    fetch(http, HERE)
    clock.step(minutes=1)
    told(node)
    etag = fetch(http, ELSEWHERE).headers["ETag"]
    clock.step(minutes=15, seconds=1)

    assert fetch(http, HERE, **{"If-None-Match": etag}).status_code == 304
    assert told(node)["outcome"] == "rotated"


def test_a_fetch_from_a_node_that_did_not_know_the_key_yet_does_not_count(
    app: Flask, node: Flask, http: Browser, service: Any, clock: Clock
) -> None:
    call(service, HERE)
    fetch(http, HERE)
    clock.step(minutes=1)
    fetch(http, HERE)
    with app.app_context():
        published = rotate("ES256").kid
        db.session.rollback()
    # This node read its keys a moment ago.
    clock.step(seconds=59)
    served = fetch(http, HERE).json["keys"]
    clock.step(minutes=16)
    with node.app_context():
        jwks_watch.write_when_due(clock())

    assert published not in {key["kid"] for key in served}
    assert told(node)["waits_for"].startswith("late_clients")


def test_a_client_that_never_fetched_is_named_and_not_waited_for(
    node: Flask, http: Browser, service: Any, clock: Clock
) -> None:
    call(service, HERE)
    clock.step(minutes=1)
    call(service, THERE)
    told(node)
    clock.step(minutes=15, seconds=1)

    done = told(node)

    assert done["outcome"] == "rotated"
    assert done["unseen_clients"] == ["web (Service): no fetch seen from its addresses"]


def test_a_fetch_before_the_first_call_counts_too(node: Flask, http: Browser, service: Any, clock: Clock) -> None:
    told(node)
    fetch(http, HERE)
    clock.step(minutes=1)
    call(service, HERE)
    clock.step(minutes=15, seconds=1)

    assert told(node)["unseen_clients"] == []


@pytest.mark.parametrize("ended", ["suspended", "idle"])
def test_a_client_that_is_not_at_work_holds_up_nothing(
    node: Flask, http: Browser, service: Any, clock: Clock, ended: str
) -> None:
    call(service, HERE)
    fetch(http, HERE)
    clock.step(minutes=1)
    fetch(http, ELSEWHERE)
    told(node)
    clock.step(minutes=15, seconds=1)
    if ended == "suspended":
        with node.app_context():
            clients.suspend_client("web", clock())
            db.session.commit()
    else:
        clock.step(days=31)

    assert told(node)["outcome"] == "rotated"


def test_a_public_client_is_not_watched(node: Flask, http: Browser, make_client: Maker, clock: Clock) -> None:
    app_client = make_client("app", kind="mobile")
    app_client.http = http
    call(app_client, HERE)
    fetch(http, HERE)
    clock.step(minutes=2)
    fetch(http, HERE)

    with node.app_context():
        assert db.session.scalars(select(ClientSource)).all() == []
        assert db.session.scalars(select(JwksFetch)).all() == [], "and the addresses of phones are not kept"
        db.session.rollback()


def test_a_wrong_secret_is_nobodys_address(node: Flask, http: Browser, service: Any, clock: Clock) -> None:
    answer = http.post("/token", data={"grant_type": "authorization_code", "code": "x"}, auth=("web", "wrong"))
    assert answer.status_code == 401
    clock.step(minutes=2)
    fetch(http, HERE)

    with node.app_context():
        assert db.session.scalars(select(ClientSource)).all() == []
        db.session.rollback()


def test_anyway_goes_on_without_late_clients_and_leaves_a_trace(
    node: Flask, http: Browser, service: Any, clock: Clock
) -> None:
    from idp.audit import AuditEvent, flush

    call(service, HERE)
    fetch(http, HERE)
    clock.step(minutes=1)
    fetch(http, ELSEWHERE)
    told(node)
    clock.step(minutes=12, seconds=1)

    with node.app_context():
        step = rotate("ES256", anyway=True)
        flush()
        wanted = select(AuditEvent.client_id, AuditEvent.outcome).where(AuditEvent.event == "key-activated-unseen")
        overruled = db.session.execute(wanted).all()
        db.session.rollback()

    assert step.outcome == "rotated"
    assert overruled == [("web", "overruled")]


def test_no_address_is_kept_readable(node: Flask, http: Browser, service: Any, clock: Clock) -> None:
    call(service, HERE)
    call(service, ELSEWHERE)
    fetch(http, HERE)
    clock.step(minutes=1)
    fetch(http, HERE)

    with node.app_context():
        rows = [*db.session.scalars(select(ClientSource)), *db.session.scalars(select(JwksFetch))]
        kept = json.dumps([[str(value) for value in vars(row).values()] for row in rows])
        db.session.rollback()
    assert len(rows) == 3
    assert HERE not in kept
    assert "2001:db8" not in kept


def test_the_token_path_pays_nothing_between_two_writings(
    node: Flask, http: Browser, service: Any, clock: Clock
) -> None:
    statements: list[str] = []

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    call(service, HERE)
    with node.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", count)
    for _ in range(20):
        call(service, HERE)
        call(service, THERE)
    event.remove(engine, "before_cursor_execute", count)

    assert not [one for one in statements if "client_sources" in one or "jwks_fetches" in one or "signing_keys" in one]
    clock.step(minutes=1)
    call(service, HERE)
    with node.app_context():
        assert len(db.session.scalars(select(ClientSource)).all()) == 2
        db.session.rollback()


def test_a_database_that_cannot_write_the_watch_spoils_no_answer(
    node: Flask, http: Browser, service: Any, clock: Clock
) -> None:
    with node.app_context():
        JwksFetch.__table__.drop(db.engine)  # type: ignore[attr-defined]
    try:
        clock.step(minutes=2)
        call(service, HERE)
        assert fetch(http, HERE).status_code == 200
    finally:
        with node.app_context():
            JwksFetch.__table__.create(db.engine)  # type: ignore[attr-defined]


def test_phones_by_the_thousand_do_not_fill_the_memory(node: Flask, clock: Clock) -> None:
    with node.app_context():
        for number in range(5_000):
            jwks_watch.note_fetch(f"10.0.{number // 256}.{number % 256}", clock(), clock())
        book = jwks_watch._book()

        assert len(book.fetched) == jwks_watch._MOST_FETCHES
        assert "10.0.19.135" in book.fetched, "the newest are kept"


def test_old_observations_are_forgotten(node: Flask, http: Browser, service: Any, clock: Clock) -> None:
    call(service, HERE)
    fetch(http, HERE)
    clock.step(minutes=1)
    fetch(http, HERE)

    with node.app_context():
        jwks_watch.purge_watch(clock.step(days=31))
        db.session.commit()
        assert db.session.scalars(select(ClientSource)).all() == []
        assert db.session.scalars(select(JwksFetch)).all() == []
        db.session.rollback()
    forget_keys(node)
    assert http.get("/jwks.json", base_url=ISSUER).status_code == 200
