"""Signing keys: published by one key-holder, used and revoked by two, never on keys that have moved on (AC-200)."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from idp import audit
from idp.admin import actions
from idp.admin.changes import find_change, list_changes
from idp.admin.faults import Conflict, Forbidden, Invalid
from idp.oidc import rotation
from idp.oidc.keys import ensure_signing_keys
from tests.admin.conftest import Acting
from tests.admin.test_api import Call
from tests.admin.test_api import call as call
from tests.admin.test_api import token_of as token_of
from tests.admin.test_console import Coming
from tests.admin.test_console import admin as admin
from tests.conftest import Clock
from tests.oidc.keys.conftest import forget_keys


@pytest.fixture
def app(app: Flask) -> Iterator[Flask]:
    """Return the application with keys of its own, which do not reach another test."""
    forget_keys(app)
    with app.app_context():
        ensure_signing_keys()
    yield app
    forget_keys(app)


@pytest.fixture(autouse=True)
def rules(with_settings: Any) -> None:
    """Two people are needed."""
    with_settings(admin={"four_eyes": True})


def kid_of(state: str, alg: str = "ES256") -> str | None:
    return next((key["kid"] for key in rotation.describe_keys() if (key["alg"], key["state"]) == (alg, state)), None)


def test_one_publishes_it_waits_and_two_let_it_sign_ac_200(acting: Acting, clock: Clock) -> None:
    kim, active = acting("kim"), kid_of("active")
    assert actions.perform(kim, "key.rotate", "ES256", {}, now=clock()).change
    upcoming = kid_of("next")
    with pytest.raises(Conflict, match="it waits until"):
        actions.perform(kim, "key.rotate", "ES256", {}, now=clock())
    clock.step(days=8)

    waits = actions.perform(kim, "key.rotate", "ES256", {}, now=clock())

    assert waits.is_waiting
    assert waits.change is not None
    assert (waits.change.before["active"], waits.change.after["active"]) == (active, upcoming)
    with pytest.raises(Forbidden):
        actions.approve(kim, waits.change.id, now=clock())
    assert kid_of("active") == active
    actions.approve(acting("ada"), waits.change.id, now=clock())
    assert (kid_of("active"), kid_of("retired")) == (upcoming, active)
    audit.flush()


def test_an_approval_that_comes_after_the_keys_have_moved_changes_nothing(acting: Acting, clock: Clock) -> None:
    kim = acting("kim")
    actions.perform(kim, "key.rotate", "ES256", {}, now=clock())
    clock.step(days=8)
    waits = actions.perform(kim, "key.rotate", "ES256", {}, now=clock()).change
    assert waits is not None
    rotation.revoke_and_replace("ES256", reason="leaked in a test")
    active = kid_of("active")

    with pytest.raises(Conflict):
        actions.approve(acting("ada"), waits.id, now=clock())

    assert kid_of("active") == active
    found = find_change(waits.id)
    assert found is not None
    assert found.state == "outdated"


def test_a_leak_is_answered_alone_with_a_reason_and_somebody_reviews_it(acting: Acting, clock: Clock) -> None:
    kim, leaked = acting("kim"), kid_of("active")
    with pytest.raises(Invalid):
        actions.perform(kim, "key.revoke", "ES256", {}, now=clock(), reason="oops")

    done = actions.perform(
        kim, "key.revoke", "ES256", {}, now=clock(), reason="key found on a share", emergency=True
    )  # fmt: skip

    assert kid_of("revoked") == leaked
    assert done.change is not None
    assert done.change.emergency
    actions.review(acting("ada"), done.change.id, now=clock())


def test_what_comes_to_nothing_is_not_told_as_done(
    acting: Acting, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rival(*_: Any, **__: Any) -> Any:
        raise rotation.RotationFault("another process rotated this very moment")

    monkeypatch.setattr(rotation, "rotate", rival)

    with pytest.raises(Conflict):
        actions.perform(acting("kim"), "key.rotate", "ES256", {}, now=clock())

    assert [one.state for one in list_changes(acts="key")] == ["outdated"]


@pytest.mark.parametrize("who", ["olga", "ada", "eve", "rita", "otto", "sam", "rose"])
def test_only_key_holders_rotate_on_every_surface_ac_195(
    acting: Acting, admin: Coming, call: Call, clock: Clock, who: str
) -> None:
    for act in ("key.rotate", "key.revoke"):
        with pytest.raises(Forbidden):
            actions.perform(acting(who), act, "ES256", {}, now=clock(), reason="because I can do it")
    assert admin(who).post("/admin/keys/ES256/revoke", reason="because I can").page.status_code == 403
    if who != "sam":
        assert call(who, "POST", "/keys/ES256/rotate", {}).status_code == 403
    assert kid_of("next") is None


def test_the_calendar_is_shown_and_the_next_step_asked_for_in_the_console(admin: Coming, call: Call) -> None:
    kim = admin("kim", "/admin/keys")
    assert "PRIVATE" not in kim.text
    kim.open("/admin/keys/ES256/rotate").submit("ES256/rotate", anyway="", emergency="")

    assert kim.page.status_code == 200
    assert "publiée" in kim.text
    shown = call("ada", "GET", "/keys").json["items"]
    assert [one["waits_for"] for one in shown] == [None, "too-young"]
    assert kim.open("/admin/keys/none/rotate").page.status_code == 404
