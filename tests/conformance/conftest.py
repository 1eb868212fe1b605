"""The provider as its certification runs: wide limits, a person of whom every claim is known, static clients."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp import clock as idp_clock
from idp.db import db
from idp.oidc import discovery, registration
from idp.settings import Settings
from tests.conformance.fapi_client import QUERY, FapiClient, Party
from tests.conformance.keys import Authority, algorithm, ec_key, jwks, own_certificate, rsa_key
from tests.conformance.plans import FAPI2, SECURITY_PROFILE_KINDS, Kind, name_of_test
from tests.conformance.relying_party import RelyingParty
from tests.conformance.visitor import Visitor
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, ALICE_PASSWORD

CALLBACK = "https://rp.test/a/sesame/callback"
CERTIFICATE_HEADER = "X-Client-Certificate"
EVERY_CLAIM = {
    "name": "Alice Martin", "given_name": "Alice", "family_name": "Martin", "middle_name": "Jeanne",
    "nickname": "Ali", "preferred_username": "alice", "profile": "https://alice.test/", "gender": "female",
    "picture": "https://alice.test/me.png", "website": "https://alice.test/home", "birthdate": "1990-05-17",
    "zoneinfo": "Europe/Paris",
    "address": {"street_address": "1 rue de la Paix", "locality": "Paris", "postal_code": "75002", "country": "FR"},
}  # fmt: skip
_WIDE = {
    "first_resend_after": timedelta(0), "next_resend_after": timedelta(0),
    "sends_per_hour": 1000, "sends_per_day": 1000,
}  # fmt: skip


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return the authority whose certificates the provider believes."""
    return Authority(tmp_path_factory.mktemp("authority") / "ca.pem")


@pytest.fixture
def app(app: Flask, authority: Authority) -> Iterator[Flask]:
    """Return the application under the settings of a certification."""
    sesame = app.extensions["sesame"]
    before: Settings = sesame["settings"]
    sesame["settings"] = before.model_copy(
        update={
            "code": before.code.model_copy(update=_WIDE),
            "mtls": before.mtls.model_copy(update={"header": CERTIFICATE_HEADER, "authorities": authority.file}),
        }
    )
    discovery._documents.clear()
    yield app
    sesame["settings"] = before
    discovery._documents.clear()


@pytest.fixture
def alice(app: Flask) -> str:
    """Return the id of an account of which every standard claim is known and verified."""
    from idp.accounts import directory

    with app.app_context():
        account = directory.add_account(
            nir=ALICE_NIR, password=ALICE_PASSWORD, email=ALICE_EMAIL, mobile=ALICE_MOBILE, claims=EVERY_CLAIM
        )
        db.session.commit()
        return str(account.id)


Maker = Callable[..., RelyingParty]


@pytest.fixture
def response_mode() -> str | None:
    """Return the response mode of the plan."""
    return None


@pytest.fixture
def make_client(app: Flask, alice: str, response_mode: str | None) -> Maker:
    """Return a maker of static clients of the OIDC plans, that answers with the relying party."""

    def make(client_id: str = "suite", *, like: RelyingParty | None = None, **asked: Any) -> RelyingParty:
        metadata = registration.metadata_from_form(
            {
                "client_id": client_id, "name": "Conformance Suite", "redirect_uris": [CALLBACK], "require_pkce": False,
                "scope": "openid profile email address phone offline_access", "third_party": True, **asked,
            }
        )  # fmt: skip
        with app.app_context():
            _, secret = registration.add_client(metadata, now=idp_clock.now())
            db.session.commit()
        return RelyingParty(
            app, client_id=client_id, redirect_uri=CALLBACK, secret=secret, response_mode=response_mode,
            auth_method=metadata["token_endpoint_auth_method"], visitor=like.visitor if like else None,
        )  # fmt: skip

    return make


@pytest.fixture
def rp(make_client: Maker) -> RelyingParty:
    """Return the plan's client with a fresh browser: every module begins with no cookies."""
    return make_client()


# -- FAPI 2.0 ------------------------------------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a FAPI module for each kind of client of its file's plan, where the plan has the module for that kind.

    Without ``--all-inputs`` for half of them: two kinds that share nothing, one module with these, the next with those.
    """
    if hasattr(metafunc.module, "KINDS"):
        name = metafunc.function.__name__
        kinds = [k for k in metafunc.module.KINDS if name in {name_of_test(FAPI2 + one) for one in k.modules}]
        if not metafunc.config.getoption("--all-inputs"):
            kinds = halved(kinds, turn=len(name) % 2)
        metafunc.parametrize("kind", kinds, ids=str)


def halved(kinds: list[Kind], *, turn: int) -> list[Kind]:
    """Return one half of the kinds of a module or the other; of four, the two that differ in all they can."""
    if len(kinds) == len(SECURITY_PROFILE_KINDS):
        return [kinds[turn], kinds[-1 - turn]]
    return kinds[turn::2] or kinds


@pytest.fixture
def make_fapi_client(app: Flask, alice: str, authority: Authority, kind: Kind) -> Callable[..., FapiClient]:
    """Return a maker of the two static clients of a FAPI plan."""

    def make(number: int, visitor: Visitor | None = None) -> FapiClient:
        client_id = f"fapi-{number}"
        key, dpop_key = (rsa_key, rsa_key) if number == 1 else (ec_key, ec_key)
        # Each client shows the kind of certificate that the other does not.
        certificate = authority.issue(client_id) if number == 1 else own_certificate(client_id)
        party = Party(number, client_id, key(client_id), dpop_key(f"{client_id}-dpop"), certificate)
        # The second knows the first one's address too: nothing but the client tells their codes and requests apart.
        redirect_uris = [CALLBACK + QUERY, CALLBACK] if party.is_second else [CALLBACK]
        asked = {
            "client_id": client_id, "name": f"FAPI {number}", "redirect_uris": redirect_uris, "third_party": True,
            "scope": "openid profile email address phone offline_access", "security_profile": "fapi2",
            "id_token_alg": "ES256", **_client_auth(kind, party),
        }  # fmt: skip
        bound = "dpop_bound_access_tokens" if kind.binding == "dpop" else "tls_client_certificate_bound_access_tokens"
        asked[bound] = True
        if kind.signed:
            asked |= {"require_signed_request_object": True, "request_object_signing_alg": algorithm(party.key)}
        if kind.jarm:
            asked |= {"authorization_signed_response_alg": "ES256"}
        with app.app_context():
            registration.add_client(registration.metadata_from_form(asked), now=idp_clock.now())
            db.session.commit()
        return FapiClient(app, party, kind, redirect_uri=redirect_uris[0], header=CERTIFICATE_HEADER, visitor=visitor)

    return make


def _client_auth(kind: Kind, party: Party) -> dict[str, Any]:
    """Return how a client of this kind is registered to prove itself, and the keys that it signs with."""
    keys = jwks(party.key)
    if kind.auth == "private_key_jwt":
        return {"auth_method": "private_key_jwt", "jwks": keys}
    if party.is_second:
        keys["keys"].append(party.certificate.jwk)
        return {"auth_method": "self_signed_tls_client_auth", "jwks": keys}
    return {"auth_method": "tls_client_auth", "jwks": keys, "tls_client_auth_subject_dn": party.certificate.subject}


@pytest.fixture
def client(make_fapi_client: Callable[..., FapiClient]) -> FapiClient:
    """Return the plan's first client with a fresh browser."""
    return make_fapi_client(1)


@pytest.fixture
def second(make_fapi_client: Callable[..., FapiClient], client: FapiClient) -> FapiClient:
    """Return the plan's second client, in the browser of the first."""
    return make_fapi_client(2, client.visitor)
