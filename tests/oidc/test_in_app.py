"""OAuth 2.0 for First-Party Applications: the app asks, this provider decides, and a thief of any part gets nothing."""

import base64
import hashlib
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Flask

from idp import clock as idp_clock
from idp import crypto
from idp.accounts import directory
from idp.accounts.directories import init_directory
from idp.accounts.models import KnownDevice
from idp.accounts.new_devices import NewDevice
from idp.accounts.outside import DirectoryAway, Kept, Person
from idp.audit import AuditEvent
from idp.db import db
from idp.messages.models import Outbox
from idp.mfa import guard
from idp.mfa.codes import Challenge, find_challenge, start_challenge
from idp.oidc.in_app_session import APP_SESSIONS
from idp.oidc.registration import MetadataFault, check_client_metadata, metadata_from_form
from idp.oidc.sign_out import sign_out_everywhere
from idp.oidc.wire_metadata import read_wire
from idp.session import SessionRecord
from idp.settings import Settings
from idp.signin.interaction import INTERACTIONS, Interaction
from idp.state import state
from tests.conftest import ALICE_EMAIL, ALICE_NIR, ALICE_PASSWORD, ISSUER, Browser, Clock
from tests.mfa.authenticator import Authenticator
from tests.oidc.conftest import CALLBACK, VERIFIER, Maker
from tests.oidc.proofs import Key, claims_in, ec_key, proof_for, thumbprint
from tests.signin.test_passkey import enrol
from tests.signin.test_walk import add_bob

PATH = "/authorize-challenge"
EMAIL_LEVEL = "urn:sesame:acr:2sv"
IN_APP: dict[str, Any] = {"kind": "mobile", "in_app": True, "dpop_bound_access_tokens": True}
Change = Callable[..., Settings]


class App:
    """The operator's app on one phone: a key, and the last answer."""

    def __init__(self, app: Flask, http: Browser, client_id: str = "caf-app", key: Key | None = None) -> None:
        self.app, self.http, self.client_id = app, http, client_id
        self.key = key or ec_key("app")
        self.told: dict[str, Any] = {}
        self.status = 0

    def call(self, *, key: Key | None = None, headers: dict[str, str] | None = None, **form: Any) -> "App":
        """Send one request, as this app does; a field given as ``None`` is left out."""
        fields = {"client_id": self.client_id, **form}
        proof = proof_for(key or self.key, PATH) if headers is None else headers
        answer = self.http.post(PATH, data={n: v for n, v in fields.items() if v is not None}, headers=proof)
        self.status, self.told = answer.status_code, answer.json or {}
        self.answer = answer
        return self

    def start(self, **changes: Any) -> "App":
        """Begin a sign-in."""
        asked = {
            "response_type": "code", "scope": "openid profile offline_access", "nonce": "n-1",
            "code_challenge": create_s256_code_challenge(VERIFIER), "code_challenge_method": "S256", **changes,
        }  # fmt: skip
        self.call(**asked)
        self.auth_session = self.told.get("auth_session", "")
        return self

    def go_on(self, **form: Any) -> "App":
        """Send the next step."""
        return self.call(**{"auth_session": self.auth_session, **form})

    def identify(self, nir: str = ALICE_NIR, password: str = ALICE_PASSWORD) -> "App":
        return self.go_on(nir=nir, password=password)

    def to_code(self) -> "App":
        """Walk until a code is out."""
        return self.start().identify().go_on(channel="email")

    def redeem(self, code: str | None = None, *, key: Key | None = None, **changes: Any) -> Any:
        """Exchange the code for tokens: without `redirect_uri` (draft §6)."""
        form = {
            "client_id": self.client_id, "grant_type": "authorization_code", "code_verifier": VERIFIER,
            "code": code or self.told["authorization_code"], **changes,
        }  # fmt: skip
        return self.http.post("/token", data=form, headers=proof_for(key or self.key))

    @property
    def interaction(self) -> Interaction:
        with self.app.app_context():
            session = state.get(APP_SESSIONS, crypto.fingerprint(self.auth_session))
            assert session is not None
            found = state.get(INTERACTIONS, session.interaction_id)
        assert found is not None
        return found

    @property
    def challenge(self) -> Challenge:
        with self.app.app_context():
            found = find_challenge(self.interaction.challenge_id)
        assert found is not None
        return found

    @property
    def code(self) -> str:
        with self.app.app_context():
            return self.challenge.code

    @property
    def wrong_code(self) -> str:
        return f"{(int(self.code) + 1) % 1_000_000:06d}"


@pytest.fixture
def on(with_settings: Change) -> None:
    """Switch the endpoint on, with number and password."""
    with_settings(in_app={"enabled": True, "password": True})


@pytest.fixture
def caf(app: Flask, http: Browser, alice: str, on: None, make_client: Maker) -> App:
    make_client("caf-app", **IN_APP)
    return App(app, http)


@pytest.fixture
def phone(app: Flask, alice: str) -> Authenticator:
    return enrol(app, alice)


def ask_for(told: dict[str, Any]) -> tuple[str, str]:
    return told["error"], told["next"]


def events(app: Flask, event: str) -> list[tuple[str, str | None]]:
    with app.app_context():
        rows = db.session.query(AuditEvent.outcome, AuditEvent.reason).filter_by(event=event).order_by(AuditEvent.id)
        found = [(outcome, reason) for outcome, reason in rows]
        db.session.rollback()
    return found


# -- the ways in ---------------------------------------------------------------------------------------------------


def test_a_passkey_is_the_whole_sign_in(app: Flask, alice: str, caf: App, phone: Authenticator) -> None:
    caf.start()
    assert caf.status == 400
    assert ask_for(caf.told) == ("insufficient_authorization", "passkey")
    assert caf.told["public_key"]["userVerification"] == "required"
    assert caf.answer.headers["Cache-Control"] == "no-store"

    caf.go_on(passkey_response=phone.get(caf.told["public_key"]))

    assert caf.status == 200
    assert set(caf.told) == {"authorization_code"}
    tokens = caf.redeem().json
    assert tokens["token_type"] == "DPoP"
    claims = claims_in(tokens["id_token"])
    assert (claims["acr"], claims["nonce"], claims["aud"]) == ("phr", "n-1", "caf-app")
    refreshed = caf.http.post(
        "/token",
        data={"client_id": "caf-app", "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
        headers=proof_for(caf.key),
    )
    assert refreshed.status_code == 200


class Away:
    """A directory behind a cut cable."""

    keeps: frozenset[Kept] = frozenset()

    def authenticate(self, nir: str, password: str) -> Person | None:
        raise DirectoryAway("no answer")

    def find(self, nir: str) -> Person | None:
        raise DirectoryAway("no answer")

    def close(self) -> None:
        pass


def test_a_directory_that_is_away_lets_nobody_in_and_counts_for_nobody(app: Flask, alice: str, caf: App) -> None:
    caf.start()
    init_directory(app, Away())
    try:
        for _ in range(8):
            caf.identify()
            assert (caf.status, caf.told["error"]) == (503, "temporarily_unavailable")
            assert set(caf.told) == {"error", "error_description"}
    finally:
        init_directory(app, None)

    assert ask_for(caf.identify().told) == ("insufficient_authorization", "choose_channel")


def test_number_password_and_code(app: Flask, alice: str, caf: App) -> None:
    caf.start().identify()
    assert ask_for(caf.told) == ("insufficient_authorization", "choose_channel")
    assert [one["channel"] for one in caf.told["channels"]] == ["email", "sms"]
    # AC-40: whoever has the password alone reads no address.
    assert ALICE_EMAIL not in json.dumps(caf.told, ensure_ascii=False)

    caf.go_on(channel="email")
    assert ask_for(caf.told) == ("insufficient_authorization", "otp")
    assert caf.told["expires_in"] == 900
    assert caf.told["words"]
    # AC-17: nothing of the code is in what the app is told.
    assert caf.code not in json.dumps(caf.told)
    caf.go_on(code=caf.code)

    assert caf.status == 200
    assert claims_in(caf.redeem().json["id_token"])["acr"] == EMAIL_LEVEL


def test_a_passkey_is_the_second_step_too(caf: App, phone: Authenticator) -> None:
    caf.start().identify()
    assert caf.told["choices"] == ["passkey", "choose_channel"]
    assert len(caf.told["public_key"]["allowCredentials"]) == 1

    caf.go_on(passkey_response=phone.get(caf.told["public_key"]))

    assert claims_in(caf.redeem().json["id_token"])["amr"] == ["pwd", "pop", "user", "mfa"]


def test_the_session_alone_names_the_client(caf: App, phone: Authenticator) -> None:
    caf.start()

    caf.go_on(client_id=None, passkey_response=phone.get(caf.told["public_key"]))

    assert caf.status == 200


def test_the_sign_in_is_listed_told_of_and_ended_like_any_other(app: Flask, alice: str, caf: App) -> None:
    caf.to_code().go_on(code=caf.code)
    tokens = caf.redeem().json
    with app.app_context():
        record = db.session.query(SessionRecord).filter_by(account_id=alice).one()
        assert record.device_label.startswith("Service")
        # The phone is new: its owner is told, once; the next time it is known by its key.
        assert db.session.query(NewDevice).count() == 1
        sign_out_everywhere(alice, idp_clock.now(), reason="device-lost")
        db.session.commit()
    refused = caf.http.post(
        "/token",
        data={"client_id": "caf-app", "grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]},
        headers=proof_for(caf.key),
    )
    assert refused.json["error"] == "invalid_grant"
    access = {"Authorization": f"DPoP {tokens['access_token']}"}
    proof = proof_for(caf.key, "/userinfo", "GET", ath=_ath(tokens["access_token"]))
    assert caf.http.get("/userinfo", headers={**access, **proof}).status_code == 401


def _ath(token: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(token.encode()).digest()).decode().rstrip("=")


def test_a_known_app_is_known_by_its_key(app: Flask, alice: str, caf: App, clock: Clock) -> None:
    caf.to_code().go_on(code=caf.code)
    clock.step(minutes=2)
    caf.to_code().go_on(code=caf.code)

    assert caf.status == 200
    with app.app_context():
        assert db.session.query(KnownDevice).filter_by(account_id=alice).count() == 1
        assert db.session.query(NewDevice).count() == 1
        db.session.rollback()


# -- what the app cannot show --------------------------------------------------------------------------------------


def test_what_needs_a_page_goes_to_the_web_with_the_request(app: Flask, alice: str, caf: App) -> None:
    caf.start(redirect_uri=CALLBACK, state="st-9")
    with app.app_context():
        directory.set_status(alice, "restricted", now=idp_clock.now())
        db.session.commit()

    caf.identify()

    assert caf.status == 400
    assert caf.told["error"] == "redirect_to_web"
    assert caf.told["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
    assert caf.told["expires_in"] == 90
    query = {"client_id": "caf-app", "request_uri": caf.told["request_uri"]}
    there = caf.http.get("/authorize", query_string=query)
    assert there.status_code == 303
    # In the browser nothing is proved yet.
    assert caf.http.get(there.headers["Location"]).headers["Location"].endswith("/identify")
    assert caf.go_on().told["error"] == "invalid_session"


def test_without_a_way_back_there_is_no_request_uri(app: Flask, alice: str, caf: App) -> None:
    caf.start(prompt="consent")

    assert caf.told["error"] == "redirect_to_web"
    assert "request_uri" not in caf.told


def test_a_level_that_the_person_cannot_reach_goes_to_the_web(caf: App) -> None:
    caf.start(claims=json.dumps({"id_token": {"acr": {"essential": True, "value": "phr"}}})).identify()

    assert caf.told["error"] == "redirect_to_web"


def test_another_person_than_the_demanded_one_gets_nothing(app: Flask, alice: str, caf: App) -> None:
    caf.start(claims=json.dumps({"id_token": {"sub": {"value": "somebody-else"}}})).identify().go_on(channel="email")
    caf.go_on(code=caf.code)

    assert caf.told["error"] == "login_required"
    with app.app_context():
        assert all(row.ended_at for row in db.session.query(SessionRecord).all())
        db.session.rollback()


def test_passwords_stay_in_the_browser_unless_the_operator_says_otherwise(
    caf: App, with_settings: Change, phone: Authenticator
) -> None:
    with_settings(in_app={"password": False})
    caf.start()
    assert caf.told["choices"] == ["passkey"]

    assert caf.identify().told["error"] == "invalid_request"
    with_settings(passkey_signin=False)
    assert caf.start().told["error"] == "redirect_to_web"


# -- the door ------------------------------------------------------------------------------------------------------


def test_it_is_not_there_unless_switched_on(app: Flask, http: Browser, alice: str, make_client: Maker) -> None:
    make_client("caf-app", **IN_APP)

    assert App(app, http).start().status == 404
    assert "authorization_challenge_endpoint" not in http.get("/.well-known/openid-configuration").json


def test_it_is_announced_where_it_is(http: Browser, on: None) -> None:
    told = http.get("/.well-known/oauth-authorization-server").json

    assert told["authorization_challenge_endpoint"] == ISSUER + PATH


def test_only_clients_registered_for_it(app: Flask, http: Browser, caf: App, make_client: Maker) -> None:
    make_client("other", kind="mobile", dpop_bound_access_tokens=True)

    other = App(app, http, "other").start()

    assert (other.status, other.told["error"]) == (400, "unauthorized_client")


@pytest.mark.parametrize(
    "changes",
    [{"kind": "single-page"}, {"third_party": True}, {"dpop_bound_access_tokens": False}, {"in_app": "yes"}],
    ids=["browser", "third party", "bearer", "no flag"],
)
def test_only_a_bound_first_party_app_is_registered(app: Flask, changes: dict[str, Any]) -> None:
    asked = {"client_id": "app-2", "name": "App", "redirect_uris": [CALLBACK], "scope": "openid", **IN_APP, **changes}

    with app.app_context(), pytest.raises(MetadataFault, match="in_app: "):
        check_client_metadata(metadata_from_form(asked))


def test_nobody_registers_themselves_for_it() -> None:
    assert "in_app" not in read_wire({"in_app": True, "client_name": "App"}).metadata


@pytest.mark.parametrize("headers", [{}, {"DPoP": "x.y.z"}], ids=["none", "broken"])
def test_every_request_proves_its_key(caf: App, headers: dict[str, str]) -> None:
    assert caf.call(headers=headers, response_type="code").told["error"] == "invalid_dpop_proof"
    caf.start()
    assert caf.go_on(headers=headers, nir=ALICE_NIR, password=ALICE_PASSWORD).told["error"] == "invalid_dpop_proof"


def test_a_proof_is_good_once_and_here(caf: App) -> None:
    used = proof_for(caf.key, PATH)
    caf.call(headers=used, response_type="code")

    assert caf.call(headers=used, response_type="code").told["error"] == "invalid_dpop_proof"
    assert caf.call(headers=proof_for(caf.key, "/token")).told["error"] == "invalid_dpop_proof"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "profile"}, "invalid_scope"),
        ({"redirect_uri": "https://evil.test/"}, "invalid_request"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"request": "x.y.z"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_id": None}, "invalid_client"),
        ({"dpop_jkt": "A" * 43}, "invalid_dpop_proof"),
    ],
)
def test_a_request_is_judged_as_at_the_other_endpoints(caf: App, changes: dict[str, Any], error: str) -> None:
    assert caf.start(**changes).told["error"] == error


def test_parameters_in_the_address_and_other_methods_are_refused_ac_35(caf: App) -> None:
    assert caf.http.get(PATH).status_code == 405
    answer = caf.http.post(f"{PATH}?code=123456", data={"client_id": "caf-app"}, headers=proof_for(caf.key, PATH))
    assert answer.json["error"] == "invalid_request"


def test_no_page_of_another_origin_may_call_it(caf: App) -> None:
    """Draft §9.8: not for browser-based applications."""
    caf.start()

    assert "Access-Control-Allow-Origin" not in caf.answer.headers


# -- theft ---------------------------------------------------------------------------------------------------------


def test_a_stolen_auth_session_is_worth_nothing_with_another_key(app: Flask, caf: App) -> None:
    caf.to_code()
    code = caf.code

    assert caf.go_on(key=ec_key("thief"), code=code).told["error"] == "invalid_session"
    assert ("refused", "another-key") in events(app, "in-app")

    # And its owner goes on, the code unspent.
    assert caf.go_on(code=code).status == 200


def test_a_stolen_auth_session_is_worth_nothing_at_another_client(
    app: Flask, http: Browser, caf: App, make_client: Maker
) -> None:
    make_client("second-app", **IN_APP)
    caf.to_code()
    thief = App(app, http, "second-app", key=caf.key)

    assert thief.call(auth_session=caf.auth_session, code=caf.code).told["error"] == "invalid_session"


def test_a_stolen_code_is_worth_nothing_without_key_or_verifier(caf: App) -> None:
    caf.to_code().go_on(code=caf.code)

    assert caf.redeem(key=ec_key("thief")).json["error"] == "invalid_grant"
    # Burnt by the attempt (AC-103).
    assert caf.redeem().json["error"] == "invalid_grant"


def test_a_code_of_the_app_fits_no_redirect_uri(caf: App) -> None:
    caf.to_code().go_on(code=caf.code)

    assert caf.redeem(redirect_uri=CALLBACK).json["error"] == "invalid_grant"


def test_the_web_knows_no_sign_in_of_the_app(caf: App, new_browser: Callable[[], Browser]) -> None:
    caf.start().identify()

    for path in ("identify", "send", "code", ""):
        assert new_browser().get(f"/signin/{caf.interaction.id}/{path}").status_code in {400, 403}


def test_the_app_knows_no_sign_in_of_the_web(caf: App) -> None:
    for guess in ("A" * 43, "", "x" * 5000):
        assert caf.call(auth_session=guess or " ", code="123456").told["error"] == "invalid_session"


def test_an_unknown_auth_session_without_client_is_told_the_same(caf: App) -> None:
    assert caf.call(client_id=None, auth_session="A" * 43).told["error"] == "invalid_session"


# -- replay and races ----------------------------------------------------------------------------------------------


def test_after_the_code_the_session_is_over_ac_19(caf: App) -> None:
    caf.to_code()
    code = caf.code
    caf.go_on(code=code)
    assert caf.status == 200

    assert caf.go_on(code=code).told["error"] == "invalid_session"
    assert caf.go_on().told["error"] == "invalid_session"


def test_an_assertion_is_good_once_ac_73(caf: App, phone: Authenticator) -> None:
    caf.start()
    signed = phone.get(caf.told["public_key"])
    caf.go_on(passkey_response=signed)
    assert caf.status == 200

    again = caf.start().go_on(passkey_response=signed)

    assert again.told["reason"] == "passkey_late"


def test_a_challenge_of_another_walk_or_of_the_web_is_refused_ac_75(caf: App, phone: Authenticator) -> None:
    first = caf.start().told["public_key"]

    caf.start().go_on(passkey_response=phone.get(first))

    assert caf.told["reason"] == "passkey_late"
    assert ask_for(caf.told) == ("insufficient_authorization", "passkey")


def test_a_passkey_of_another_person_is_no_second_step_ac_80(app: Flask, caf: App) -> None:
    bob = enrol(app, add_bob(app))
    enrol(app, _alice(app))
    caf.start().identify()

    caf.go_on(passkey_response=bob.get(caf.told["public_key"]))

    assert caf.told["reason"] == "passkey_failed"


def _alice(app: Flask) -> str:
    with app.app_context():
        found = directory.find_account_by_nir(ALICE_NIR)
        assert found is not None
        return str(found.id)


def test_of_many_that_type_the_right_code_at_once_one_gets_in(app: Flask, caf: App, new_browser: Any) -> None:
    caf.to_code()
    code, session = caf.code, caf.auth_session

    def type_it(_: int) -> tuple[int, str]:
        rival = App(app, new_browser(), key=caf.key)
        rival.call(auth_session=session, code=code)
        return rival.status, str(rival.told.get("error", "code"))

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(type_it, range(6)))

    assert [told for _, told in answers].count("code") == 1
    assert {told for _, told in answers} <= {"code", "invalid_session", "insufficient_authorization"}
    with app.app_context():
        assert db.session.query(SessionRecord).count() == 1
        db.session.rollback()


# -- the same rules as on the web ----------------------------------------------------------------------------------


def test_unknown_and_known_numbers_are_answered_alike_ac_55(app: Flask, alice: str, caf: App) -> None:
    caf.start()
    wrong = caf.identify(password="wrong-password-1").told
    caf.start()
    unknown = caf.identify(nir="2991399999002", password="wrong-password-1").told
    with app.app_context():
        directory.set_status(alice, "disabled", now=idp_clock.now())
        db.session.commit()
    caf.start()
    disabled = caf.identify().told

    def shape(told: dict[str, Any]) -> dict[str, Any]:
        own = {"auth_session", "public_key", "tries_left"}
        return {name: value for name, value in told.items() if name not in own}

    assert wrong["reason"] == "credentials"
    assert shape(wrong) == shape(unknown) == shape(disabled)
    assert set(wrong) == set(unknown) == set(disabled)


def test_wrong_passwords_pause_and_the_passkey_goes_on_ac_53_ac_54(caf: App, phone: Authenticator) -> None:
    caf.start()
    for _ in range(5):
        caf.identify(password="wrong-password-1")
    assert caf.told["reason"] == "paused"
    assert caf.told["choices"] == ["passkey"]
    assert caf.told["retry_after"] > 0
    # AC-53: the right one is refused meanwhile, with the same answer.
    assert caf.identify().told["reason"] == "paused"

    caf.go_on(passkey_response=phone.get(caf.told["public_key"]))

    assert caf.status == 200


def test_what_is_guessed_here_counts_on_the_web_ac_27(app: Flask, caf: App, http: Browser) -> None:
    """Ten wrong codes of an account pause it, wherever they were typed."""
    caf.to_code()
    for _ in range(4):
        caf.go_on(code=caf.wrong_code)
    assert caf.told["reason"] == "code_wrong"
    assert caf.told["tries_left"] == 1
    caf.go_on(code=caf.wrong_code)
    assert caf.told["reason"] == "code_burnt"
    # AC-25: the right one is refused now.
    assert caf.go_on(code=caf.code).told["reason"] == "code_burnt"
    with app.app_context():
        counted = db.session.get(guard.CodeGuard, (_alice(app), guard.UNKNOWN_DEVICES))
        assert counted is not None
        assert counted.failures == 5
        db.session.rollback()


def test_ten_wrong_codes_pause_the_app_too_ac_26(caf: App, clock: Clock) -> None:
    caf.to_code()
    for _ in range(5):
        caf.go_on(code=caf.wrong_code)
    clock.step(seconds=61)
    caf.go_on(channel="email")
    for _ in range(5):
        caf.go_on(code=caf.wrong_code)

    assert ask_for(caf.told) == ("insufficient_authorization", "wait")
    assert caf.told["retry_after"] == 15 * 60
    assert caf.told["choices"] == []


@pytest.mark.parametrize("purpose", ["step-up", "reset", "new-email"])
def test_a_code_of_another_purpose_opens_nothing(app: Flask, alice: str, caf: App, purpose: Any) -> None:
    caf.to_code()
    with app.app_context():
        other = start_challenge(
            account_id=alice, purpose=purpose, channel="email", destination=ALICE_EMAIL, now=idp_clock.now()
        )
        digits = other.code
        state.change(INTERACTIONS, caf.interaction.id, lambda old: _with_challenge(old, other.id))

    assert caf.go_on(code=digits).told["reason"] == "code_expired"
    assert caf.status == 400


def _with_challenge(interaction: Interaction, challenge_id: str) -> Interaction:
    return replace(interaction, challenge_id=challenge_id)


def test_a_code_of_another_account_opens_nothing_ac_29(app: Flask, alice: str, caf: App) -> None:
    add_bob(app)
    caf.to_code()
    bob = App(app, caf.http, key=caf.key)
    bob.start().identify("299132A999003", "bobs-long-password-1").go_on(channel="email")
    assert bob.told["next"] == "otp"

    assert bob.go_on(code=caf.code).told["reason"] == "code_wrong"
    assert caf.go_on(code=caf.code).status == 200


def test_asking_again_waits_and_sends_the_same_ac_36(app: Flask, caf: App, clock: Clock) -> None:
    caf.to_code()
    code = caf.code

    assert caf.go_on(channel="email").told["reason"] == "wait"
    clock.step(seconds=31)
    assert "reason" not in caf.go_on(channel="email").told
    assert caf.code == code
    with app.app_context():
        assert db.session.query(Outbox).filter_by(channel="email").count() == 2
        db.session.rollback()


@pytest.mark.parametrize(
    "form",
    [{"channel": "pigeon"}, {"channel": "email", "to": "evil@evil.test"}, {"code": "123456"}],
    ids=["no channel", "an address", "no code is out"],
)
def test_a_step_that_is_not_due_or_not_ours_does_nothing_ac_38_ac_39(
    app: Flask, caf: App, form: dict[str, str]
) -> None:
    caf.start()
    caf.go_on(**form)
    assert caf.told["next"] == "passkey"
    with app.app_context():
        assert db.session.query(Outbox).count() == 0
        db.session.rollback()
    caf.identify().go_on(**form)

    with app.app_context():
        sent = db.session.query(Outbox).count()
        db.session.rollback()
    assert sent == (1 if form.get("channel") == "email" else 0)
    assert caf.status == 400


def test_two_steps_at_once_are_refused(caf: App) -> None:
    caf.to_code()

    assert caf.go_on(code=caf.code, channel="email").told["error"] == "invalid_request"


@pytest.mark.parametrize("typed", ["12345", "1234567", "abcdef", "1e5555", "+12345"])
def test_what_cannot_be_a_code_is_no_try_ac_43(app: Flask, caf: App, typed: str) -> None:
    caf.to_code()

    assert caf.go_on(code=typed).told["reason"].startswith("code_")
    assert caf.go_on(code="1" * 65).told["error"] == "invalid_request"
    assert caf.go_on(code=caf.code).status == 200


def test_a_sign_in_that_is_stopped_gets_no_code(app: Flask, alice: str, caf: App, clock: Clock) -> None:
    """« Ce n’est pas vous ? » voids what was proved: the app is asked from the beginning, and then sent to the web."""
    caf.to_code()
    code = caf.code
    with app.app_context():
        directory.get_account(alice).stopped_at = idp_clock.now()
        db.session.commit()

    assert caf.go_on(code=code).told["next"] == "passkey"
    clock.step(seconds=31)
    caf.identify().go_on(channel="email")
    assert caf.go_on(code=caf.code).told["error"] == "redirect_to_web"


def test_a_password_changed_meanwhile_ends_the_walk_ac_49(app: Flask, alice: str, caf: App, clock: Clock) -> None:
    caf.to_code()
    code = caf.code
    clock.step(seconds=1)
    with app.app_context():
        directory.set_password(alice, "a-new-password-77", now=idp_clock.now())
        db.session.commit()

    assert caf.go_on(code=code).told["next"] == "passkey"


def test_one_session_cannot_be_used_for_ever(caf: App, with_settings: Change) -> None:
    with_settings(in_app={"requests": 3})
    caf.start()
    for _ in range(3):
        assert caf.go_on().told["error"] == "insufficient_authorization"

    assert caf.go_on().told["error"] == "invalid_session"


def test_the_nonce_is_handed_out_and_demanded(caf: App, with_settings: Change) -> None:
    with_settings(dpop={"require_nonce": True})
    caf.start()
    assert caf.told["error"] == "use_dpop_nonce"
    nonce = caf.answer.headers["DPoP-Nonce"]

    caf.call(
        headers=proof_for(caf.key, PATH, nonce=nonce), response_type="code", scope="openid",
        code_challenge=create_s256_code_challenge(VERIFIER), code_challenge_method="S256",
    )  # fmt: skip

    assert caf.told["error"] == "insufficient_authorization"
    assert caf.answer.headers["DPoP-Nonce"] == nonce


def test_neither_number_nor_password_is_kept(app: Flask, caf: App) -> None:
    caf.start(login_hint=ALICE_NIR, nir=ALICE_NIR, password=ALICE_PASSWORD)
    assert caf.told["next"] == "choose_channel"

    with app.app_context():
        kept = state.get(APP_SESSIONS, crypto.fingerprint(caf.auth_session))
    assert kept is not None
    assert ALICE_NIR not in str(kept.values)
    assert ALICE_PASSWORD not in str(kept.values)
    assert kept.jkt == thumbprint(caf.key)
