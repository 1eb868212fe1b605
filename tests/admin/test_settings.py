"""Limits at run time and the settings in force: bounds, two people for what is weaker, no secret on any surface."""

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from pydantic import SecretStr

from idp import operations
from idp.admin import actions
from idp.admin.actors import operator
from idp.admin.effective import describe_settings
from idp.admin.faults import Forbidden, Invalid, NotFound
from idp.admin.limit_acts import describe_limits
from idp.limits import LIMITS, read_limit
from idp.settings import Settings, current_settings, settings
from tests.admin.conftest import Acting
from tests.admin.test_api import Call
from tests.admin.test_api import call as call
from tests.admin.test_api import token_of as token_of
from tests.admin.test_console import Coming
from tests.admin.test_console import admin as admin
from tests.conftest import ISSUER, Browser, Clock, example_settings
from tests.root.test_commands import environ as environ
from tests.root.test_commands import run as run
from tests.root.test_commands import told
from tests.signin.conftest import Visitor
from tests.signin.conftest import relying_parties as relying_parties
from tests.signin.conftest import visitor as visitor

HOURLY = "code.sends_per_hour"


def test_a_stricter_limit_holds_at_once_and_goes_again(app: Flask, visitor: Visitor, clock: Clock) -> None:
    with app.app_context():
        actions.perform(operator("x"), "limit.set", HOURLY, {"value": 1}, now=clock())
    visitor.start().identify().ask_for_code()
    form = visitor.browser.forms(visitor.page.text)[0]
    assert 'id="resend-code"' not in visitor.page.text
    clock.step(minutes=2)
    sent = {"csrf": form["csrf"], "channel": "email"}
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}
    assert visitor.browser.post(f"/signin/{visitor.id}/resend", data=sent, headers=headers).status_code == 429

    with app.app_context():
        actions.perform(operator("x"), "limit.reset", HOURLY, {}, now=clock())
    assert visitor.open("code").submit("resend").page.status_code == 200
    assert 'id="resend-code"' in visitor.page.text
    with app.app_context():
        assert settings.code.sends_per_hour == 5


def test_what_protects_less_than_the_configuration_takes_two_ac_200(
    acting: Acting, clock: Clock, with_settings: Any
) -> None:
    with_settings(admin={"four_eyes": True})
    olga = acting("olga")
    assert not actions.perform(olga, "limit.set", HOURLY, {"value": 2}, now=clock()).is_waiting
    assert not actions.perform(olga, "limit.set", HOURLY, {"value": 5}, now=clock()).is_waiting
    assert not actions.perform(olga, "limit.set", "code.first_pause", {"value": 3600}, now=clock()).is_waiting
    weaker = actions.perform(olga, "limit.set", HOURLY, {"value": 9}, now=clock())
    assert weaker.is_waiting
    assert actions.perform(olga, "limit.set", "code.first_pause", {"value": 60}, now=clock()).is_waiting
    operations.refresh(clock())
    assert settings.code.sends_per_hour == 5
    assert settings.code.first_pause == timedelta(hours=1)

    assert weaker.change is not None
    actions.approve(acting("ada"), weaker.change.id, now=clock())
    operations.refresh(clock())

    assert settings.code.sends_per_hour == 9


@pytest.mark.parametrize("value", [0, 21, 10**6])
def test_nothing_leaves_its_bounds(acting: Acting, clock: Clock, value: int) -> None:
    with pytest.raises(Invalid):
        actions.perform(acting("olga"), "limit.set", HOURLY, {"value": value}, now=clock())
    with pytest.raises(NotFound):
        actions.perform(acting("olga"), "limit.set", "code.tries", {"value": 5}, now=clock())


def test_a_row_that_somebody_wrote_by_hand_does_not_leave_them_either(context: Flask, clock: Clock) -> None:
    for name, value in ((HOURLY, 500), ("secrets.code", 1), ("throttle.reset_requests", "many")):
        operations.db.session.add(
            operations.Operation(
                name=f"limit:{name}", value={"value": value}, version=1, changed_at=clock(), changed_by="sql"
            )
        )
    operations.db.session.commit()
    before = current_settings()

    operations.refresh(clock())

    assert current_settings().code.sends_per_hour == before.code.sends_per_hour
    assert current_settings().secrets == before.secrets
    assert current_settings().throttle == before.throttle


def test_every_limit_is_a_setting_whose_own_value_is_within_the_bounds() -> None:
    fresh = Settings.model_validate(example_settings())

    for path, limit in LIMITS.items():
        assert limit.lowest <= read_limit(fresh, path) <= limit.highest, path


@pytest.mark.parametrize("who", ["rita", "eve", "ada", "kim", "sam", "otto", "rose"])
def test_only_operators_change_limits_on_every_surface_ac_195(
    acting: Acting, admin: Coming, call: Call, clock: Clock, who: str
) -> None:
    with pytest.raises(Forbidden):
        actions.perform(acting(who), "limit.set", HOURLY, {"value": 2}, now=clock())
    assert admin(who).post(f"/admin/limits/{HOURLY}", value="2").page.status_code == 403
    if who != "sam":
        assert call(who, "PUT", f"/limits/{HOURLY}", {"value": 2}).status_code == 403
    assert not operations.list_operations("limit")


def test_no_secret_is_shown_on_any_surface_ac_198(context: Flask, call: Call, clock: Clock) -> None:
    """Every secret of the settings, whichever field it stands in, against everything that is shown."""
    found: list[str] = []

    def collect(value: Any) -> None:
        if isinstance(value, SecretStr):
            found.append(value.get_secret_value())
        elif isinstance(value, dict):
            for one in value.values():
                collect(one)
        elif isinstance(value, tuple | list):
            for one in value:
                collect(one)
        elif hasattr(type(value), "model_fields"):
            for name in type(value).model_fields:
                collect(getattr(value, name))

    asked = Settings.model_validate(
        example_settings(
            plugins={"pager": {"key": "plug-in-secret-1"}}, sms={"http": {"fields": {"k": "field-secret-22"}}},
            smtp={"relays": ["smtp://user:relay-secret-3@localhost:25"]},
        )
    )  # fmt: skip
    collect(asked)
    shown = json.dumps(describe_settings(asked, {}))

    assert len([one for one in found if one]) > 8
    for secret in (*found, "plug-in-secret-1", "relay-secret-3"):
        assert not secret or secret not in shown


def test_where_a_setting_comes_from_is_said(context: Flask, clock: Clock) -> None:
    actions.perform(operator("x"), "limit.set", HOURLY, {"value": 3}, now=clock())
    operations.refresh(clock())
    shown = {
        one["name"]: one
        for one in describe_settings(current_settings(), {"IDP_CODE__TRIES": "5", "IDP_ISSUER_FILE": "x"})
    }

    origins = {name: shown[name]["origin"] for name in (HOURLY, "code.tries", "issuer", "database_url", "time_zone")}
    assert origins == {
        HOURLY: "run-time", "code.tries": "environment", "issuer": "environment", "database_url": "file",
        "time_zone": "default",
    }  # fmt: skip
    assert (shown[HOURLY]["value"], shown[HOURLY]["bounds"]) == ("3", "≥ 1")
    assert next(one for one in describe_limits() if one["name"] == HOURLY)["configured"] == 5


def test_a_limit_is_changed_in_the_console_and_a_wrong_value_stands_beside_its_field(
    admin: Coming, http: Browser
) -> None:
    olga = admin("olga", f"/admin/limits/{HOURLY}")
    olga.submit(HOURLY, value="beaucoup", emergency="")
    assert olga.page.status_code == 422
    assert 'id="value-error"' in olga.text

    olga.submit(HOURLY, value="2", emergency="")
    assert 'value="2"' in olga.text
    olga.submit("reset")
    assert 'value="5"' in olga.text
    assert "code.tries" in olga.open("/admin/settings/code").text
    assert olga.open("/admin/settings/nothing").page.status_code == 404


def test_the_command_line_shows_and_changes_them_too(run: Any) -> None:
    assert told(run("operations", "limit", HOURLY, "2", "--json"))["state"] == "applied"
    shown = told(run("operations", "settings", "--section", "code", "--json"))
    assert {one["name"]: one["value"] for one in shown}[HOURLY] == "2"
    assert run("operations", "limit", HOURLY, "200").exit_code == 1
    assert told(run("operations", "limit", HOURLY, "--reset", "--json"))["state"] == "applied"
    assert run("operations", "limit", HOURLY).exit_code == 2
