"""What the metadata lists works, value by value; what is not listed does not (AC-158, RFC 8414).

Values that have their own page of tests are named here with it: signing and encryption algorithms, response modes and
types, details.
"""

from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import OctKey

from tests.conformance.keys import Authority, assertion, ec_key, jwks, own_certificate, rsa_key
from tests.conftest import ISSUER, Browser
from tests.oidc.conftest import ASSERTION_TYPE, CALLBACK, Client, Maker
from tests.oidc.proofs import edwards_key, forge, moment

HEADER = "X-Client-Certificate"
SECRET = "the-proxy-s-own-secret"
METHODS = (
    "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth",
    "self_signed_tls_client_auth", "none",
)  # fmt: skip
Proof = tuple[dict[str, str], dict[str, str], Any]


@pytest.fixture
def metadata(http: Browser, with_settings: Maker, tmp_path_factory: Any) -> dict[str, Any]:
    """Return the metadata of a provider behind a proxy that hands certificates on."""
    authority = Authority(tmp_path_factory.mktemp("ca") / "ca.pem")
    with_settings(mtls={"header": HEADER, "authorities": authority.file, "secret": SECRET})
    document: dict[str, Any] = http.get("/.well-known/openid-configuration").json
    return {**document, "authority": authority}


def make_one(method: str, make_client: Maker, authority: Authority) -> tuple[Client, Callable[[], Proof]]:
    """Register a client for a method; return it with how it proves itself: form, headers, Basic."""
    key, own, issued = ec_key("one"), own_certificate("one"), authority.issue("one")
    asked: dict[str, dict[str, Any]] = {
        "private_key_jwt": {"jwks": jwks(key)},
        "tls_client_auth": {"tls_client_auth_subject_dn": issued.subject},
        "self_signed_tls_client_auth": {"jwks": {"keys": [own.jwk]}},
    }
    client: Client = make_client("one", auth_method=method, **asked.get(method, {}))
    named, secret = {"client_id": "one"}, str(client.secret)

    def signed(made: str) -> Proof:
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": made}, {}, None

    def by_hmac() -> str:
        claims = {"iss": "one", "sub": "one", "aud": ISSUER, "exp": moment(minutes=1), "jti": str(len(used))}
        used.append("x")
        return forge({"alg": "HS256"}, claims, OctKey.import_key(secret))

    used: list[str] = []
    proofs: dict[str, Callable[[], Proof]] = {
        "client_secret_basic": lambda: ({}, {}, ("one", secret)),
        "client_secret_post": lambda: ({**named, "client_secret": secret}, {}, None),
        "client_secret_jwt": lambda: signed(by_hmac()),
        "private_key_jwt": lambda: signed(assertion("one", key, ISSUER)),
        "tls_client_auth": lambda: (named, {HEADER: f"{SECRET} {issued.header}"}, None),
        "self_signed_tls_client_auth": lambda: (named, {HEADER: f"{SECRET} {own.header}"}, None),
        "none": lambda: (named, {}, None),
    }
    return client, proofs[method]


@pytest.mark.parametrize("method", METHODS)
def test_every_way_to_prove_oneself_works_at_every_endpoint_p_37(
    method: str, metadata: dict[str, Any], make_client: Maker, make_code: Maker
) -> None:
    client, prove = make_one(method, make_client, metadata["authority"])

    def call(path: str, **form: str) -> Any:
        proof, headers, basic = prove()
        return client.http.post(path, data={**proof, **form}, headers=headers, auth=basic)

    code = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": "v" * 64}
    token = call("/token", **code, code=make_code("one"))
    pushed = call(
        "/par", redirect_uri=CALLBACK, response_type="code", scope="openid", code_challenge="c" * 43,
        code_challenge_method="S256",
    )  # fmt: skip
    told = call("/introspect", token=token.json["access_token"])
    revoked = call("/revoke", token=token.json["access_token"])

    assert method in metadata["token_endpoint_auth_methods_supported"]
    assert method in metadata["revocation_endpoint_auth_methods_supported"]
    assert (token.status_code, pushed.status_code, revoked.status_code) == (200, 201, 200)
    assert (told.status_code == 200) == (method in metadata["introspection_endpoint_auth_methods_supported"])


def test_these_are_all_of_them(metadata: dict[str, Any]) -> None:
    assert set(metadata["token_endpoint_auth_methods_supported"]) == set(METHODS)


@pytest.mark.parametrize("registered", METHODS)
def test_a_client_uses_the_one_that_it_registered_p_37_ac_131(
    registered: str, metadata: dict[str, Any], make_client: Maker, app: Any
) -> None:
    client, _ = make_one(registered, make_client, metadata["authority"])
    others: list[Proof] = [
        ({}, {}, ("one", client.secret or "x")),
        ({"client_id": "one", "client_secret": client.secret or "x"}, {}, None),
        (
            {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion("one", ec_key("one"), ISSUER)},
            {},
            None,
        ),
        ({"client_id": "one"}, {}, None),
    ]
    mine = {"client_secret_basic": 0, "client_secret_post": 1, "private_key_jwt": 2, "none": 3}.get(registered)
    found = [
        client.http.post(
            "/token", data={"grant_type": "authorization_code", "code": "x", **form}, headers=headers, auth=basic
        ).json["error"]
        for n, (form, headers, basic) in enumerate(others)
        if n != mine
    ]

    assert set(found) == {"invalid_client"}


@pytest.mark.parametrize(
    ("key", "alg"),
    [
        (ec_key("one"), "ES256"), (rsa_key("one"), "RS256"), (rsa_key("one"), "PS256"), (edwards_key("one"), "EdDSA"),
        (edwards_key("one"), "Ed25519"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_every_algorithm_of_assertions_works(metadata: dict[str, Any], make_client: Maker, key: Any, alg: str) -> None:
    client = make_client("one", auth_method="private_key_jwt", jwks={"keys": [key.as_dict(private=False)]})
    claims = {"iss": "one", "sub": "one", "aud": ISSUER, "exp": moment(minutes=1), "jti": alg}
    form = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": forge({"alg": alg}, claims, key)}
    answer = client.http.post("/token", data={"grant_type": "authorization_code", "code": "x", **form})

    listed = {"HS256", "ES256", "RS256", "PS256", "EdDSA", "Ed25519"}
    assert set(metadata["token_endpoint_auth_signing_alg_values_supported"]) == listed
    assert answer.json["error"] == "invalid_grant"


def test_every_grant_is_known_and_no_other_ac_145(metadata: dict[str, Any], http: Browser, make_client: Maker) -> None:
    """A grant that is known asks for what belongs to it; each has its own page of tests."""
    grants = metadata["grant_types_supported"]
    client = make_client("all", grant_types=grants)
    found = {grant: client.post("/token", grant_type=grant) for grant in grants}

    assert "unsupported_grant_type" not in {answer.json.get("error") for answer in found.values()}
    for grant in (
        "password",
        "implicit",
        "urn:openid:params:grant-type:ciba",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    ):
        assert grant not in grants
        assert client.post("/token", grant_type=grant).json["error"] == "unsupported_grant_type"


def test_every_endpoint_that_is_named_answers(metadata: dict[str, Any], http: Browser) -> None:
    named = {name: url for name, url in metadata.items() if name.endswith("_endpoint") or name == "jwks_uri"}

    for name, url in named.items():
        assert http.open(url.removeprefix(ISSUER), method="OPTIONS").status_code in {200, 204}, name
    assert len(named) >= 8


def test_scopes_and_claims_of_the_metadata_are_given(
    metadata: dict[str, Any], make_client: Maker, make_code: Maker
) -> None:
    """Whatever is known of the person; the rest is left out, never null."""
    client = make_client("all", scope=" ".join(metadata["scopes_supported"]))
    token = client.exchange(make_code("all", scopes=tuple(metadata["scopes_supported"]))).json["access_token"]
    told = client.userinfo(token).json

    assert (
        {"sub", "name", "email", "email_verified", "phone_number"} <= told.keys() <= set(metadata["claims_supported"])
    )
    assert None not in told.values()


@pytest.mark.parametrize("subject_type", ["pairwise", "public"])
def test_both_kinds_of_subject_work_p_44(
    metadata: dict[str, Any], make_client: Maker, make_code: Maker, subject_type: str
) -> None:
    subs = set()
    for n in range(2):
        callback = f"https://rp{n}.example.fr/callback"
        client = make_client(f"rp-{n}", subject_type=subject_type, redirect_uris=[callback])
        code = make_code(f"rp-{n}", redirect_uri=callback)
        token = client.exchange(code, redirect_uri=callback).json["access_token"]
        subs.add(client.userinfo(token).json["sub"])

    assert subject_type in metadata["subject_types_supported"]
    assert len(subs) == (2 if subject_type == "pairwise" else 1)
