"""An adviser asks that nobody signs in with an account, somebody else agrees, and everything it granted is dead."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idp import audit
from idp import clock as idp_clock
from idp.accounts import directory
from idp.admin import actions, support
from idp.admin.administrators import find_administrator
from idp.admin.changes import AdminChange
from idp.admin.faults import Conflict, Forbidden, Invalid
from idp.audit import AuditEvent
from idp.db import db
from idp.messages.models import Outbox
from idp.security_events import SecurityEvent
from tests.admin.conftest import Acting
from tests.admin.test_api import Call
from tests.admin.test_api import call as call
from tests.admin.test_api import token_of as token_of
from tests.admin.test_console import Coming
from tests.admin.test_console import admin as admin
from tests.admin.test_desk_api import CASES, opened
from tests.admin.test_support import open_alice
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, Browser
from tests.oidc.conftest import Client, Maker
from tests.oidc.conftest import make_client as make_client
from tests.oidc.conftest import make_code as make_code
from tests.oidc.conftest import web as web
from tests.signin.conftest import Visitor

WHY = "fraud reported by the bank"


@pytest.fixture(autouse=True)
def _four_eyes(with_settings: Callable[..., Any]) -> None:
    with_settings(admin={"four_eyes": True})


def ask(acting: Acting, word: support.Word = "disable", why: str = WHY) -> AdminChange:
    now = idp_clock.now()
    change = support.ask_standing(acting("sam"), open_alice(acting), word, why, now).change
    assert change is not None
    return change


def test_two_people_shut_an_account_and_everybody_concerned_is_told(acting: Acting, alice: str) -> None:
    waiting = ask(acting)
    assert (waiting.state, waiting.target) == ("waiting", alice)
    assert directory.get_account(alice).status == "active"

    actions.approve(acting("ada"), waiting.id, now=idp_clock.now())

    assert directory.get_account(alice).status == "restricted"
    assert set(db.session.scalars(select(Outbox.purpose))) == {"alert-account-disabled"}
    assert list(db.session.scalars(select(SecurityEvent.kind))) == ["account-disabled"]
    audit.flush()
    told = db.session.scalars(select(AuditEvent).where(AuditEvent.event == "account.disable").order_by(AuditEvent.id))
    assert [(one.outcome, one.administrator, one.account_id) for one in told] == [
        ("waiting", "sam", alice), ("applied", "ada", alice),
    ]  # fmt: skip


def test_it_is_given_back_by_two_people_as_well(acting: Acting, alice: str) -> None:
    actions.approve(acting("ada"), ask(acting).id, now=idp_clock.now())

    back = ask(acting, "enable")
    assert directory.get_account(alice).status == "restricted"
    actions.approve(acting("ada"), back.id, now=idp_clock.now())

    assert directory.get_account(alice).status == "active"
    assert set(db.session.scalars(select(SecurityEvent.kind))) == {"account-disabled", "account-enabled"}


@pytest.mark.parametrize("name", ["eve", "ada", "rose", "rita", "kim", "otto", "olga", "both"])
def test_no_other_role_asks_for_it(acting: Acting, alice: str, name: str) -> None:
    """AC-195."""
    with pytest.raises(Forbidden):
        actions.perform(acting(name), "account.disable", alice, {}, now=idp_clock.now(), reason=WHY)

    assert directory.get_account(alice).status == "active"


@pytest.mark.parametrize("name", ["eve", "rose", "rita", "kim", "otto", "olga", "sam"])
def test_no_other_role_approves_it(acting: Acting, alice: str, name: str) -> None:
    waiting = ask(acting)

    with pytest.raises(Forbidden):
        actions.approve(acting(name), waiting.id, now=idp_clock.now())

    assert directory.get_account(alice).status == "active"


def test_whoever_has_both_roles_does_not_approve_their_own(acting: Acting, alice: str) -> None:
    sam = find_administrator("sam")
    assert sam is not None
    sam.roles = ["support", "approver"]
    db.session.commit()

    with pytest.raises(Forbidden, match="own change"):
        actions.approve(acting("sam"), ask(acting).id, now=idp_clock.now())


@pytest.mark.parametrize("why", ["", "fraud", f"it is {ALICE_NIR}", f"told by {ALICE_EMAIL}", f"call {ALICE_MOBILE}"])
def test_without_a_reason_or_with_a_persons_number_in_it_nothing_is_asked(acting: Acting, alice: str, why: str) -> None:
    with pytest.raises(Invalid):
        ask(acting, why=why)

    assert db.session.scalars(select(AdminChange)).all() == []


def test_it_is_asked_once_and_never_of_an_administrator(acting: Acting, alice: str) -> None:
    ask(acting)
    with pytest.raises(Conflict):
        ask(acting)
    eve = find_administrator("eve")
    assert eve is not None
    assert eve.account_id is not None

    with pytest.raises(Conflict):
        actions.perform(acting("sam"), "account.disable", eve.account_id, {}, now=idp_clock.now(), reason=WHY)


def test_tokens_and_session_of_a_shut_account_are_dead_at_once_and_its_holder_reads_why_ac_138(
    call: Call, web: Client, make_code: Maker, alice: str, app: Flask, new_browser: Callable[[], Browser]
) -> None:
    tokens, waiting = web.exchange(make_code()).json, make_code()
    visitor = Visitor(app, new_browser()).open("/account").identify().ask_for_code().type_code()
    assert visitor.page.request.path == "/account"
    case = opened(call).json["id"]

    asked = call("sam", "POST", f"{CASES}/{case}/disable", {"reason": WHY})
    assert (asked.status_code, asked.json["asked"]) == (202, ["account.disable"])
    assert web.userinfo(tokens["access_token"]).status_code == 200
    with app.app_context():
        change = db.session.scalars(select(AdminChange.id)).one()
    assert call("ada", "POST", f"/changes/{change}/approve", {}).status_code == 200

    assert web.userinfo(tokens["access_token"]).status_code == 401
    assert web.post("/introspect", token=tokens["access_token"]).json == {"active": False}
    assert web.post("/introspect", token=tokens["refresh_token"]).json == {"active": False}
    assert web.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert web.exchange(waiting).json["error"] == "invalid_grant"
    assert visitor.open("/account").page.request.path.startswith("/signin/")
    assert visitor.identify().step == "restricted"
    assert "Contactez votre Caf" in visitor.page.text


def test_the_desk_asks_on_its_page_and_says_that_it_waits(admin: Coming, alice: str, app: Flask) -> None:
    sam = admin("sam", "/admin/support")
    sam.submit("admin/support", who=ALICE_NIR, reason="fraud")

    sam.submit("disable", why="fraud")
    assert sam.page.status_code == 422
    assert "Dites pourquoi" in sam.text
    sam.submit("disable", why=WHY)

    assert "une seconde personne doit l’approuver" in sam.text
    assert 'id="support-disable"' not in sam.text
    with app.app_context():
        change = db.session.scalars(select(AdminChange.id)).one()
    ada = admin("ada", f"/admin/changes/{change}")
    ada.submit("approve")
    assert 'id="support-enable"' in sam.open(sam.page.request.path).text
    assert ALICE_NIR not in sam.text + ada.text
