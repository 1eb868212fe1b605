"""Which services know a person, and what ends when they are shown the door."""

from typing import Any

import pytest
from flask import Flask

from idp import clock as idp_clock
from idp import entropy
from idp.db import db
from idp.oidc.consents import find_consent, record_consent
from idp.oidc.grant import Grant
from idp.oidc.refresh import issue_family
from tests.conftest import ISSUER, Clock
from tests.selfservice.conftest import BOB_NIR, BOB_PASSWORD, NewPerson, Person


def connect(app: Flask, account_id: str, client_id: str, scopes: tuple[str, ...] = ("openid", "offline_access")) -> str:
    """Let a client hold a refresh token of a person; return it."""
    now = idp_clock.now()
    with app.app_context():
        grant = Grant(
            id=entropy.identifier(), client_id=client_id, account_id=account_id, sid=entropy.identifier(),
            scopes=scopes, auth_time=now, acr="urn:sesame:acr:2sv", amr=("pwd", "otp"),
        )  # fmt: skip
        token = issue_family(grant, now)
        db.session.commit()
    return token


def refresh(person: Person, client_id: str, token: str) -> Any:
    """Use a refresh token, as a public client does."""
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": client_id}
    return person.browser.post("/token", data=form, base_url=ISSUER)


@pytest.fixture
def shop_agreed(app: Flask, alice: str) -> None:
    """Let Alice have agreed that the shop reads name and address."""
    with app.app_context():
        record_consent(account_id=alice, client_id="shop", scopes=["openid", "profile", "email"], now=idp_clock.now())
        db.session.commit()


def test_nothing_connected_is_said(person: Person) -> None:
    assert "Aucun service" in person.enter("/account/services").text


def test_services_apps_and_devices_are_listed(person: Person, app: Flask, alice: str, shop_agreed: None) -> None:
    connect(app, alice, "mobile")
    connect(app, alice, "tv")

    person.enter("/account/services")

    for name in ("Service shop", "Service mobile", "Service tv"):
        assert f"<h2>{name}</h2>" in person.text
    assert "Appareil connecté." in person.text
    assert "Reste connecté." in person.text
    assert "votre adresse e-mail" in person.text


def test_a_service_in_which_one_is_signed_in_is_listed(person: Person) -> None:
    person.sign_in()

    assert "Vous y êtes connecté." in person.open("/account/services").text


def test_a_withdrawn_consent_is_asked_for_again_and_its_tokens_end(
    person: Person, app: Flask, alice: str, shop_agreed: None
) -> None:
    token = connect(app, alice, "mobile")
    person.enter("/account/services")

    person.submit("disconnect", service="shop")

    assert "Service shop" not in person.text
    with app.app_context():
        assert find_consent(alice, "shop") is None
    assert refresh(person, "mobile", token).status_code == 200


def test_a_disconnected_app_is_out_at_once(person: Person, app: Flask, alice: str) -> None:
    token = connect(app, alice, "mobile")
    person.enter("/account/services")

    person.submit("disconnect", service="mobile")

    assert refresh(person, "mobile", token).json["error"] == "invalid_grant"


def test_of_two_televisions_one_goes_and_one_stays(person: Person, app: Flask, alice: str) -> None:
    first, second = connect(app, alice, "tv"), connect(app, alice, "tv")
    person.enter("/account/services")

    person.submit("grant", grant=first.partition(".")[0])

    assert refresh(person, "tv", first).json["error"] == "invalid_grant"
    assert refresh(person, "tv", second).status_code == 200
    assert "Service tv" in person.open("/account/services").text


def test_what_somebody_else_connected_is_not_found(
    person: Person, new_person: NewPerson, app: Flask, alice: str, bob: str, shop_agreed: None
) -> None:
    token = connect(app, alice, "mobile")
    other = new_person().enter("/account/sessions", nir=BOB_NIR, password=BOB_PASSWORD)

    assert other.post("/account/services/disconnect", service="shop").page.status_code == 404
    for grant in (token.partition(".")[0], "", "x" * 22, "x" * 999):
        assert other.post("/account/services/grant", grant=grant).page.status_code == 404
    assert refresh(other, "mobile", token).status_code == 200


def test_ac_171_after_signing_out_everywhere_a_phone_is_out_too(person: Person, app: Flask, alice: str) -> None:
    token = connect(app, alice, "mobile")
    person.enter("/account/sessions")

    person.submit("sessions/everywhere")

    assert refresh(person, "mobile", token).json["error"] == "invalid_grant"


def test_removing_access_needs_a_fresh_proof(person: Person, app: Flask, alice: str, clock: Clock) -> None:
    token = connect(app, alice, "mobile")
    person.enter("/account/services")
    clock.step(minutes=6)

    person.submit("disconnect", service="mobile")

    assert person.step == "identify"
    assert refresh(person, "mobile", token).status_code == 200
