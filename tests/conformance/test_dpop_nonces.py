"""The FAPI relying party against a provider that demands nonces in DPoP proofs (RFC 9449 §8, §9).

No module is about them; the suite's client follows the challenge wherever one comes, and so does ours.
"""

from collections.abc import Callable

import pytest
from flask import Flask

from tests.conformance.checks import check_error_answer, check_token_answer
from tests.conformance.fapi_client import FapiClient
from tests.conformance.plans import Kind
from tests.conftest import Clock


@pytest.fixture
def kind() -> Kind:
    return Kind("private_key_jwt", "dpop")


@pytest.fixture
def client(app: Flask, make_fapi_client: Callable[..., FapiClient], monkeypatch: pytest.MonkeyPatch) -> FapiClient:
    """Return a client of a provider that demands nonces."""
    settings = app.extensions["sesame"]["settings"]
    dpop = settings.dpop.model_copy(update={"require_nonce": True})
    monkeypatch.setitem(app.extensions["sesame"], "settings", settings.model_copy(update={"dpop": dpop}))
    return make_fapi_client(1)


@pytest.mark.parametrize("proof_at_par", [None, {}])
def test_a_client_that_follows_the_challenge_goes_the_whole_way(
    client: FapiClient, proof_at_par: dict[str, str] | None
) -> None:
    flow = client.flow(push={"proof": proof_at_par}, scope="openid profile offline_access", prompt="consent")

    assert client.nonce
    check_token_answer(client.refresh(flow.tokens["refresh_token"]), token_type="DPoP")


def test_an_old_nonce_is_challenged_anew(client: FapiClient, clock: Clock) -> None:
    token = client.flow().tokens["access_token"]
    first = client.nonce
    clock.step(minutes=9, seconds=59)

    answer = client.resource(token)

    assert answer.status_code == 200
    assert client.nonce != first


def test_a_nonce_of_another_makes_no_proof_good(client: FapiClient) -> None:
    code = client.get_code()

    answer = client.exchange(code, proof={"nonce": "made-up"})

    check_error_answer(answer, {"use_dpop_nonce": {400}})
