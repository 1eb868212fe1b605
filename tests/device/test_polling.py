"""What a device is told at each poll (RFC 8628 §3.4, §3.5), and that its code buys tokens once, for it alone."""

import json
import secrets
from typing import Any

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import ECKey

from idp.accounts import directory
from idp.db import db
from idp.oidc import registration
from idp.oidc.clients import suspend_client
from idp.oidc.device_requests import DEVICE_CODE
from idp.settings import Settings
from tests.conftest import ALICE_NIR, ISSUER, Browser, Clock, example_settings
from tests.device.conftest import Device, Person, Switch
from tests.oidc.test_token import claims_of


def error(answer: Any) -> str:
    assert answer.status_code == 400, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return str(answer.json["error"])


def test_before_the_answer_it_is_pending(tv: Device, clock: Clock) -> None:
    assert error(tv.poll()) == "authorization_pending"
    clock.step(seconds=5)
    assert error(tv.poll()) == "authorization_pending"


def test_each_hasty_poll_makes_the_interval_five_seconds_longer(tv: Device, clock: Clock) -> None:
    assert error(tv.poll()) == "authorization_pending"
    clock.step(seconds=4)
    assert error(tv.poll()) == "slow_down"
    clock.step(seconds=9)
    assert error(tv.poll()) == "slow_down"
    clock.step(seconds=14)
    assert error(tv.poll()) == "slow_down"

    clock.step(seconds=20)

    assert error(tv.poll()) == "authorization_pending"


def test_one_device_in_a_hurry_slows_no_other_one(switch_on: Switch) -> None:
    hasty, calm = switch_on(), switch_on()
    hasty.poll()

    assert error(hasty.poll()) == "slow_down"
    assert error(calm.poll()) == "authorization_pending"


def test_after_ten_minutes_it_has_expired(tv: Device, clock: Clock) -> None:
    clock.step(seconds=599)
    assert error(tv.poll()) == "authorization_pending"
    clock.step(seconds=1)
    assert error(tv.poll()) == "expired_token"
    clock.step(minutes=11)
    assert error(tv.poll()) == "invalid_grant"


def test_a_denied_device_is_told_so_again_and_again(tv: Device, person: Person) -> None:
    person.come_to_the_question(tv).answer_question("deny")

    assert [error(tv.poll()) for _ in range(3)] == ["access_denied"] * 3


def test_an_allowed_device_gets_tokens_that_tell_how_the_person_signed_in(
    tv: Device, person: Person, http: Browser, clock: Clock, switch_on: Switch
) -> None:
    tv = switch_on(nonce="n-7", scope="openid profile offline_access")
    person.come_to_the_question(tv)
    signed_in_at = int(clock().timestamp())
    clock.step(seconds=40)
    person.allow()

    answer = tv.poll()

    assert answer.status_code == 200, answer.text
    assert answer.json["scope"] == "openid profile offline_access"
    claims = claims_of(http, answer.json["id_token"])
    assert {name: claims[name] for name in ("iss", "aud", "acr", "amr", "nonce", "auth_time")} == {
        "iss": ISSUER, "aud": "tv", "acr": "urn:sesame:acr:2sv", "amr": ["pwd", "otp"], "nonce": "n-7",
        "auth_time": signed_in_at,
    }  # fmt: skip
    told = http.get("/userinfo", headers={"Authorization": f"Bearer {answer.json['access_token']}"}).json
    assert (told["sub"], told["given_name"]) == (claims["sub"], "Alice")
    refreshed = tv.post("/token", grant_type="refresh_token", refresh_token=answer.json["refresh_token"])
    assert claims_of(http, refreshed.json["id_token"])["auth_time"] == signed_in_at


def test_an_sms_sign_in_is_told_as_such(tv: Device, person: Person, http: Browser) -> None:
    person.type_user_code(tv.code).identify().ask_for_code("sms").type_code()
    person.allow()  # type: ignore[attr-defined]

    assert claims_of(http, tv.poll().json["id_token"])["acr"] == "urn:sesame:acr:mfa"


def test_a_device_that_wishes_a_level_is_offered_it_first(switch_on: Switch, person: Person) -> None:
    tv = switch_on(acr_values="urn:sesame:acr:mfa")

    page = person.type_user_code(tv.code).identify().page.text

    assert page.index("channel-sms") < page.index("channel-email")


def test_a_client_without_refresh_tokens_gets_none(switch_on: Switch, person: Person) -> None:
    box = switch_on("box", scope="openid")
    person.come_to_the_question(box).allow()

    assert set(box.poll().json) == {"access_token", "token_type", "expires_in", "scope", "id_token"}


def test_the_code_is_good_once(tv: Device, person: Person) -> None:
    person.come_to_the_question(tv).allow()

    assert tv.poll().status_code == 200
    assert error(tv.poll()) == "invalid_grant"


def test_a_code_of_another_client_is_worth_nothing_and_stays_whole(
    tv: Device, switch_on: Switch, person: Person
) -> None:
    cinema = switch_on("cinema")
    person.come_to_the_question(tv).allow()

    assert error(cinema.poll(tv.screen["device_code"])) == "invalid_grant"
    assert tv.poll().status_code == 200


@pytest.mark.parametrize(
    "spoil", [lambda c: c[:22] + "A" * 43, lambda c: c + "A", lambda c: c[:-1], lambda c: "é" * 65, lambda c: c[22:]]
)
def test_a_made_up_code_is_unknown(tv: Device, person: Person, spoil: Any) -> None:
    person.come_to_the_question(tv).allow()

    assert error(tv.poll(spoil(tv.screen["device_code"]))) == "invalid_grant"
    assert tv.poll().status_code == 200


def test_without_a_code_the_request_is_malformed(tv: Device) -> None:
    answer = tv.post("/token", grant_type="urn:ietf:params:oauth:grant-type:device_code")

    assert error(answer) == "invalid_request"


def test_allowed_in_the_last_second_a_device_still_collects(tv: Device, person: Person, clock: Clock) -> None:
    person.come_to_the_question(tv)
    clock.step(seconds=599)
    person.allow()
    clock.step(seconds=30)

    assert tv.poll().status_code == 200


def test_allowed_and_never_collected_it_expires(tv: Device, person: Person, clock: Clock) -> None:
    person.come_to_the_question(tv).allow()
    clock.step(seconds=601)

    assert error(tv.poll()) == "expired_token"


def test_an_account_suspended_after_the_yes_gives_nothing(app: Flask, tv: Device, person: Person, clock: Clock) -> None:
    person.come_to_the_question(tv).allow()
    with app.app_context():
        account = directory.find_account_by_nir(ALICE_NIR)
        assert account is not None
        directory.set_status(account.id, "restricted", now=clock())
        db.session.commit()

    assert error(tv.poll()) == "invalid_grant"


def test_a_password_changed_after_the_yes_ends_it(app: Flask, tv: Device, person: Person, clock: Clock) -> None:
    person.come_to_the_question(tv).allow()
    clock.step(seconds=2)
    with app.app_context():
        account = directory.find_account_by_nir(ALICE_NIR)
        assert account is not None
        directory.set_password(account.id, "another-horse-7-battery", now=clock())
        db.session.commit()

    assert error(tv.poll()) == "invalid_grant"


def test_a_suspended_client_gets_nothing(app: Flask, tv: Device, person: Person, clock: Clock) -> None:
    person.come_to_the_question(tv).allow()
    with app.app_context():
        suspend_client("tv", clock())
        db.session.commit()

    assert tv.poll().json["error"] == "invalid_client"


def test_with_a_dpop_proof_the_tokens_are_bound_to_its_key_rfc9449_5(tv: Device, person: Person, clock: Clock) -> None:
    key = ECKey.generate_key("P-256")

    def prove(path: str) -> dict[str, str]:
        claims = {"htm": "POST", "htu": ISSUER + path, "iat": int(clock().timestamp()), "jti": secrets.token_hex(8)}
        header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False)}
        return {"DPoP": jwt.encode(header, claims, key)}

    def post(proof: bool, **form: str) -> Any:
        headers = prove("/token") if proof else {}
        return tv.browser.post("/token", data={"client_id": "tv", **form}, headers=headers)

    person.come_to_the_question(tv).allow()
    answer = post(True, grant_type=DEVICE_CODE, device_code=tv.screen["device_code"])

    assert answer.json["token_type"] == "DPoP"
    refresh = {"grant_type": "refresh_token", "refresh_token": answer.json["refresh_token"]}
    assert post(False, **refresh).status_code == 400
    assert post(True, **refresh).json["token_type"] == "DPoP"


def test_details_are_shown_and_come_back_with_the_tokens_rfc9396(
    app: Flask, relying_parties: Any, person: Person, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = {"texts": {"fr": "Payer une facture"}, "fields": ["sum"], "labels": {"sum": {"fr": "Somme"}}}
    held = app.extensions["sesame"]["settings"]
    types = Settings.model_validate(example_settings(authorization_details={"payment": kind})).authorization_details
    monkeypatch.setitem(app.extensions["sesame"], "settings", held.model_copy(update={"authorization_details": types}))
    details = [{"type": "payment", "sum": "12 EUR"}]

    asked = {"client_id": "till", "name": "Till", "kind": "device", "authorization_details_types": ["payment"]}
    with app.app_context():
        registration.add_client(registration.metadata_from_form(asked), now=clock())
        db.session.commit()

    till = Device(person.app.test_client(), "till")  # type: ignore[arg-type]
    assert till.ask(scope="openid", authorization_details=json.dumps(details)).status_code == 200
    person.come_to_the_question(till)
    assert "Somme: 12 EUR" in person.page.text
    person.allow()

    assert till.poll().json["authorization_details"] == details


def test_signing_out_of_the_browser_leaves_the_device_on(tv: Device, person: Person, switch_on: Switch) -> None:
    tv = switch_on(scope="openid")
    person.come_to_the_question(tv).allow()
    tokens = tv.poll().json
    person.open("/logout").submit("logout")

    assert tv.post("/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"]).status_code == 200
