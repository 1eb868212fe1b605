"""What happens to an account reaches the services that asked, signed, once, about the person as each calls them."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet
from prometheus_client import REGISTRY
from sqlalchemy import select

from idp import security_events
from idp.accounts import directory
from idp.audit import AuditEvent
from idp.db import db
from idp.oidc import clients, registration
from idp.oidc.jose.own import BadToken, read_own
from idp.oidc.keys import key_ring
from idp.oidc.notice_courier import NoticeCourier
from idp.oidc.security_event_delivery import SECURITY_EVENTS
from idp.security_events import EVENT_TYPES, SecurityEvent
from idp.session_clients import SessionClient
from idp.settings import Settings
from tests.authorize.conftest import CALLBACK, Visitor, add_client, subject
from tests.authorize.test_back_channel_logout import authority, configure, reachable
from tests.authorize.test_logout_ends import confirm
from tests.conftest import ISSUER, Clock
from tests.strangers import Authority, Stranger, says

__all__ = ["authority", "configure", "reachable"]
KINDS = list(EVENT_TYPES)
CAEP = "https://schemas.openid.net/secevent/caep/event-type"
RISC = "https://schemas.openid.net/secevent/risc/event-type"
Deliver = Callable[[], None]


@pytest.fixture
def rp(authority: Authority) -> Iterator[Stranger]:
    """Return the server of a relying party; it takes what it gets."""
    server = Stranger(authority)
    server.pages["/events"] = says("", status=202)
    yield server
    server.close()


@pytest.fixture
def deliver(app: Flask) -> Deliver:
    """Return what has a worker tell whatever is due."""

    async def work() -> None:
        courier = NoticeCourier(app, name="test-worker", errands=[SECURITY_EVENTS], on_lane_free=lambda: None)
        while await courier.start_some():
            await courier.settle(timedelta(seconds=20))
        await courier.finish(timedelta(seconds=20))

    return lambda: asyncio.run(work())


@pytest.fixture
def listening(app: Flask, rp: Stranger) -> str:
    """Have the client of the tests listen to everything."""
    listen(app, rp, "web")
    return "web"


def listen(app: Flask, rp: Stranger, client_id: str, kinds: list[str] = KINDS) -> None:
    with app.app_context():
        row = db.session.get(clients.ClientRow, client_id)
        assert row is not None
        row.client_metadata = row.client_metadata | {
            "security_events_uri": rp.url + "/events",
            "security_event_types": kinds,
        }
        db.session.commit()
        clients.forget_cached_clients()


def knows(app: Flask, client_id: str, account_id: str, clock: Clock) -> None:
    """Have a client know a person from a session."""
    from idp import session_clients

    with app.app_context():
        session_clients.join(
            sid=f"sid-{client_id}", account_id=account_id, client_id=client_id, their_sid=f"their-{client_id}",
            wants_notice=False, wants_event=True, now=clock(),
        )  # fmt: skip
        db.session.commit()


def change_password(app: Flask, account_id: str, clock: Clock) -> None:
    with app.app_context():
        directory.set_password(account_id, "a-new-and-long-password-7", now=clock())
        db.session.commit()


def tokens(app: Flask, rp: Stranger) -> list[dict[str, Any]]:
    """Return the claims of what was pushed, each signature checked."""
    keys = KeySet.import_key_set(app.test_client().get("/jwks.json", base_url=ISSUER).get_json())
    read = [jwt.decode(body.decode(), keys, algorithms=["RS256", "ES256"]) for *_, body in rp.seen]
    assert all(one.header["typ"] == "secevent+jwt" for one in read)
    return [dict(one.claims) for one in read]


@pytest.mark.usefixtures("listening")
def test_a_new_password_is_told_as_caep_says(
    app: Flask, rp: Stranger, deliver: Deliver, alice: str, clock: Clock
) -> None:
    knows(app, "web", alice, clock)
    change_password(app, alice, clock)

    deliver()

    (told,) = tokens(app, rp)
    assert told["iss"] == ISSUER
    assert told["aud"] == "web"
    assert told["sub_id"] == {"format": "iss_sub", "iss": ISSUER, "sub": subject(app, alice, "web")}
    assert told["events"] == {
        f"{CAEP}/credential-change": {
            "credential_type": "password", "change_type": "update", "event_timestamp": int(clock().timestamp()),
        }
    }  # fmt: skip
    assert {"exp", "sub", "nonce"}.isdisjoint(told)
    method, path, headers, _body = rp.seen[0]
    assert (method, path) == ("POST", "/events")
    assert (headers["Content-Type"], headers["Accept"]) == ("application/secevent+jwt", "application/json")
    assert "Cookie" not in headers


@pytest.mark.usefixtures("listening")
def test_a_closed_account_is_told_as_risc_says_and_so_is_its_return(
    app: Flask, rp: Stranger, deliver: Deliver, alice: str, clock: Clock
) -> None:
    knows(app, "web", alice, clock)
    with app.app_context():
        for status in ("disabled", "disabled", "restricted", "active"):
            directory.set_status(alice, status, now=clock())  # type: ignore[arg-type]
        db.session.commit()

    deliver()

    told = [one["events"] for one in tokens(app, rp)]
    assert sorted(told, key=str) == [{f"{RISC}/account-disabled": {}}, {f"{RISC}/account-enabled": {}}]


@pytest.mark.usefixtures("listening")
def test_a_signed_out_session_is_told_as_the_service_calls_it(
    app: Flask, rp: Stranger, deliver: Deliver, signed_in: Visitor, alice: str
) -> None:
    signed_in.ask("web")
    with app.app_context():
        joined = db.session.scalars(select(SessionClient).where(SessionClient.client_id == "web")).all()
        expected = joined[0].their_sid
        assert joined[0].wants_event
    confirm(signed_in)

    deliver()

    told = tokens(app, rp)[-1]
    assert told["sub_id"]["session"] == {"format": "opaque", "id": expected}
    assert told["sub_id"]["user"]["sub"] == subject(app, alice, "web")
    assert list(told["events"]) == [f"{CAEP}/session-revoked"]


def test_each_service_is_told_in_its_own_words_and_only_what_it_asked_for(
    app: Flask, rp: Stranger, deliver: Deliver, alice: str, clock: Clock
) -> None:
    for name, kinds in {"one": KINDS, "two": ["credential-change"], "three": ["account-disabled"]}.items():
        with app.app_context():
            add_client(name, redirect_uris=[f"https://{name}.test/callback"], post_logout_redirect_uris=[])
        listen(app, rp, name, kinds)
        knows(app, name, alice, clock)
    change_password(app, alice, clock)

    deliver()

    told = {one["aud"]: one["sub_id"]["sub"] for one in tokens(app, rp)}
    assert set(told) == {"one", "two"}
    assert told["one"] != told["two"]


def test_a_service_learns_nothing_of_people_whom_it_never_saw(
    app: Flask, rp: Stranger, deliver: Deliver, listening: str, alice: str, clock: Clock
) -> None:
    change_password(app, alice, clock)

    deliver()

    assert not rp.seen
    with app.app_context():
        assert db.session.scalars(select(SecurityEvent)).all() == []


@pytest.mark.usefixtures("listening")
def test_an_act_that_was_rolled_back_is_not_told(
    app: Flask, rp: Stranger, deliver: Deliver, alice: str, clock: Clock
) -> None:
    knows(app, "web", alice, clock)
    with app.app_context():
        directory.set_password(alice, "a-new-and-long-password-7", now=clock())
        db.session.rollback()

    deliver()

    assert not rp.seen


@pytest.mark.usefixtures("listening")
@pytest.mark.parametrize(
    ("page", "states", "answer"),
    [
        (says("", status=200), ["told"], "200"),
        (says("", status=204), ["told"], "204"),
        (says('{"err": "invalid_key", "description": "x"}', status=400), ["queued"], "invalid_key"),
        (says('{"err": "<script>", "description": "x"}', status=400), ["queued"], "400"),
        (says("nothing", status=500), ["queued"], "500"),
        (says("", status=302), ["queued"], "302"),
    ],
)
def test_what_an_answer_means(
    app: Flask, rp: Stranger, deliver: Deliver, alice: str, clock: Clock, page: Any, states: list[str], answer: str
) -> None:
    rp.pages["/events"] = page
    knows(app, "web", alice, clock)
    change_password(app, alice, clock)

    deliver()

    with app.app_context():
        rows = db.session.scalars(select(SecurityEvent)).all()
        assert [row.state for row in rows] == states
        assert rows[0].answer_class == answer


@pytest.mark.usefixtures("listening")
def test_a_token_is_sent_again_with_the_same_jti_until_it_is_taken(
    app: Flask, rp: Stranger, deliver: Deliver, alice: str, clock: Clock
) -> None:
    rp.pages["/events"] = says("", status=503)
    knows(app, "web", alice, clock)
    change_password(app, alice, clock)
    deliver()
    clock.step(seconds=11)
    rp.pages["/events"] = says("", status=202)

    deliver()
    clock.step(hours=1)
    deliver()

    first, second = tokens(app, rp)
    assert first["jti"] == second["jti"]
    assert second["iat"] > first["iat"]
    assert first["toe"] == second["toe"]


@pytest.mark.usefixtures("listening")
def test_what_cannot_be_told_in_time_is_given_up_and_audited(
    app: Flask, rp: Stranger, deliver: Deliver, alice: str, clock: Clock
) -> None:
    before = REGISTRY.get_sample_value("idp_security_event_delivery_total", {"outcome": "failed"}) or 0.0
    rp.pages["/events"] = says("", status=503)
    knows(app, "web", alice, clock)
    change_password(app, alice, clock)
    deliver()
    clock.step(hours=25)

    deliver()

    with app.app_context():
        (row,) = security_events.log_of("web", 10)
        event = db.session.scalars(select(AuditEvent).where(AuditEvent.event == "security-event-told")).one()
    assert row.state == "failed"
    assert (event.outcome, event.client_id, event.facts) == ("failed", "web", {"kind": "credential-change"})
    assert REGISTRY.get_sample_value("idp_security_event_delivery_total", {"outcome": "failed"}) == before + 1


@pytest.mark.usefixtures("listening")
def test_an_address_inside_our_network_is_never_called(
    app: Flask, rp: Stranger, deliver: Deliver, alice: str, clock: Clock, configure: Callable[..., Settings]
) -> None:
    """AC-168."""
    configure(fetch={"allow_networks": ()})
    knows(app, "web", alice, clock)
    change_password(app, alice, clock)

    deliver()

    assert not rp.seen
    with app.app_context():
        (row,) = security_events.log_of("web", 10)
        assert (row.state, row.answer_class) == ("queued", "address not public")


@pytest.mark.usefixtures("listening")
def test_a_service_that_asks_no_more_is_not_told(
    app: Flask, rp: Stranger, deliver: Deliver, alice: str, clock: Clock
) -> None:
    rp.pages["/events"] = says("", status=503)
    knows(app, "web", alice, clock)
    change_password(app, alice, clock)
    deliver()
    listen(app, rp, "web", ["account-disabled"])
    clock.step(minutes=1)
    asked = len(rp.seen)

    deliver()

    assert len(rp.seen) == asked


@pytest.mark.parametrize(
    ("metadata", "fault"),
    [
        ({"security_events_uri": "http://rp.example/e", "security_event_types": ["session-revoked"]}, "https"),
        (
            {"security_events_uri": "https://10.0.0.1/e", "security_event_types": ["session-revoked"]},
            "security_events_uri",
        ),
        ({"security_events_uri": "https://rp.example.fr/e", "security_event_types": ["everything"]}, "not offered"),
        ({"security_events_uri": "https://rp.example.fr/e"}, "goes together"),
        ({"security_event_types": ["session-revoked"]}, "goes together"),
    ],
)
def test_what_cannot_be_registered(context: Flask, clock: Clock, metadata: dict[str, Any], fault: str) -> None:
    asked = {"client_id": "new", "name": "New", "redirect_uris": [CALLBACK], "scope": "openid", **metadata}

    with pytest.raises(registration.MetadataFault) as refused:
        registration.add_client(registration.metadata_from_form(asked), now=clock())

    assert fault in "; ".join(refused.value.faults)


def test_a_token_is_no_id_token_and_no_logout_token(
    app: Flask, rp: Stranger, deliver: Deliver, listening: str, alice: str, clock: Clock
) -> None:
    """RFC 8725 §3.11: its type tells it from every other token that the same key signs."""
    knows(app, "web", alice, clock)
    change_password(app, alice, clock)
    deliver()

    token = rp.seen[0][3].decode()
    for other in ("JWT", "logout+jwt", "at+jwt"):
        with app.app_context(), pytest.raises(BadToken):
            read_own(token, key_ring().by_kid, typ=other, issuer=ISSUER, now=clock())


def test_a_delivery_log_is_shown_by_the_command_line(
    app: Flask, rp: Stranger, deliver: Deliver, listening: str, alice: str, clock: Clock
) -> None:
    from idp.commands.clients import event_facts

    knows(app, "web", alice, clock)
    change_password(app, alice, clock)
    deliver()

    with app.app_context():
        (facts,) = [event_facts(one) for one in security_events.log_of("web", 10)]
    assert (facts["event"], facts["state"], facts["answer"]) == ("credential-change", "told", "202")
    assert alice not in json.dumps(facts)
