"""A client tried out in the console: a real sign-in, of nobody else, that leaves nothing usable behind."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from sqlalchemy import select

from idp import clock as idp_clock
from idp.admin import actions
from idp.admin.actors import operator
from idp.audit import AuditEvent
from idp.db import db
from idp.oidc.consents import Consent
from idp.oidc.refresh import RefreshFamily
from idp.session_clients import SessionClient
from tests.admin.conftest import BACK, document
from tests.admin.test_console import Admin, Coming
from tests.admin.test_console import admin as admin
from tests.conftest import ISSUER, Browser
from tests.signin.test_passkey import enrol

Changing = Callable[..., None]


@pytest.fixture
def changed(app: Flask, shop: str) -> Changing:
    """Return what changes the client that is tried."""

    def change(**changes: Any) -> None:
        with app.app_context():
            actions.perform(operator("x"), "client.update", shop, document(**changes), now=idp_clock.now())

    return change


def begin(eve: Admin) -> str:
    """Press the button, and return where the client's request begins."""
    eve.open("/admin/clients/shop")
    form = next(one for one in eve.browser.forms(eve.text) if one[""].endswith("/trial"))
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": ISSUER}
    answer = eve.browser.post("/admin/clients/shop/trial", data={"csrf": form["csrf"]}, headers=headers)
    assert answer.status_code == 303
    return str(answer.headers["Location"])


def events(app: Flask, kind: str = "client-tried") -> list[str]:
    with app.app_context():
        found = db.session.scalars(select(AuditEvent).where(AuditEvent.event == kind).order_by(AuditEvent.id))
        return [str(one.outcome) for one in found]


def left_behind(app: Flask) -> list[Any]:
    with app.app_context():
        families = db.session.scalars(select(RefreshFamily).where(RefreshFamily.revoked_at.is_(None))).all()
        return [*families, *db.session.scalars(select(SessionClient)), *db.session.scalars(select(Consent))]


def test_a_trial_shows_what_the_tokens_say_and_leaves_nothing(admin: Coming, app: Flask, changed: Changing) -> None:
    changed(scopes=["openid", "profile", "offline_access"], grant_types=["authorization_code", "refresh_token"],
            access_token_format="jwt", first_party=False)  # fmt: skip
    eve = admin("eve")
    eve.open(begin(eve))
    # A third party: the consent page comes first, as it would for anybody.
    assert "consent" in eve.page.request.path
    eve.submit("consent", decision="allow")

    assert eve.page.status_code == 200
    assert re.fullmatch(r"/admin/clients/shop/trial/[\w-]{22}", eve.page.request.path)
    for said in (
        "La connexion a réussi",
        "<code>phr</code>",
        "at_hash",
        "JWT signé",
        "offline_access",
        "Avec un jeton",
    ):
        assert said in eve.text, said
    assert "is-fail" not in eve.text
    # No token, and nothing that is as good as one.
    assert not re.search(r"eyJ[\w-]+\.|[\w-]{65}", eve.text)
    assert "jti" not in eve.text
    assert left_behind(app) == []
    assert events(app) == ["begun", "ok"]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"security_profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt",
         "jwks_uri": "https://service.example.fr/keys", "dpop_bound_access_tokens": True,
         "id_token_signed_response_alg": "ES256", "authorization_signed_response_alg": "ES256"},
        {"require_signed_request_object": True, "request_object_signing_alg": "ES256",
         "token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://service.example.fr/keys"},
    ],
    ids=["plain", "fapi2", "signed requests"],
)  # fmt: skip
def test_every_profile_can_be_tried_without_its_keys(
    admin: Coming, app: Flask, changed: Changing, changes: dict[str, Any]
) -> None:
    changed(**changes)
    eve = admin("eve")

    eve.open(begin(eve))

    assert "La connexion a réussi" in eve.text
    assert ("Lié à une clé" in eve.text) == ("security_profile" in changes)
    assert left_behind(app) == []


def test_the_address_is_good_for_nobody_else_ac_92(
    admin: Coming, app: Flask, shop: str, new_browser: Callable[[], Browser]
) -> None:
    """The redirect URI of a trial: not for a stranger, not for another administrator, not twice."""
    eve, ada = admin("eve"), admin("both")
    start = begin(eve)

    assert new_browser().get(start).status_code == 400
    assert ada.open(start).page.status_code == 400
    code_at = eve.browser.get(start).headers["Location"]
    trial = urlsplit(code_at)
    assert ada.open(f"{trial.path}?{trial.query}").page.status_code == 404
    plain = {"client_id": shop, "redirect_uri": f"{ISSUER}{trial.path}", "response_type": "code", "scope": "openid",
             "code_challenge": "x" * 43, "code_challenge_method": "S256"}  # fmt: skip
    assert new_browser().get("/authorize", query_string=plain).status_code == 400
    assert ada.browser.get("/authorize", query_string=plain).status_code == 400

    # Still good where it was begun, and once.
    assert "La connexion a réussi" in eve.open(f"{trial.path}?{trial.query}").page.text
    assert eve.open(f"{trial.path}?{trial.query}").page.status_code == 404


@pytest.mark.parametrize("name", ["state", "iss", "code"])
def test_an_answer_that_was_changed_gives_nothing(admin: Coming, app: Flask, shop: str, name: str) -> None:
    eve = admin("eve")
    arrived = urlsplit(eve.browser.get(begin(eve)).headers["Location"])
    sent = {key: values[0] for key, values in parse_qs(arrived.query).items()}

    answer = eve.browser.get(arrived.path, query_string={**sent, name: "x" * 65})
    eve.open(answer.headers["Location"])

    assert "La connexion n’a pas abouti" in eve.text
    assert events(app) == ["begun", "refused"]
    assert left_behind(app) == []


def test_another_person_in_the_browser_ends_the_trial(admin: Coming, app: Flask, shop: str, alice: str) -> None:
    """Nobody's tokens but one's own are ever shown: whoever signs in meanwhile is another session."""
    eve = admin("eve")
    start = begin(eve)
    eve.browser.delete_cookie("__Host-sid", domain="idp.test")
    eve.phone = enrol(app, alice)
    assert eve.open("/account").prove().page.status_code == 200  # type: ignore[attr-defined]

    assert eve.open(start).page.status_code == 400


def test_only_editors_try_and_not_what_signs_nobody_in(admin: Coming, app: Flask, shop: str) -> None:
    assert admin("rita").post("/admin/clients/shop/trial").page.status_code == 403
    with app.app_context():
        actions.perform(operator("x"), "client.suspend", shop, {}, now=idp_clock.now())

    eve = admin("eve", "/admin/clients/shop")

    assert 'id="trial"' not in eve.text
    assert eve.post("/admin/clients/shop/trial").page.status_code == 409
    assert BACK not in eve.text
