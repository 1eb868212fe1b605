"""Approving, break-glass and giving roles: only by who showed their passkey in the last five minutes (ASVS 7.5.3)."""

import re
from collections.abc import Callable

import pytest
from flask import Flask

from idp import clock as idp_clock
from idp.admin import actions
from idp.admin.actors import Actor
from idp.admin.administrators import find_administrator
from idp.admin.changes import find_change, list_changes
from idp.admin.faults import ProofDue
from idp.admin.roles import PERMISSIONS
from idp.admin.tokens import TokenAsked, issue_token
from tests.admin.conftest import BACK, Acting, document, new_document
from tests.admin.test_api import Call
from tests.admin.test_api import call as call
from tests.admin.test_api import token_of as token_of
from tests.admin.test_console import Coming
from tests.admin.test_console import admin as admin
from tests.conftest import Browser, Clock
from tests.signin.test_waiting import full_lane as full_lane

RISKY = f"{BACK}/2"
REASON = "the old host is gone"


def ask(acting: Acting) -> str:
    change = actions.perform(
        acting("eve"), "client.update", "shop", document(redirect_uris=[RISKY]), now=idp_clock.now()
    ).change
    assert change is not None
    return change.id


def test_an_old_proof_approves_nothing_breaks_no_glass_and_gives_no_role(
    acting: Acting, shop: str, clock: Clock
) -> None:
    change, ada, both, rose = ask(acting), acting("ada"), acting("both"), acting("rose")
    clock.step(minutes=5)
    now, given = clock(), document(redirect_uris=[RISKY])

    for attempt in (
        lambda: actions.approve(ada, change, now=now),
        lambda: actions.perform(both, "client.update", shop, given, now=now, reason=REASON, emergency=True),
        lambda: actions.perform(rose, "administrator.roles", "rita", {"roles": ["reader", "editor"]}, now=now),
        lambda: actions.perform(rose, "administrator.add", "new.one", {"roles": ["reader"]}, now=now),
        lambda: issue_token(ada, TokenAsked(label="x", scopes=["clients.approve"], networks=["192.0.2.0/24"]), now),
    ):
        with pytest.raises(ProofDue):
            attempt()

    assert {one.state for one in list_changes()} == {"waiting"}
    actions.refuse(ada, change, now=now)
    actions.perform(rose, "administrator.disable", "rita", {}, now=now)


def test_a_session_without_a_proof_approves_nothing(acting: Acting, shop: str) -> None:
    change = ask(acting)

    with pytest.raises(ProofDue):
        actions.approve(Actor("ada", frozenset(PERMISSIONS), "console"), change, now=idp_clock.now())


def test_who_approves_shows_the_passkey_again_and_goes_on(
    admin: Coming, acting: Acting, shop: str, clock: Clock
) -> None:
    change = ask(acting)
    ada = admin("ada", f"/admin/changes/{change}")
    clock.step(minutes=6)

    ada.submit("approve")
    assert ada.page.request.path.startswith("/signin/")
    ada.prove()
    assert ada.page.request.path.startswith("/admin/again/")
    still = find_change(change)
    assert still is not None
    assert still.state == "waiting"
    ada.submit("approve")

    after = find_change(change)
    assert after is not None
    assert (after.state, after.decided_by) == ("applied", "ada")


def test_a_broken_glass_keeps_its_form_for_its_sender_alone(admin: Coming, shop: str, app: Flask, clock: Clock) -> None:
    both = admin("both", "/admin/clients/shop/edit/addresses")
    clock.step(minutes=6)
    both.submit("addresses", redirect_uris=RISKY, emergency="yes", reason=REASON).prove()  # type: ignore[attr-defined]
    kept = both.page.request.path
    assert REASON in both.text
    for words in ("Changement d’un service", "shop", "Adresses de retour", "Pourquoi", "Oui"):
        assert words in both.text
    assert "<dt><code>" not in both.text
    assert "version</" not in both.text
    assert admin("ada").open(kept).page.status_code == 404

    both.submit("addresses")

    with app.app_context():
        (change,) = list_changes(target=shop)
        assert (change.state, change.emergency, change.reason) == ("applied", True, REASON)
        assert change.after["redirect_uris"] == [RISKY]


def test_a_form_kept_too_long_is_gone(admin: Coming, shop: str, clock: Clock) -> None:
    rose = admin("rose", "/admin/administrators/rita")
    clock.step(minutes=6)
    rose.submit("roles", roles=["reader", "editor"]).prove()  # type: ignore[attr-defined]
    assert re.search(r'name="roles" value="editor"', rose.text)

    clock.step(minutes=11)

    assert rose.open(rose.page.request.path).page.status_code == 404


def test_a_token_made_for_it_approves_and_any_other_is_refused(call: Call, shop: str) -> None:
    waiting = call("eve", "POST", "/clients", {"client_id": "fresh", "document": new_document()})
    change = waiting.json["change"]["id"]

    assert call("rita", "POST", f"/changes/{change}/approve", {}).status_code == 403
    assert call("ada", "POST", f"/changes/{change}/approve", {}).status_code == 200


def known(app: Flask, name: str) -> bool:
    with app.app_context():
        return find_administrator(name) is not None


def test_while_too_many_sign_in_a_new_administrator_waits_and_what_was_typed_is_kept_ac_210(
    admin: Coming, acting: Acting, app: Flask, full_lane: Callable[[], object]
) -> None:
    asked = actions.perform(acting("rose"), "administrator.add", "new.one", {"roles": ["reader"]}, now=idp_clock.now())
    assert asked.change is not None
    ruth = admin("ruth", f"/admin/changes/{asked.change.id}")
    with full_lane():  # type: ignore[attr-defined]
        ruth.submit("approve")
    away = ruth.page
    assert away.status_code == 503
    assert not known(app, "new.one")
    kept = away.headers["Refresh"].partition("url=")[2]

    ruth.open(kept).submit("approve")

    assert known(app, "new.one")


def test_an_enrolment_that_waits_keeps_the_name_and_never_the_password(
    admin: Coming, administrators: dict[str, str], full_lane: Callable[[], object], http: Browser
) -> None:
    form = http.get("/admin/enrol").text
    with full_lane():  # type: ignore[attr-defined]
        away = http.submit(form, "/admin/enrol", name="rita", password=administrators["rita"])

    assert away.status_code == 503
    assert 'value="rita"' in away.text
    assert administrators["rita"] not in away.text
    assert http.submit(away.text, "/admin/enrol", name="rita", password=administrators["rita"]).status_code == 303


def test_a_program_is_told_to_come_back(call: Call, full_lane: Callable[[], object]) -> None:
    waiting = call("rose", "POST", "/administrators", {"name": "new.one", "roles": ["reader"]}).json["change"]["id"]
    with full_lane():  # type: ignore[attr-defined]
        away = call("ruth", "POST", f"/changes/{waiting}/approve", {})

    assert (away.status_code, away.json["type"]) == (503, "urn:sesame:problem:busy")
    assert int(away.headers["Retry-After"]) > 0
    assert call("ruth", "POST", f"/changes/{waiting}/approve", {}).status_code == 200
