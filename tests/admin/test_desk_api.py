"""Support desk and audit trail over REST: as little to see as in the console, and every look is an event."""

import json
import re
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idp import audit
from idp import clock as idp_clock
from idp.accounts import directory
from idp.admin.administrators import find_administrator
from idp.audit import AuditEvent
from idp.audit.sealing import seal_all
from idp.db import db
from idp.messages.models import Outbox
from idp.settings import settings
from tests.admin.test_api import Call
from tests.admin.test_api import call as call
from tests.admin.test_api import token_of as token_of
from tests.admin.test_support import SECRETS, pause
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR

CASES = "/support/cases"


def opened(call: Call, who: str = ALICE_NIR, by: str = "sam", **more: Any) -> Any:
    return call(by, "POST", CASES, {"who": who, "reason": "call", **more})


def events_of(app: Flask, name: str) -> list[AuditEvent]:
    with app.app_context():
        return list(db.session.scalars(select(AuditEvent).where(AuditEvent.event == name).order_by(AuditEvent.id)))


def test_an_adviser_opens_a_case_and_lifts_its_pause_and_the_person_is_told(app: Flask, call: Call, alice: str) -> None:
    with app.app_context():
        pause(alice)

    case = opened(call, ticket="INC-20417").json
    lifted = call("sam", "POST", f"{CASES}/{case['id']}/lift", {})

    assert case["account"]["id"] == alice
    assert {one["of"] for one in case["pauses"]} == {"password", "code"}
    assert lifted.status_code == 200
    assert lifted.json["pauses"] == []
    (viewed,), (unlocked,) = events_of(app, "support-viewed"), events_of(app, "support-unlocked")
    assert (viewed.account_id, viewed.reason, viewed.facts["ticket"]) == (alice, "call", "INC-20417")
    assert (unlocked.administrator, unlocked.facts["surface"]) == ("sam", "api")
    with app.app_context():
        assert "alert-support-unlocked" in set(db.session.scalars(select(Outbox.purpose)))


def test_no_answer_of_the_desk_holds_what_no_role_may_see(app: Flask, call: Call, alice: str) -> None:
    """AC-14, AC-214: neither the NIR nor a whole address comes back, nor stands in an address."""
    case = opened(call, ALICE_EMAIL)
    shown = call("sam", "GET", f"{CASES}/{case.json['id']}")
    advised = call("sam", "POST", f"{CASES}/{case.json['id']}/advise", {"kind": "email"})
    missing = opened(call, "2991399999002")

    assert (shown.status_code, advised.status_code, missing.status_code) == (200, 200, 404)
    text = "".join(one.text for one in (case, shown, advised, missing))
    assert "•" in text
    assert not [secret for secret in (*SECRETS, "2991399999002") if secret in text]


def test_a_case_is_open_to_whoever_opened_it_alone(call: Call, alice: str, app: Flask) -> None:
    """AC-195, IDOR: another adviser who knows the id finds nothing, and changes nothing."""
    with app.app_context():
        other = find_administrator("both")
        assert other is not None
        other.roles = ["support"]
        db.session.commit()
    path = f"{CASES}/{opened(call).json['id']}"

    answers = [
        call("both", "GET", path), call("both", "POST", f"{path}/lift", {}),
        call("both", "POST", f"{path}/advise", {"kind": "email"}),
    ]  # fmt: skip

    assert [one.status_code for one in answers] == [404, 404, 404]
    assert not events_of(app, "support-unlocked")


@pytest.mark.parametrize(
    "more",
    [
        {"account_id": "x"}, {"who": ["1991399999001"]}, {"who": 1991399999001}, {"reason": "curious"},
        {"reason": None}, {"ticket": {"$ne": ""}}, {"ticket": ALICE_NIR},
    ],
    ids=lambda more: json.dumps(more)[:30],
)  # fmt: skip
def test_what_is_not_asked_for_opens_nothing(call: Call, alice: str, app: Flask, more: dict[str, Any]) -> None:
    """Over-posting and type confusion (security.md J): 422, no look at anybody, and nothing typed comes back."""
    answer = call("sam", "POST", CASES, {"who": ALICE_NIR, "reason": "call", **more})

    assert answer.status_code == 422
    assert ALICE_NIR not in answer.text
    assert not events_of(app, "support-viewed")


def test_a_pause_is_lifted_as_seldom_as_in_the_console(app: Flask, call: Call, alice: str) -> None:
    with app.app_context():
        allowed = settings.support.lifts_per_day
    path = f"{CASES}/{opened(call).json['id']}/lift"

    answers = [call("sam", "POST", path, {}).status_code for _ in range(allowed + 1)]

    assert answers == [200] * allowed + [429]


def test_an_auditor_finds_events_page_by_page_and_is_seen(app: Flask, call: Call, alice: str) -> None:
    with app.app_context():
        for number in range(3):
            audit.record("sign-in", account_id=alice, client_id="shop", number=number)
        audit.record("sign-in", account_id="somebody-else", client_id="shop")
        audit.flush()
    asked = f"/audit/events?account_id={alice}&event=sign-in&limit=2"

    first = call("otto", "GET", asked).json
    second = call("otto", "GET", f"{asked}&after={first['next']}").json

    assert [one["facts"]["number"] for one in (*first["items"], *second["items"])] == [2, 1, 0]
    assert second["next"] is None
    reads = events_of(app, "audit-read")
    assert {(one.administrator, one.account_id, one.facts["by"]) for one in reads} == {
        ("otto", alice, "account_id event")
    }


def test_a_nir_is_asked_for_in_the_body_and_the_look_is_an_event(app: Flask, call: Call, alice: str) -> None:
    """AC-214."""
    found = call("otto", "POST", "/audit/person", {"who": ALICE_NIR})
    missing = call("otto", "POST", "/audit/person", {"who": "2991399999002"})

    assert found.json == {"account_id": alice}
    assert missing.status_code == 404
    assert [(one.outcome, one.account_id) for one in events_of(app, "audit-person")] == [
        ("found", alice), ("not-found", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        "reference=UUU-000", "since=yesterday", "until=9999-12-31T23:59:59-14:00", "since=2026-01-01T00:00:00",
        "after=0", "after=1;drop", "limit=0", "limit=201", "administrator=%25", "event=a&event=b", "nir=1991399999001",
        "account_id=1991399999001", "client_id=0612345647", "administrator=1991399999001", "event=1991399999001",
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_read_is_refused(app: Flask, call: Call, query: str) -> None:
    """AC-183: a bad page token or word is a 400 or 422, never a guess; AC-214: a person's number is no word."""
    answer = call("otto", "GET", f"/audit/events?{query}")

    assert answer.status_code in {400, 422}
    assert not re.search(r"1991399999001|0612345647", answer.text + str(answer.headers))
    assert not events_of(app, "audit-read")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"who": ALICE_NIR, "account_id": "x"}, 422), ({"who": [ALICE_NIR]}, 422), ({"who": 1991399999001}, 422),
        ({"nir": ALICE_NIR}, 422), ({"who": "alice"}, 422), ({"who": ALICE_EMAIL}, 409),
    ],
    ids=str,
)  # fmt: skip
def test_a_person_is_named_exactly_or_not_at_all(
    app: Flask, call: Call, alice: str, body: dict[str, Any], status: int
) -> None:
    """Over-posting and type confusion (security.md J); an address that two people share names neither."""
    with app.app_context():
        directory.add_account(nir="2991399999002", password=None, email=ALICE_EMAIL)
        db.session.commit()

    answer = call("otto", "POST", "/audit/person", body)

    assert answer.status_code == status
    assert not [secret for secret in SECRETS if secret in answer.text]
    assert not [one for one in events_of(app, "audit-person") if one.account_id]


@pytest.mark.redacts
def test_no_answer_about_the_trail_holds_what_no_role_may_see(app: Flask, call: Call, alice: str) -> None:
    """AC-14, AC-214: even when something of a person was written where it does not belong."""
    with app.app_context():
        audit.record("sign-in", account_id=alice, reason=f"for {ALICE_NIR}", note=f"{ALICE_EMAIL} {ALICE_MOBILE}")
        audit.flush()

    found = call("otto", "GET", f"/audit/events?account_id={alice}")
    named = call("otto", "POST", "/audit/person", {"who": ALICE_MOBILE})

    assert (named.json, len(found.json["items"])) == ({"account_id": alice}, 1)
    assert not [secret for secret in SECRETS if secret in found.text + named.text]


def test_the_state_of_the_chain_says_what_was_signed_and_verified(app: Flask, call: Call, alice: str) -> None:
    with app.app_context():
        audit.record("sign-in", account_id=alice)
        audit.flush()
        seal_all(idp_clock.now())
        audit.events.audit_verified(outcome="ok", events=1, findings=0)
        audit.flush()

    chain = call("otto", "GET", "/audit/chain").json

    assert chain["position"] >= 1
    assert chain["checkpoint"]["position"] == chain["position"]
    assert (chain["cut"], chain["restores"]) == (None, [])
    assert (chain["verified"]["outcome"], chain["verified"]["findings"]) == ("ok", 0)
    assert chain["waiting"] >= 1


def test_a_token_of_the_desk_or_of_an_auditor_is_tied_to_networks(call: Call) -> None:
    """Whoever steals the token of a call centre's tool must also sit there."""
    asked = {"label": "x", "scopes": ["support.read"]}

    loose = call("sam", "POST", "/tokens", asked)
    tied = call("sam", "POST", "/tokens", {**asked, "networks": ["192.0.2.0/24"]})

    assert (loose.status_code, tied.status_code) == (422, 201)
