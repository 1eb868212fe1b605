"""What exactly is allowed (RFC 9396): only registered types, whole, never more than was granted."""

import json
from typing import Any

import pytest

from tests.conftest import Clock
from tests.oidc.conftest import CALLBACK, Client, Maker
from tests.oidc.proofs import claims_in

PAYMENT = {"type": "payment", "amount": "12.00", "to": {"iban": "FR76"}, "actions": ["pay"]}
OTHER = {"type": "payment", "amount": "7.00"}
KIND = {
    "texts": {"fr": "payer", "en": "pay"},
    "fields": ("amount", "to", "actions", "count"),
    "required": ("amount",),
}


@pytest.fixture
def bank(with_settings: Maker, make_client: Maker) -> Client:
    with_settings(authorization_details={"payment": KIND, "other": KIND})
    client: Client = make_client("bank", authorization_details_types=["payment"], access_token_format="jwt")
    return client


def push(client: Client, details: Any) -> Any:
    return client.post(
        "/par", redirect_uri=CALLBACK, response_type="code", scope="openid", code_challenge="c" * 43,
        code_challenge_method="S256",
        authorization_details=details if isinstance(details, str) else json.dumps(details),
    )  # fmt: skip


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]


def test_a_registered_type_is_taken(bank: Client) -> None:
    assert push(bank, [PAYMENT, OTHER]).status_code == 201


@pytest.mark.parametrize(
    "details",
    [
        "{", "{}", "[]", "null", '"x"', "[1]", "[{}]", '[{"type":1}]', '[{"type":null}]', '[{"type":["payment"]}]',
        [{"type": "other", "amount": "1"}], [{"type": "unknown", "amount": "1"}], [{"type": "payment"}],
        [{**PAYMENT, "extra": 1}], [PAYMENT, {"type": "unknown"}], [PAYMENT] * 11, [{**PAYMENT, "actions": "pay"}],
        [{**PAYMENT, "actions": [1]}], '[{"type":"payment","amount":"1","amount":"2"}]',
        '[{"type":"payment","amount":NaN}]', '[{"type":"payment","amount":1e999}]',
        '[{"type":"payment","amount":"\\ud800"}]', '[{"type":"payment","amount":"\\u0000"}]',
        [{"type": "payment", "amount": "a" * 9_000}], '[{"type":"payment","amount":' + "[" * 20 + "]" * 20 + "}]",
    ],
    ids=lambda value: str(value)[:50],
)  # fmt: skip
def test_anything_else_is_refused_ac_118(bank: Client, details: Any) -> None:
    answer = push(bank, details)

    assert answer.status_code == 400
    # What is too long is not even looked at.
    assert answer.json["error"] == ("invalid_request" if len(str(details)) > 8_000 else "invalid_authorization_details")


def test_an_empty_parameter_counts_as_absent(bank: Client) -> None:
    assert push(bank, "").status_code == 201


def test_a_client_without_types_gets_none(bank: Client, web: Client) -> None:
    assert error_of(push(web, [PAYMENT])) == (400, "invalid_authorization_details")


def test_the_token_its_answer_and_introspection_say_what_was_granted(bank: Client, make_code: Maker) -> None:
    """RFC 9396 §7, §9.1, §9.2."""
    answer = bank.exchange(make_code("bank", authorization_details=(PAYMENT,))).json

    assert answer["authorization_details"] == [PAYMENT]
    assert claims_in(answer["access_token"])["authorization_details"] == [PAYMENT]
    assert bank.post("/introspect", token=answer["access_token"]).json["authorization_details"] == [PAYMENT]


def test_a_part_may_be_asked_for_and_never_more_ac_136(bank: Client, make_code: Maker) -> None:
    first = bank.exchange(
        make_code("bank", authorization_details=(PAYMENT, OTHER)), authorization_details=json.dumps([OTHER])
    ).json
    larger = bank.refresh(first["refresh_token"], authorization_details=json.dumps([{**OTHER, "amount": "700.00"}]))
    broken = bank.refresh(first["refresh_token"], authorization_details="[")
    second = bank.refresh(first["refresh_token"]).json

    assert first["authorization_details"] == [OTHER]
    assert [error_of(larger), error_of(broken)] == [(400, "invalid_authorization_details")] * 2
    assert second["authorization_details"] == [PAYMENT, OTHER]


def test_equal_is_not_enough_to_change_what_was_granted(bank: Client, make_code: Maker) -> None:
    """Python calls `true` and `1` equal; what the token says is what was agreed to."""
    granted = {**OTHER, "count": 1}
    answer = bank.exchange(
        make_code("bank", authorization_details=(granted,)),
        authorization_details=json.dumps([{**OTHER, "count": True}]),
    )

    assert json.dumps(answer.json["authorization_details"]) == json.dumps([granted])


def test_a_refusal_costs_the_refresh_token_nothing(bank: Client, make_code: Maker, clock: Clock) -> None:
    """A request for too much is refused before the token is used up, as for scopes and resources."""
    first = bank.exchange(make_code("bank", authorization_details=(OTHER,))).json

    refused = bank.refresh(first["refresh_token"], authorization_details=json.dumps([PAYMENT]))
    clock.step(minutes=5)

    assert error_of(refused) == (400, "invalid_authorization_details")
    assert bank.refresh(first["refresh_token"]).status_code == 200


def test_the_metadata_names_the_types_where_there_are_any_ac_158(bank: Client, with_settings: Maker) -> None:
    def named() -> Any:
        return bank.http.get("/.well-known/openid-configuration").json.get("authorization_details_types_supported")

    before = named()
    with_settings(authorization_details={})

    # RFC 8414 §3.2: "Claims with zero elements MUST be omitted".
    assert before == ["payment", "other"]
    assert named() is None
