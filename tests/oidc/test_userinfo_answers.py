"""UserInfo and the ID token travel as the client is registered: signed, sealed for it alone, or both."""

import json
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from idp.oidc import registration
from tests.conftest import ISSUER, Clock
from tests.oidc.conftest import Client, Maker
from tests.oidc.proofs import header_of, opened, public_jwk, verified

RSA, EC = RSAKey.generate_key(2048), ECKey.generate_key("P-256")
SIGNING = ECKey.generate_key("P-256")
KEYS = {
    "keys": [
        {**public_jwk(SIGNING), "kid": "sign", "use": "sig"},
        {**public_jwk(RSA), "kid": "rsa", "use": "enc"},
        {**public_jwk(EC), "kid": "ec", "use": "enc"},
    ]
}
KEY_ALGORITHMS = ["RSA-OAEP", "RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]
CONTENT_ALGORITHMS = ["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"]


def key_of(alg: str) -> Any:
    return RSA if alg.startswith("RSA") else EC


def metadata_of(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.http.get("/.well-known/openid-configuration").json
    return found


@pytest.mark.parametrize("alg", ["RS256", "ES256"])
def test_a_signed_answer_is_for_its_client_ac_158(make_client: Maker, make_code: Maker, clock: Clock, alg: str) -> None:
    """OpenID Connect Core §5.3.2: `iss` and `aud` are members of a signed response."""
    client = make_client("rp", userinfo_signed_response_alg=alg)
    answer = client.userinfo(client.exchange(make_code("rp")).json["access_token"])
    claims = verified(client.http, answer.text)

    assert alg in metadata_of(client)["userinfo_signing_alg_values_supported"]
    assert (answer.mimetype, header_of(answer.text)["alg"]) == ("application/jwt", alg)
    assert (claims["iss"], claims["aud"], claims["name"]) == (ISSUER, "rp", "Alice Martin")
    assert claims["iat"] == int(clock().timestamp())
    assert "nonce" not in claims


def test_a_refusal_is_never_signed(make_client: Maker) -> None:
    client = make_client("rp", userinfo_signed_response_alg="RS256")

    assert client.userinfo("x").status_code == 401
    assert client.userinfo("x").mimetype == "application/json"


def test_a_signed_answer_is_no_token_and_no_hint_ac_160(make_client: Maker, make_code: Maker) -> None:
    client = make_client("rp", userinfo_signed_response_alg="RS256")
    signed = client.userinfo(client.exchange(make_code("rp")).json["access_token"]).text
    hinted = client.post(
        "/par", redirect_uri="https://rp.example.fr/callback", response_type="code", scope="openid",
        code_challenge="c" * 43, code_challenge_method="S256", id_token_hint=signed,
    )  # fmt: skip

    assert client.userinfo(signed).status_code == 401
    assert client.post("/introspect", token=signed).json == {"active": False}
    assert (hinted.status_code, hinted.json["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("enc", CONTENT_ALGORITHMS)
@pytest.mark.parametrize("alg", KEY_ALGORITHMS)
def test_every_listed_encryption_works_ac_158(make_client: Maker, make_code: Maker, alg: str, enc: str) -> None:
    client = make_client(
        "rp", jwks=KEYS, userinfo_encrypted_response_alg=alg, userinfo_encrypted_response_enc=enc,
        id_token_encrypted_response_alg=alg, id_token_encrypted_response_enc=enc,
    )  # fmt: skip
    tokens = client.exchange(make_code("rp")).json
    answer = client.userinfo(tokens["access_token"])
    header, content = opened(answer.text, key_of(alg))
    id_header, signed = opened(tokens["id_token"], key_of(alg))

    assert answer.mimetype == "application/jwt"
    assert header == {**header, "alg": alg, "enc": enc, "kid": "rsa" if alg.startswith("RSA") else "ec"}
    assert "cty" not in header
    assert json.loads(content)["name"] == "Alice Martin"
    assert id_header["cty"] == "JWT"
    assert verified(client.http, signed)["sub"] == json.loads(content)["sub"]


def test_the_metadata_lists_exactly_these(make_client: Maker) -> None:
    metadata = metadata_of(make_client())

    for what in ("userinfo", "id_token"):
        assert metadata[f"{what}_encryption_alg_values_supported"] == KEY_ALGORITHMS
        assert metadata[f"{what}_encryption_enc_values_supported"] == CONTENT_ALGORITHMS


def test_a_sealed_answer_may_be_signed_within(make_client: Maker, make_code: Maker) -> None:
    client = make_client(
        "rp", jwks=KEYS, userinfo_encrypted_response_alg="ECDH-ES", userinfo_signed_response_alg="ES256"
    )
    answer = client.userinfo(client.exchange(make_code("rp")).json["access_token"])
    header, signed = opened(answer.text, EC)

    assert (header["cty"], header["enc"]) == ("JWT", "A128CBC-HS256")
    assert verified(client.http, signed)["aud"] == "rp"


def test_without_a_key_for_it_nothing_is_said_in_clear(make_client: Maker, make_code: Maker) -> None:
    only_signing = {"keys": [KEYS["keys"][0]]}
    client = make_client("rp", jwks=only_signing, userinfo_encrypted_response_alg="RSA-OAEP-256")
    answer = client.userinfo(client.exchange(make_code("rp")).json["access_token"])

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    assert "Alice" not in answer.text


def test_an_id_token_without_a_key_for_it_is_not_given(make_client: Maker, make_code: Maker) -> None:
    only_signing = {"keys": [KEYS["keys"][0]]}
    client = make_client("rp", jwks=only_signing, id_token_encrypted_response_alg="ECDH-ES")
    answer = client.exchange(make_code("rp"))

    assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")
    assert "id_token" not in answer.json


@pytest.mark.parametrize(
    "asked",
    [
        {"id_token_encrypted_response_alg": "RSA-OAEP"},
        {"userinfo_encrypted_response_alg": "RSA-OAEP"},
        {"require_signed_request_object": True},
        {"request_object_signing_alg": "ES256"},
        {"jwks": KEYS, "id_token_encrypted_response_alg": "RSA1_5"},
        {"jwks": KEYS, "id_token_encrypted_response_alg": "dir"},
        {"jwks": KEYS, "id_token_encrypted_response_enc": "A128GCM"},
        {"jwks": KEYS, "userinfo_encrypted_response_enc": "A128GCM"},
        {"jwks": KEYS, "userinfo_encrypted_response_alg": "RSA-OAEP", "userinfo_encrypted_response_enc": "A192GCM"},
        {"userinfo_signed_response_alg": "none"},
        {"userinfo_signed_response_alg": "HS256"},
        {"jwks": {"keys": [RSA.as_dict(private=True)]}, "userinfo_encrypted_response_alg": "RSA-OAEP"},
    ],
    ids=lambda value: " ".join(name for name in value),
)
def test_what_could_never_be_answered_is_not_registered(make_client: Maker, asked: dict[str, Any]) -> None:
    with pytest.raises(registration.MetadataFault):
        make_client("rp", **asked)
