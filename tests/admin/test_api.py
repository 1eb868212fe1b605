"""The REST interface: tokens, versions, problems, and what nobody may do through it (security.md J, L; V8)."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp import audit
from idp import clock as idp_clock
from idp.admin import actions
from idp.admin.actors import operator
from idp.admin.administrators import find_administrator
from idp.admin.api.routes import ROUTES
from idp.admin.roles import NEEDS_NETWORK, ROLES
from idp.admin.tokens import AdminToken
from idp.db import db
from tests.admin.conftest import BACK, document, new_document
from tests.admin.conftest import ROLES as PEOPLE
from tests.conftest import ISSUER, Browser, Clock

HOME = "/admin/api"
Call = Callable[..., Any]


@pytest.fixture
def token_of(app: Flask, administrators: dict[str, str]) -> Callable[..., str]:
    """Return what makes a token of an administrator, with all that they may do or less."""

    def make(name: str, *scopes: str, **more: Any) -> str:
        from idp import crypto, entropy

        value = f"sesame_admin_{entropy.token()}"
        with app.app_context():
            owner = find_administrator(name)
            assert owner is not None
            now = idp_clock.now()
            token = AdminToken(
                id=entropy.identifier(), fingerprint=crypto.fingerprint(value), owner=name, label="test",
                is_service=False, scopes=list(scopes) or sorted(owner.permissions), networks=[], created_at=now,
                expires_at=now + timedelta(days=30),
            )  # fmt: skip
            for field, one in more.items():
                setattr(token, field, one)
            db.session.add(token)
            db.session.commit()
        return value

    return make


@pytest.fixture
def call(http: Browser, token_of: Callable[..., str]) -> Call:
    """Return what calls the interface as somebody."""
    tokens: dict[str, str] = {}

    def do(who: str | None, method: str, path: str, body: Any = None, **headers: str) -> Any:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            tokens.setdefault(who, who if who.startswith("sesame_") else token_of(who))
            sent["Authorization"] = f"Bearer {tokens[who]}"
        data = None if body is None else json.dumps(body)
        kind = sent.pop("Content-Type", "application/json" if body is not None else None)
        return http.open(f"{HOME}{path}", method=method, data=data, headers=sent, content_type=kind)

    return do


def etag(answer: Any) -> str:
    return str(answer.headers["ETag"])


def test_a_client_is_registered_changed_with_a_second_person_and_seen_in_its_history(call: Call, shop: str) -> None:
    waiting = call("eve", "POST", "/clients", {"client_id": "fresh", "document": new_document()})
    assert waiting.status_code == 202
    assert call("eve", "GET", "/clients/fresh").status_code == 404

    approved = call("ada", "POST", f"/changes/{waiting.json['change']['id']}/approve", {})

    assert approved.status_code == 200
    shown = call("rita", "GET", "/clients/fresh")
    assert shown.json["document"]["redirect_uris"] == [BACK]
    history = call("rita", "GET", "/clients/fresh/history").json["items"]
    assert [(one["act"], one["created_by"], one["decided_by"]) for one in history] == [
        ("client.create", "eve (test)", "ada (test)")
    ]


def test_what_was_read_is_sent_back_and_changes_nothing_ac_201(call: Call, shop: str) -> None:
    shown = call("eve", "GET", "/clients/shop")

    again = call("eve", "PUT", "/clients/shop", {"document": shown.json["document"]}, If_Match=etag(shown))

    assert again.status_code == 200
    assert again.json["change"] is None
    assert call("eve", "GET", "/clients/shop").json == shown.json


def test_a_lost_update_is_refused_ac_201(call: Call, shop: str) -> None:
    shown = call("eve", "GET", "/clients/shop")
    body = {"document": {**shown.json["document"], "description": "one"}}
    assert call("eve", "PUT", "/clients/shop", body, If_Match=etag(shown)).status_code == 200

    assert call("both", "PUT", "/clients/shop", body, If_Match=etag(shown)).status_code == 412
    assert call("both", "PUT", "/clients/shop", body).status_code == 428
    for odd in ("*", 'W/"2"', '"2", "1"', '"x"', ""):
        assert call("both", "PUT", "/clients/shop", body, If_Match=odd).status_code in {412, 428}


def test_everything_needs_a_token(call: Call, shop: str) -> None:
    for route in ROUTES:
        path = route.path.replace("<client_id>", "shop").replace("<name>", "eve").replace("<change_id>", "x")
        path = path.replace("<secret_id>", "1").replace("<token_id>", "x")
        answer = call(None, route.method, path, {} if route.body else None)
        assert answer.status_code == 401, route.path
        assert answer.mimetype == "application/problem+json"
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("who", PEOPLE)
def test_each_role_reaches_what_the_table_says_ac_195(call: Call, shop: str, who: str) -> None:
    """ASVS 8.2.1: the matrix of roles and routes, generated from the tables."""
    allowed = {permission for role in PEOPLE[who] for permission in ROLES[role]}
    for route in ROUTES:
        if not route.permission:
            continue
        path = route.path.replace("<client_id>", "nobody").replace("<name>", "nobody").replace("<change_id>", "x")
        answer = call(who, route.method, path.replace("<secret_id>", "1"), {} if route.body else None, If_Match='"1"')
        assert (answer.status_code == 403) == (route.permission not in allowed), (who, route.method, route.path)


def test_a_token_allows_no_more_than_its_scope(call: Call, token_of: Callable[..., str], shop: str) -> None:
    narrow = token_of("both", "clients.read")

    assert call(narrow, "GET", "/clients/shop").status_code == 200
    assert call(narrow, "POST", "/clients/shop/suspend", {}).status_code == 403


def test_a_token_allows_no_more_than_its_owner_may_now_asvs_8_3_2(
    app: Flask, call: Call, token_of: Callable[..., str], shop: str
) -> None:
    value = token_of("eve")
    assert call(value, "GET", "/clients/shop").status_code == 200
    with app.app_context():
        actions.perform(operator("x"), "administrator.roles", "eve", {"roles": []}, now=idp_clock.now())

    assert call(value, "GET", "/clients/shop").status_code == 403
    with app.app_context():
        actions.perform(operator("x"), "administrator.disable", "eve", {}, now=idp_clock.now())
    assert call(value, "GET", "/clients/shop").status_code == 401


def test_a_token_ends_and_stays_at_its_addresses(
    call: Call, token_of: Callable[..., str], clock: Clock, shop: str
) -> None:
    elsewhere = token_of("eve", networks=["192.0.2.0/24"])
    here = token_of("eve", networks=["127.0.0.0/8"])
    assert call(elsewhere, "GET", "/clients/shop").status_code == 401
    assert call(here, "GET", "/clients/shop").status_code == 200

    clock.step(days=30)

    assert call(here, "GET", "/clients/shop").status_code == 401


def test_tokens_are_made_shown_once_and_revoked_by_their_owner_only(app: Flask, call: Call) -> None:
    made = call("eve", "POST", "/tokens", {"label": "CI", "scopes": ["clients.read"], "days": 90})
    assert made.status_code == 201
    value, token_id = made.json["value"], made.json["token"]["id"]
    assert call(value, "GET", "/clients").status_code == 200
    assert value not in call("eve", "GET", "/tokens").text
    with app.app_context():
        kept = db.session.get(AdminToken, token_id)
        assert kept is not None
        assert value not in str(vars(kept))
        assert kept.last_used_at is not None

    # IDOR: another's token is not there.
    assert call("both", "DELETE", f"/tokens/{token_id}").status_code == 404
    assert token_id not in call("both", "GET", "/tokens").text
    assert call("eve", "DELETE", f"/tokens/{token_id}").status_code == 200
    assert call(value, "GET", "/clients").status_code == 401


@pytest.mark.parametrize(
    "asked",
    [
        {"label": "x", "scopes": ["clients.approve"], "days": 1},
        {"label": "x", "scopes": ["administrators.write"], "days": 1},
        {"label": "x", "scopes": ["clients.read"], "days": 91},
        {"label": "x", "scopes": ["clients.read"], "networks": ["everywhere"]},
        {"label": "x", "scopes": ["*"]},
        {"label": "x", "scopes": []},
        {"label": "x", "scopes": ["clients.read"], "owner": "rose"},
    ],
)
def test_a_token_cannot_be_more_than_its_maker(call: Call, asked: dict[str, Any]) -> None:
    assert call("eve", "POST", "/tokens", asked).status_code == 422


def test_what_approves_is_tied_to_addresses(call: Call) -> None:
    asked = {"label": "x", "scopes": ["emergency"], "days": 1}

    assert "networks" in call("both", "POST", "/tokens", asked).text
    assert call("both", "POST", "/tokens", {**asked, "networks": ["127.0.0.1/32"]}).status_code == 201
    assert {"clients.approve", "administrators.approve"} <= NEEDS_NETWORK


def test_a_token_is_its_owner_who_approves_nothing_of_their_own(call: Call, shop: str) -> None:
    shown = call("both", "GET", "/clients/shop")
    body = {"document": {**shown.json["document"], "redirect_uris": ["https://autre.example.fr/"]}}
    waiting = call("both", "PUT", "/clients/shop", body, If_Match=etag(shown))
    assert waiting.status_code == 202

    refused = call("both", "POST", f"/changes/{waiting.json['change']['id']}/approve", {})

    assert refused.status_code == 403
    assert refused.json["type"] == "urn:sesame:problem:own-change"


def test_break_glass_over_the_interface(call: Call, shop: str) -> None:
    shown = call("both", "GET", "/clients/shop")
    changed = {**shown.json["document"], "redirect_uris": ["https://autre.example.fr/"]}
    body = {"document": changed, "emergency": True, "reason": "the old host is gone"}

    done = call("both", "PUT", "/clients/shop", body, If_Match=etag(shown))

    assert done.status_code == 200
    assert done.json["change"]["emergency"] is True
    assert call("ada", "POST", f"/changes/{done.json['change']['id']}/review", {}).json["change"]["reviewed_by"]


def test_a_secret_is_shown_once_ac_198(app: Flask, call: Call, shop: str) -> None:
    made = call("kim", "POST", "/clients/shop/secrets", {"label": "2026", "overlap_days": 0})
    secret = made.json["shown_once"]["client_secret"]

    everything = "".join(
        call("kim", "GET", path).text
        for path in ("/clients", "/clients/shop", "/clients/shop/secrets", "/clients/shop/history", "/changes")
    )
    assert made.status_code == 201
    assert secret not in everything
    listed = call("kim", "GET", "/clients/shop/secrets").json["items"]
    assert len(listed) == 2
    assert call("kim", "DELETE", f"/clients/shop/secrets/{listed[0]['id']}").status_code == 200
    with app.app_context():
        assert secret not in json.dumps([one.facts for one in db.session.query(audit.AuditEvent)], default=str)


def test_a_list_goes_on_where_it_ended(app: Flask, call: Call, shop: str) -> None:
    with app.app_context():
        for number in range(5):
            actions.perform(operator("x"), "client.create", f"c{number}", new_document(), now=idp_clock.now())
    seen, after = [], ""
    for _ in range(9):
        found = call("rita", "GET", f"/clients?limit=2{after}").json
        seen += [one["client_id"] for one in found["items"]]
        if not found["next"]:
            break
        after = f"&after={found['next']}"

    assert seen == ["c0", "c1", "c2", "c3", "c4", "shop"]
    assert [one["client_id"] for one in call("rita", "GET", "/clients?q=boutique").json["items"]] == ["shop"]
    assert [one["client_id"] for one in call("rita", "GET", "/clients?q=service.example.fr").json["items"]][
        -1
    ] == "shop"
    first = call("rita", "GET", "/changes?limit=2").json
    second = call("rita", "GET", f"/changes?limit=2&after={first['next']}").json
    assert len({one["id"] for one in first["items"] + second["items"]}) == 4


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1&limit=2", "sort=1", "state=gone", "after=%00"])
def test_a_parameter_that_is_not_known_is_refused(call: Call, query: str) -> None:
    assert call("rita", "GET", f"/clients?{query}").status_code == 400


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_another_site_can_send_is_refused_ac_203(call: Call, shop: str, kind: str) -> None:
    assert call("ada", "POST", "/clients/shop/suspend", {}, Content_Type=kind).status_code == 415


def test_a_cookie_opens_nothing_ac_203(http: Browser, shop: str) -> None:
    http.set_cookie("__Host-sid", "x" * 43, domain="idp.test", secure=True)

    assert http.post(f"{HOME}/clients/shop/suspend", json={}).status_code == 401
    assert http.get(f"{HOME}/clients/shop/suspend").status_code == 405


@pytest.mark.parametrize(
    "raw", ["", "[]", "null", '{"a":1,"a":2}', "{" * 60_000, '{"reason":"\\u0000"}', '{"reason":NaN}', "{"]
)
def test_odd_json_is_refused_ac_207(http: Browser, token_of: Callable[..., str], shop: str, raw: str) -> None:
    headers = {"Authorization": f"Bearer {token_of('ada')}"}
    answer = http.post(f"{HOME}/clients/shop/suspend", data=raw, content_type="application/json", headers=headers)

    assert answer.status_code == 400
    assert answer.mimetype == "application/problem+json"


@pytest.mark.parametrize(
    "given",
    [
        {"state": "active"}, {"version": 1}, {"client_secret": "mine"}, {"suspended_at": None}, {"require_pkce": 0},
        {"redirect_uris": "https://example.fr/"}, {"names": ["fr"]}, {"jwks": []}, {"default_max_age": 1e3},
    ],
)  # fmt: skip
def test_over_posting_and_type_confusion_are_refused(call: Call, shop: str, given: dict[str, Any]) -> None:
    shown = call("eve", "GET", "/clients/shop")
    body = {"document": {**shown.json["document"], **given}}

    refused = call("eve", "PUT", "/clients/shop", body, If_Match=etag(shown))

    assert refused.status_code == 422
    assert refused.json["errors"]


def test_nobody_raises_themselves_by_a_body(call: Call) -> None:
    body = {"name": "new.one", "roles": ["reader"], "created_by": "rose", "approved_by": "ruth"}

    assert call("rose", "POST", "/administrators", body).status_code == 422
    assert call("eve", "PUT", "/administrators/eve/roles", {"roles": list(ROLES)}, If_Match='"1"').status_code == 403


def test_redirect_uris_are_judged_one_by_one(call: Call) -> None:
    uris = [BACK, "https://*.example.fr/", "https://example.fr/retour/", "https://xn--cf-jka.fr/"]

    judged = call("rita", "POST", "/redirect-uris/check", {"uris": uris}).json["items"]

    assert [one["usable"] for one in judged] == [True, False, True, True]
    assert "wildcard" in judged[1]["faults"][0]
    assert judged[2]["notes"] == ["slash"]
    assert judged[3]["notes"] == ["punycode"]


def test_from_another_network_there_is_nothing_ac_194(call: Call, http: Browser, with_settings: Any) -> None:
    with_settings(admin={"networks": ("192.0.2.0/24",)})

    assert call("rita", "GET", "/clients").status_code == 404
    assert http.get(f"{HOME}/openapi.json").status_code == 404
    assert http.get("/admin").status_code == 404


def test_a_fault_tells_nothing_but_its_reference_ac_218(
    http: Browser, token_of: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from sqlalchemy.exc import OperationalError

    from idp.admin import listing

    def broken(**_: Any) -> Any:
        raise OperationalError("SELECT secret", {}, Exception("host=db.internal"))

    monkeypatch.setattr(listing, "list_clients", broken)
    answer = http.get(f"{HOME}/clients", headers={"Authorization": f"Bearer {token_of('rita')}"})

    assert answer.status_code == 503
    assert "internal" not in answer.text
    assert answer.json["reference"]


def test_the_document_is_published_and_names_every_route(http: Browser) -> None:
    told = http.get(f"{HOME}/openapi.json").json

    assert told["openapi"] == "3.1.0"
    operations = {
        (method.upper(), path.replace("{", "<").replace("}", ">"))
        for path, methods in told["paths"].items()
        for method in methods
    }
    assert operations == {(route.method, f"{HOME}{route.path}") for route in ROUTES}
    assert len({one["operationId"] for methods in told["paths"].values() for one in methods.values()}) == len(ROUTES)


def test_the_document_says_the_same_as_the_issuer_serves(http: Browser) -> None:
    assert http.get(f"{ISSUER}{HOME}/nothing-here").status_code == 404
    assert http.patch(f"{HOME}/clients").headers["Allow"] == "GET, POST"


def test_document_helper_is_complete(context: Flask, shop: str) -> None:
    assert document()["client_uri"] is None
