"""The device authorization endpoint gives a registered client a code to show, and strangers nothing (RFC 8628 §3.1)."""

import re
from typing import Any

import pytest
from flask import Flask

from idp.oidc.device_requests import DEVICE_REQUESTS
from idp.oidc.user_codes import ALPHABET, UserCodeFault, draw_user_code, parse_user_code
from idp.state import state
from tests.conftest import ISSUER, Browser, Clock
from tests.device.conftest import Device, Person, Switch, another_code
from tests.oidc.conftest import Client, Maker, make_client

__all__ = ["make_client"]


def test_the_answer_has_what_the_device_needs_rfc8628_3_2(tv: Device) -> None:
    answer = tv.ask()

    assert answer.headers["Cache-Control"] == "no-store"
    assert len(answer.json["device_code"]) == 65
    assert re.fullmatch(f"[{ALPHABET}]{{4}}-[{ALPHABET}]{{4}}", answer.json["user_code"])
    assert answer.json["verification_uri"] == f"{ISSUER}/device"
    assert answer.json["verification_uri_complete"].startswith(f"{ISSUER}/device/")
    assert (answer.json["expires_in"], answer.json["interval"]) == (600, 5)


def test_the_link_holds_no_letter_of_the_user_code(switch_on: Switch) -> None:
    """RFC 8628 §5.4: whoever has only the link must still see the device."""
    for _ in range(5):
        tv = switch_on()
        assert tv.code not in tv.link.upper()
        assert tv.code.replace("-", "") not in tv.link.upper()


def test_the_device_code_is_kept_as_a_fingerprint_only(app: Flask, tv: Device) -> None:
    request_id = tv.link.rpartition("/")[2]

    with app.app_context():
        kept = state.get(DEVICE_REQUESTS, request_id)

    assert kept is not None
    assert tv.screen["device_code"] not in DEVICE_REQUESTS.encode(kept)
    assert tv.screen["device_code"].removeprefix(request_id) not in DEVICE_REQUESTS.encode(kept)
    assert "198.51.100" not in DEVICE_REQUESTS.encode(kept)


def test_a_client_with_a_secret_must_prove_itself(switch_on: Switch, new_browser: Any) -> None:
    box = switch_on("box", scope="openid")
    assert box.screen["user_code"]

    assert Device(new_browser(), "box").ask(scope="openid").status_code == 401
    assert Device(new_browser(), "box", "wrong").ask(scope="openid").json["error"] == "invalid_client"
    assert Device(new_browser(), "nobody").ask().json["error"] == "invalid_client"


def test_a_client_that_is_not_registered_for_the_grant_is_refused(make_client: Maker) -> None:
    web: Client = make_client("web")

    assert web.post("/device_authorization", scope="openid").json["error"] == "unauthorized_client"
    answer = web.post("/token", grant_type="urn:ietf:params:oauth:grant-type:device_code", device_code="x")
    assert answer.json["error"] == "unauthorized_client"


@pytest.mark.parametrize(("scope", "error"), [(None, "invalid_scope"), ("profile", "invalid_scope")])
def test_a_scope_without_openid_is_refused(tv: Device, scope: str | None, error: str) -> None:
    assert tv.ask(scope=scope).json["error"] == error


def test_a_nonce_of_any_length_is_not_kept(tv: Device) -> None:
    assert tv.ask(nonce="n" * 513).json["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("resource", "https://api.example.fr", "invalid_target"),
        ("authorization_details", "[]", "invalid_authorization_details"),
    ],
)
def test_only_registered_resources_and_details_may_be_asked_for(tv: Device, field: str, value: str, error: str) -> None:
    assert tv.ask(**{field: value}).json["error"] == error


def test_a_client_can_ask_so_often_from_one_address(tv: Device, new_browser: Any, clock: Clock) -> None:
    for _ in range(59):
        assert tv.ask().status_code == 200

    refused = tv.ask()

    assert (refused.status_code, refused.json["error"]) == (429, "temporarily_unavailable")
    assert Device(new_browser(), "tv", address="192.0.2.44").ask().status_code == 200
    clock.step(minutes=10)
    assert tv.ask().status_code == 200


def test_the_metadata_names_endpoint_and_grant_rfc8628_4(http: Browser) -> None:
    metadata = http.get("/.well-known/openid-configuration").json

    assert metadata["device_authorization_endpoint"] == f"{ISSUER}/device_authorization"
    assert "urn:ietf:params:oauth:grant-type:device_code" in metadata["grant_types_supported"]


@pytest.mark.parametrize(
    "typed",
    ["WDJB-MJHT", "wdjb-mjht", "WDJBMJHT", " wdjb mjht ", "w d j b m j h t", "WDJB\u2011MJHT", "WDJB–MJHT",
     "ＷＤＪＢ－ＭＪＨＴ", "wdjb\u00a0mjht", "wḋjb-mjht", "WDJB\u2212MJHT"],
)  # fmt: skip
def test_case_spaces_hyphens_and_keyboards_do_not_matter(typed: str) -> None:
    assert parse_user_code(typed) == "WDJBMJHT"


@pytest.mark.parametrize(
    ("typed", "reason"),
    [("", "empty"), (" - ", "empty"), ("WDJBMJH", "length"), ("WDJBMJHTW", "length"), ("WDJB-MJH0", "chars"),
     ("WDJB_MJHT", "chars"), ("WDJBMJHA", "chars"), ("W" * 65, "chars"), ("WDJB\x00MJHT", "chars"), ("𝟘", "chars")],
)  # fmt: skip
def test_anything_else_is_no_code(typed: str, reason: str) -> None:
    with pytest.raises(UserCodeFault) as caught:
        parse_user_code(typed)

    assert caught.value.reason == reason


def test_codes_are_drawn_evenly_from_34_bits() -> None:
    drawn = [draw_user_code() for _ in range(2000)]

    assert 20**8 > 2**34
    assert len(set(drawn)) == 2000
    assert set("".join(drawn)) == set(ALPHABET)


def test_one_wrong_letter_finds_no_device(person: Person, tv: Device) -> None:
    assert person.type_user_code(another_code(tv.code)).page.status_code == 422
