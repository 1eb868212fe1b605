"""A refresh token is good for its client and, for an app, for the key that it was first given to (RFC 9449 §5)."""

from typing import Any

import pytest

from tests.conftest import Clock
from tests.oidc.conftest import Client, Maker
from tests.oidc.proofs import ec_key, new_key, proof_for, thumbprint


def error_of(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]


def refresh(client: Client, token: str, key: Any = None, **more: Any) -> Any:
    headers = proof_for(key) if key else None
    return client.post("/token", headers=headers, grant_type="refresh_token", refresh_token=token, **more)


def bound(client: Client, token: str) -> Any:
    return client.post("/introspect", token=token).json.get("cnf")


def test_an_apps_refresh_token_needs_the_same_key(mobile: Client, make_code: Maker) -> None:
    key = new_key()
    token = mobile.exchange(make_code("app"), headers=proof_for(key)).json["refresh_token"]

    stolen = [refresh(mobile, token), refresh(mobile, token, new_key())]
    mine = refresh(mobile, token, key)

    assert [error_of(answer) for answer in stolen] == [(400, "invalid_grant")] * 2
    assert mine.status_code == 200
    assert mine.json["token_type"] == "DPoP"


def test_a_thief_without_the_key_ends_nothing(mobile: Client, make_code: Maker, clock: Clock) -> None:
    """Who lacks the key learns nothing, and cannot sign the app out by trying old tokens."""
    key = new_key()
    first = mobile.exchange(make_code("app"), headers=proof_for(key)).json["refresh_token"]
    second = refresh(mobile, first, key).json["refresh_token"]
    clock.step(minutes=5)

    assert error_of(refresh(mobile, first, new_key())) == (400, "invalid_grant")
    assert refresh(mobile, second, key).status_code == 200


def test_an_old_token_with_the_right_key_still_ends_the_family_p_11(
    mobile: Client, make_code: Maker, clock: Clock
) -> None:
    key = new_key()
    first = mobile.exchange(make_code("app"), headers=proof_for(key)).json["refresh_token"]
    second = refresh(mobile, first, key).json["refresh_token"]
    clock.step(minutes=5)

    assert error_of(refresh(mobile, first, key)) == (400, "invalid_grant")
    assert error_of(refresh(mobile, second, key)) == (400, "invalid_grant")


def test_a_confidential_client_may_change_its_key(web: Client, make_code: Maker) -> None:
    """RFC 9449 §5: its refresh tokens are bound to its authentication; access tokens follow the new key."""
    old, new = new_key(), new_key()
    first = web.exchange(make_code(), headers=proof_for(old)).json
    second = refresh(web, first["refresh_token"], new).json

    assert bound(web, first["access_token"]) == {"jkt": thumbprint(old)}
    assert bound(web, second["access_token"]) == {"jkt": thumbprint(new)}


def test_a_client_that_must_bind_refreshes_with_a_proof_only(make_client: Maker, make_code: Maker) -> None:
    client = make_client("bank", dpop_bound_access_tokens=True)
    key = new_key()
    tokens = client.exchange(make_code("bank"), headers=proof_for(key)).json

    assert error_of(refresh(client, tokens["refresh_token"])) == (400, "invalid_dpop_proof")
    assert error_of(client.exchange(make_code("bank"))) == (400, "invalid_dpop_proof")
    assert refresh(client, tokens["refresh_token"], key).status_code == 200


class TestFapi:
    """FAPI 2.0 §5.3.2.1-9: refresh tokens are not rotated, and stay bound to their client."""

    @pytest.fixture
    def bank(self, make_client: Maker) -> Client:
        client: Client = make_client(
            "bank", key=ec_key("bank"), security_profile="fapi2", dpop_bound_access_tokens=True
        )
        return client

    def test_the_token_stays_the_same(self, bank: Client, make_code: Maker, clock: Clock) -> None:
        key = new_key()
        token = bank.exchange(make_code("bank"), headers=proof_for(key)).json["refresh_token"]
        answers = []
        for _ in range(3):
            clock.step(hours=2)
            answers.append(refresh(bank, token, key))

        assert [answer.status_code for answer in answers] == [200] * 3
        assert {answer.json["refresh_token"] for answer in answers} == {token}

    def test_another_client_gets_nothing_for_it_ac_135(
        self, bank: Client, make_client: Maker, make_code: Maker
    ) -> None:
        key = new_key()
        token = bank.exchange(make_code("bank"), headers=proof_for(key)).json["refresh_token"]
        thief = make_client("thief", key=ec_key("thief"), security_profile="fapi2", dpop_bound_access_tokens=True)

        assert error_of(refresh(thief, token, key)) == (400, "invalid_grant")
        assert refresh(bank, token, key).status_code == 200

    def test_it_ends_like_any_other_ac_137(self, bank: Client, make_code: Maker, clock: Clock) -> None:
        key = new_key()
        one, two = (bank.exchange(make_code("bank"), headers=proof_for(key)).json["refresh_token"] for _ in range(2))
        bank.post("/revoke", token=one)
        clock.step(days=31)

        assert error_of(refresh(bank, one, key)) == (400, "invalid_grant")
        assert error_of(refresh(bank, two, key)) == (400, "invalid_grant")

    def test_a_narrower_refresh_narrows_one_token_only(self, bank: Client, make_code: Maker) -> None:
        key = new_key()
        token = bank.exchange(make_code("bank"), headers=proof_for(key)).json["refresh_token"]

        assert refresh(bank, token, key, scope="openid").json["scope"] == "openid"
        assert refresh(bank, token, key).json["scope"] == "openid profile email"
        assert error_of(refresh(bank, token, key, scope="openid phone")) == (400, "invalid_scope")

    def test_its_assertion_is_for_the_issuer_as_text_p_70(self, bank: Client, make_code: Maker) -> None:
        """FAPI 2.0 §5.3.2.1-8."""

        def sent(audience: Any) -> Any:
            return bank.http.post(
                "/token",
                data={
                    "grant_type": "authorization_code", "code": "x",
                    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    "client_assertion": bank.assertion(aud=audience),
                },
                headers=proof_for(new_key()),
            )  # fmt: skip

        refused = [sent(one) for one in (["https://idp.test"], "https://idp.test/token", "https://idp.test/", None)]

        assert [error_of(answer) for answer in refused] == [(401, "invalid_client")] * 4
        assert error_of(sent("https://idp.test")) == (400, "invalid_grant")
