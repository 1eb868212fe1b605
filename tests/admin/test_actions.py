"""The acts under every surface: who may, what waits for a second person, what is written down (security.md J)."""

import base64
import json
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from PIL import Image

from idp import audit
from idp import clock as idp_clock
from idp.admin import actions
from idp.admin.actors import operator
from idp.admin.administrators import find_administrator
from idp.admin.changes import AdminChange, diff, find_change, list_changes, unreviewed_emergencies
from idp.admin.client_acts import list_secrets, risky_fields
from idp.admin.faults import Conflict, Forbidden, Invalid, NotFound, OwnChange, Stale
from idp.admin.roles import PERMISSIONS, ROLES, permissions_of
from idp.admin.schema import ClientDocument, document_of, plain, undocumented
from idp.db import db
from idp.oidc.clients import find_client, read_client
from idp.oidc.logos import find_logo
from tests.admin.conftest import BACK, Acting, document, new_document
from tests.conftest import Clock

OTHER = "https://autre.example.fr/retour"


def do(who: Any, name: str, target: str = "shop", given: dict[str, Any] | None = None, **more: Any) -> actions.Done:
    return actions.perform(who, name, target, given or {}, now=idp_clock.now(), **more)


def image(kind: str = "PNG", size: tuple[int, int] = (600, 300)) -> str:
    kept = BytesIO()
    Image.new("RGB", size, "navy").save(kept, kind)
    return base64.b64encode(kept.getvalue()).decode()


# -- roles ---------------------------------------------------------------------------------------------------------


def test_no_role_has_everything_and_every_permission_is_somebodys() -> None:
    assert all(allowed < set(PERMISSIONS) for allowed in ROLES.values())
    assert set(PERMISSIONS) == permissions_of(ROLES)
    assert permissions_of(["nobody", "root"]) == frozenset()


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", actions.ACTS)
def test_an_act_is_refused_without_its_permission_ac_195(context: Flask, role: str, name: str) -> None:
    from idp.admin.actors import Actor

    actor = Actor("somebody", ROLES[role], "api")
    if actor.may(actions.ACTS[name].permission):
        return

    with pytest.raises(Forbidden):
        do(actor, name)


def test_a_role_that_is_taken_away_is_gone_at_once_asvs_8_3_2(acting: Acting) -> None:
    do(acting("rose"), "administrator.roles", "eve", {"roles": []})

    assert not acting("eve").may("clients.write")


# -- four eyes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"redirect_uris": [BACK, OTHER]},
        {"redirect_uris": [OTHER]},
        {"scopes": ["email", "openid"]},
        {"require_pkce": False},
        {"jwks_uri": "https://autre.example.fr/jwks"},
        {"first_party": False},
        {"name": "caf.fr"},
        {"token_endpoint_auth_method": "none", "kind": "single-page"},
        {"backchannel_logout_uri": "https://service.example.fr/out"},
    ],
)
def test_what_is_risky_waits_for_a_second_person_ac_200(shop: str, acting: Acting, changes: dict[str, Any]) -> None:
    done = do(acting("eve"), "client.update", given=document(**changes))

    assert done.is_waiting
    assert done.change is not None
    before = plain(document_of(read_client(shop)))  # type: ignore[arg-type]
    assert before == document()
    actions.approve(acting("ada"), done.change.id, now=idp_clock.now())
    after = document()
    assert {name: after[name] for name in changes} == changes


@pytest.mark.parametrize(
    "changes", [{"description": "x"}, {"team": "Web"}, {"contacts": ["web@example.fr"]}, {"scopes": []}]
)
def test_what_is_harmless_is_done_at_once(shop: str, acting: Acting, changes: dict[str, Any]) -> None:
    assert not do(acting("eve"), "client.update", given=document(**changes)).is_waiting
    assert document() == document(**changes)


def test_a_field_that_nobody_thought_of_is_risky() -> None:
    assert risky_fields({"new_one": 1}, {"new_one": 2}) == ["new_one"]
    assert risky_fields({"minimum_acr": "phr"}, {"minimum_acr": None}) == ["minimum_acr"]
    assert risky_fields({"minimum_acr": None}, {"minimum_acr": "phr"}) == []


def test_nobody_approves_their_own_change(shop: str, acting: Acting) -> None:
    done = do(acting("both"), "client.update", given=document(redirect_uris=[OTHER]))
    assert done.change is not None

    with pytest.raises(OwnChange):
        actions.approve(acting("both"), done.change.id, now=idp_clock.now())
    assert document()["redirect_uris"] == [BACK]


def test_an_editor_approves_nothing(shop: str, acting: Acting) -> None:
    done = do(acting("both"), "client.update", given=document(redirect_uris=[OTHER]))
    assert done.change is not None

    for name in ("eve", "rita", "rose", "kim", "sam", "otto"):
        with pytest.raises(Forbidden):
            actions.approve(acting(name), done.change.id, now=idp_clock.now())


def test_of_two_decisions_one_counts(shop: str, acting: Acting) -> None:
    done = do(acting("eve"), "client.update", given=document(redirect_uris=[OTHER]))
    assert done.change is not None
    actions.refuse(acting("ada"), done.change.id, now=idp_clock.now())

    with pytest.raises(Conflict):
        actions.approve(acting("both"), done.change.id, now=idp_clock.now())
    assert document()["redirect_uris"] == [BACK]


def test_an_approval_holds_only_for_the_version_that_was_looked_at(shop: str, acting: Acting) -> None:
    done = do(acting("eve"), "client.update", given=document(redirect_uris=[OTHER]))
    do(acting("both"), "client.update", given=document(description="meanwhile"))
    assert done.change is not None

    with pytest.raises(Conflict):
        actions.approve(acting("ada"), done.change.id, now=idp_clock.now())

    outdated = find_change(done.change.id)
    assert outdated is not None
    assert outdated.state == "outdated"
    assert document()["redirect_uris"] == [BACK]
    assert document()["description"] == "meanwhile"


def test_a_stale_version_is_refused_ac_201(shop: str, acting: Acting) -> None:
    do(acting("eve"), "client.update", given=document(description="one"), version=1)

    with pytest.raises(Stale):
        do(acting("both"), "client.update", given=document(description="two"), version=1)


def test_what_is_read_and_sent_back_changes_nothing_ac_201(shop: str, acting: Acting) -> None:
    assert do(acting("eve"), "client.update", given=document()).change is None
    assert undocumented() == set()


def test_whoever_asked_may_take_it_back_and_nobody_else(shop: str, acting: Acting) -> None:
    done = do(acting("eve"), "client.update", given=document(redirect_uris=[OTHER]))
    assert done.change is not None

    with pytest.raises(NotFound):
        actions.withdraw(acting("both"), done.change.id, now=idp_clock.now())
    actions.withdraw(acting("eve"), done.change.id, now=idp_clock.now())
    with pytest.raises(Conflict):
        actions.approve(acting("ada"), done.change.id, now=idp_clock.now())


def test_break_glass_needs_a_reason_and_both_roles_and_is_reviewed(
    shop: str, acting: Acting, told: list[dict[str, Any]]
) -> None:
    given = document(redirect_uris=[OTHER])
    with pytest.raises(Forbidden):
        do(acting("eve"), "client.update", given=given, emergency=True, reason="the site is down")
    with pytest.raises(Invalid):
        do(acting("both"), "client.update", given=given, emergency=True, reason="now")

    done = do(acting("both"), "client.update", given=given, emergency=True, reason="the site is down since 3 a.m.")

    assert document()["redirect_uris"] == [OTHER]
    assert any(line["event"] == "break-glass" for line in told)
    assert [one.id for one in unreviewed_emergencies()] == [done.change.id if done.change else ""]
    with pytest.raises(OwnChange):
        actions.review(acting("both"), unreviewed_emergencies()[0].id, now=idp_clock.now())
    actions.review(acting("ada"), unreviewed_emergencies()[0].id, now=idp_clock.now())
    assert unreviewed_emergencies() == []


def test_the_operator_at_the_machine_acts_alone_and_is_named(context: Flask, shop: str) -> None:
    do(operator("root"), "client.update", given=document(redirect_uris=[OTHER]))

    assert document()["redirect_uris"] == [OTHER]
    assert list_changes(target=shop)[0].created_by == "cli:root"


def test_without_four_eyes_one_person_is_enough(shop: str, acting: Acting, with_settings: Any) -> None:
    with_settings(admin={"four_eyes": False})

    assert not do(acting("eve"), "client.update", given=document(redirect_uris=[OTHER])).is_waiting


# -- clients -------------------------------------------------------------------------------------------------------


def test_a_new_client_waits_and_its_secret_is_not_shown_to_who_approves(acting: Acting) -> None:
    done = do(acting("eve"), "client.create", "fresh", new_document())
    assert done.is_waiting
    assert done.change is not None
    assert read_client("fresh") is None

    approved = actions.approve(acting("ada"), done.change.id, now=idp_clock.now())

    assert not approved.shown_once
    assert read_client("fresh") is not None
    assert list_secrets("fresh") == []
    secret = do(acting("eve"), "client.add-secret", "fresh").shown_once["client_secret"]
    assert find_client("fresh").has_secret(secret, idp_clock.now())  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "uri",
    [
        "https://*.example.fr/", "https://example.fr/#x", "http://example.fr/", "https://me@example.fr/",
        "https://192.0.2.1/", "http://localhost/cb", "https://exämple.fr/", " https://example.fr/",
        "https://example.fr/../x", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_a_redirect_uri_that_cannot_stand_is_named_ac_196(acting: Acting, uri: str) -> None:
    with pytest.raises(Invalid) as refused:
        do(acting("eve"), "client.create", "fresh", new_document(redirect_uris=[uri]))

    assert any(field.startswith("redirect_uris") for field, _why in refused.value.faults)


@pytest.mark.parametrize(
    "given",
    [
        {"is_suspended": False}, {"secrets": ["x"]}, {"version": 9}, {"logo_digest": "0" * 64},
        {"require_pkce": "no"}, {"redirect_uris": BACK}, {"default_max_age": "10"}, {"default_max_age": True},
        {"scopes": ["root"]}, {"access_token_lifetime": 86_400}, {"name": "x\ud800"}, {"name": "a\0b"},
    ],
)  # fmt: skip
def test_over_posting_and_type_confusion_are_refused(shop: str, acting: Acting, given: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        do(acting("eve"), "client.update", given=document(**given))


def test_a_suspended_client_is_refused_at_once_ac_204(shop: str, acting: Acting) -> None:
    do(acting("ada"), "client.suspend")
    assert find_client(shop).is_suspended  # type: ignore[union-attr]

    do(acting("ada"), "client.archive")
    with pytest.raises(Conflict):
        do(acting("eve"), "client.update", given=document(description="x"))
    do(acting("ada"), "client.restore")
    assert find_client(shop).is_suspended  # type: ignore[union-attr]
    do(acting("ada"), "client.resume")
    assert not find_client(shop).is_suspended  # type: ignore[union-attr]


def test_a_new_secret_lets_the_old_one_go_on_for_a_while(shop: str, acting: Acting, clock: Clock) -> None:
    first = do(acting("kim"), "client.add-secret").shown_once["client_secret"]
    second = do(acting("kim"), "client.add-secret", given={"overlap_days": 7}).shown_once["client_secret"]

    client = find_client(shop)
    assert client is not None
    assert client.has_secret(first, idp_clock.now())
    assert client.has_secret(second, idp_clock.now())
    later = idp_clock.now() + timedelta(days=7)
    assert not client.has_secret(first, later)
    assert client.has_secret(second, later)


def test_a_secret_is_revoked_now(shop: str, acting: Acting) -> None:
    secret = do(acting("kim"), "client.add-secret").shown_once["client_secret"]
    do(acting("kim"), "client.revoke-secret", given={"secret_id": list_secrets(shop)[0].id})

    assert not find_client(shop).has_secret(secret, idp_clock.now())  # type: ignore[union-attr]


def test_a_secret_is_nowhere_afterwards_ac_198(shop: str, acting: Acting, told: list[dict[str, Any]]) -> None:
    secret = do(acting("kim"), "client.add-secret").shown_once["client_secret"]
    audit.flush()

    kept = json.dumps([[one.before, one.after, one.reason] for one in db.session.query(AdminChange)])
    trail = json.dumps([one.facts for one in db.session.query(audit.AuditEvent)], default=str)
    assert secret not in kept + trail + json.dumps(told, default=str)
    assert secret not in json.dumps(document())


def test_a_secret_of_another_client_is_not_found(shop: str, acting: Acting) -> None:
    do(acting("kim"), "client.add-secret")
    other = do(operator("x"), "client.create", "other", new_document())
    assert other.shown_once
    foreign = list_secrets("other")[0].id

    with pytest.raises(NotFound):
        do(acting("kim"), "client.revoke-secret", given={"secret_id": foreign})


def test_who_what_before_and_after_are_written_down_ac_199(shop: str, acting: Acting) -> None:
    do(acting("eve"), "client.update", given=document(description="new"), reason="asked by the team")
    audit.flush()

    change = list_changes(target=shop)[0]
    assert (change.created_by, change.state, change.reason) == ("eve", "applied", "asked by the team")
    assert diff(change.before, change.after) == [("description", "", "new")]
    event = db.session.query(audit.AuditEvent).filter_by(event="client.update").one()
    assert event.facts["change"] == change.id
    assert event.administrator == "eve"


def test_a_logo_is_drawn_anew_and_waits(shop: str, acting: Acting) -> None:
    hidden = base64.b64encode(base64.b64decode(image()) + b"<script>alert(1)</script>").decode()
    done = do(acting("eve"), "client.logo", given={"content": hidden})
    assert done.is_waiting
    assert done.change is not None
    actions.approve(acting("ada"), done.change.id, now=idp_clock.now())

    logo = find_logo(shop)
    assert logo is not None
    assert b"script" not in logo.content
    assert logo.media_type == "image/png"
    assert find_client(shop).logo_digest == logo.digest  # type: ignore[union-attr]


@pytest.mark.parametrize("content", ["PHN2Zz4=", "!!", base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"0" * 40).decode()])
def test_what_is_no_picture_is_refused(shop: str, acting: Acting, content: str) -> None:
    with pytest.raises(Invalid):
        do(acting("eve"), "client.logo", given={"content": content})


# -- people --------------------------------------------------------------------------------------------------------


def test_a_role_is_granted_by_two(acting: Acting) -> None:
    done = do(acting("rose"), "administrator.roles", "rita", {"roles": ["reader", "editor"]})
    assert done.is_waiting
    assert done.change is not None
    with pytest.raises(Forbidden):
        actions.approve(acting("ada"), done.change.id, now=idp_clock.now())
    with pytest.raises(OwnChange):
        actions.approve(acting("rose"), done.change.id, now=idp_clock.now())

    actions.approve(acting("ruth"), done.change.id, now=idp_clock.now())

    assert acting("rita").may("clients.write")


def test_nobody_gives_themselves_a_role_alone(acting: Acting) -> None:
    assert do(acting("rose"), "administrator.roles", "rose", {"roles": list(ROLES)}).is_waiting
    assert not acting("rose").may("clients.write")


def test_no_emergency_gives_a_role(acting: Acting) -> None:
    do(operator("x"), "administrator.roles", "rose", {"roles": list(ROLES)})

    with pytest.raises(Forbidden):
        do(acting("rose"), "administrator.roles", "eve", {"roles": list(ROLES)}, emergency=True, reason="it is urgent")
    assert not acting("eve").may("emergency")


def test_the_last_role_admin_stays(acting: Acting) -> None:
    do(acting("rose"), "administrator.disable", "ruth")

    with pytest.raises(Conflict):
        do(acting("rose"), "administrator.disable", "rose")
    with pytest.raises(Conflict):
        do(acting("rose"), "administrator.roles", "rose", {"roles": []})


def test_a_disabled_administrator_may_do_nothing(acting: Acting) -> None:
    do(acting("rose"), "administrator.disable", "eve")

    found = find_administrator("eve")
    assert found is not None
    assert found.permissions == frozenset()
    assert do(acting("rose"), "administrator.enable", "eve").is_waiting


def test_a_new_administrator_is_added_by_two(acting: Acting) -> None:
    done = do(acting("rose"), "administrator.add", "new.one", {"roles": ["reader"]})
    assert done.change is not None
    assert find_administrator("new.one") is None

    approved = actions.approve(acting("ruth"), done.change.id, now=idp_clock.now())

    assert approved.shown_once["enrolment_password"]
    assert find_administrator("new.one") is not None


def test_the_schema_says_everything_that_is_registered() -> None:
    assert set(plain(ClientDocument.model_validate({"name": "x"}))) == set(ClientDocument.model_fields)
