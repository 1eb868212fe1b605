"""Channels and banner from the console, REST and the command line: who may, who is asked, what is written down."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp import audit, operations
from idp.admin import actions
from idp.admin.faults import Forbidden, OwnChange, Stale
from idp.audit.search import Wanted, search
from tests.admin.conftest import Acting
from tests.admin.test_api import Call
from tests.admin.test_api import call as call
from tests.admin.test_api import token_of as token_of
from tests.admin.test_console import Coming
from tests.admin.test_console import admin as admin
from tests.conftest import Browser, Clock
from tests.root.test_commands import environ as environ
from tests.root.test_commands import run as run
from tests.root.test_commands import told

BANNER = {"fr": "Les SMS tardent.", "en": "Text messages are late.", "begins_at": "", "ends_at": "2099-01-01"}


def test_an_operator_switches_off_and_on_and_the_page_says_who(admin: Coming, http: Browser) -> None:
    olga = admin("olga", "/admin/operations/channels/sms")
    olga.submit("sms/off", reason="pompage")

    assert "coupé" in olga.text
    assert "olga" in olga.text
    assert "pompage" in olga.text
    olga.open("/admin/operations/channels/sms").submit("sms/on")
    assert "coupé" not in olga.text.replace("Couper", "")


def test_what_is_switched_and_by_whom_is_in_the_trail_and_the_history(acting: Acting, clock: Clock) -> None:
    actions.perform(acting("olga"), "channel.off", "sms", {}, now=clock(), reason="pompage")
    audit.flush()

    (event,) = search(Wanted(administrator="olga", event="channel.off"))
    assert event.facts["target"] == "sms"
    change = operations.find_operation("channel:sms")
    assert change is not None
    assert (change.value, change.changed_by, change.version) == ({"off": True}, "olga", 1)


@pytest.mark.parametrize("who", ["rita", "eve", "ada", "kim", "sam", "otto", "rose"])
def test_nobody_else_switches_or_writes_banners_ac_195(
    acting: Acting, admin: Coming, call: Call, clock: Clock, who: str
) -> None:
    for act, target, given in (("channel.off", "sms", {}), ("channel.on", "sms", {}), ("banner.set", "all", BANNER)):
        with pytest.raises(Forbidden):
            actions.perform(acting(who), act, target, given, now=clock())
    assert admin(who).post("/admin/operations/channels/sms/off").page.status_code == 403
    if who != "sam":
        assert call(who, "POST", "/channels/sms/off", {}).status_code == 403
    assert not operations.list_operations("channel")


def test_the_passkey_takes_two_people_and_breaking_the_glass_tells_everybody_ac_200(
    acting: Acting, clock: Clock, with_settings: Any
) -> None:
    with_settings(admin={"four_eyes": True})
    olga, ada = acting("olga"), acting("ada")
    waits = actions.perform(olga, "channel.off", "passkey", {}, now=clock())

    assert waits.is_waiting
    assert waits.change is not None
    with pytest.raises(OwnChange):
        actions.approve(
            replace(olga, permissions=olga.permissions | {"operations.approve"}), waits.change.id, now=clock()
        )
    actions.approve(ada, waits.change.id, now=clock())
    assert operations.list_operations("channel")["passkey"].value
    # Back on is nobody's second thought.
    assert not actions.perform(olga, "channel.on", "passkey", {}, now=clock()).is_waiting


def test_of_two_who_switch_at_once_one_is_told_to_look_again(acting: Acting, clock: Clock) -> None:
    olga = acting("olga")
    actions.perform(olga, "channel.off", "sms", {}, now=clock(), version=0)

    with pytest.raises(Stale):
        actions.perform(olga, "channel.on", "sms", {}, now=clock(), version=0)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"ends_at": ""}, "ends_at"),
        ({"ends_at": "2099-01-01"}, "ends_at"),
        ({"ends_at": "tomorrow"}, "ends_at"),
        ({"fr": "\n "}, "fr"),
        ({"en": "x" * 301}, "en"),
        ({"fr": "a\u202eb"}, "fr"),
    ],
    ids=["no end", "too long", "no moment", "nothing said", "too much said", "turned round"],
)
def test_a_banner_that_cannot_stand_is_refused_beside_its_field(
    call: Call, clock: Clock, wrong: dict[str, str], field: str
) -> None:
    good = {**BANNER, "ends_at": (clock() + timedelta(hours=1)).isoformat()}
    assert call("olga", "PUT", "/banner", good).status_code in {200, 403}

    answer = call("olga", "PUT", "/banner", {**good, **wrong})

    assert answer.status_code == 422
    assert [one["field"] for one in answer.json["errors"]] == [field]


def test_a_banner_is_put_up_in_the_console_shown_and_taken_down(admin: Coming, clock: Clock, http: Browser) -> None:
    olga = admin("olga", "/admin/operations")
    ends = (clock() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    olga.submit("banner", fr="Les SMS tardent.", en="Late.", ends_at=ends, reason="panne")

    assert "Les SMS tardent." in http.get("/help/easy").text
    olga.submit("banner/remove")
    assert "Les SMS tardent." not in http.get("/help/easy").text
    olga.submit("banner", fr="", en="x", ends_at=ends)
    assert olga.page.status_code == 422
    assert 'id="fr-error"' in olga.text


def test_the_command_line_does_the_same_and_is_the_way_back(run: Any, app: Flask) -> None:
    assert told(run("operations", "off", "passkey", "--reason", "faille", "--json"))["state"] == "applied"
    shown = told(run("operations", "show", "--json"))
    assert [one["name"] for one in shown["channels"] if one["off"]] == ["passkey"]
    assert told(run("operations", "on", "passkey", "--json"))["state"] == "applied"
    assert run("operations", "off", "pigeon").exit_code == 1
    assert run("operations", "banner", "--fr", "x").exit_code == 2
