"""Clients register themselves: behind a token, within its limits, as third parties, and each manages only itself."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from joserfc.jwk import ECKey

from idp.audit import AuditEvent
from idp.db import db
from idp.oidc.clients import Client, ClientRow, ClientSecret, find_client, read_client, suspend_client
from idp.oidc.initial_access import InitialAccessToken, Limits, revoke_initial_token
from idp.oidc.logos import ClientLogo
from idp.oidc.refresh import RefreshFamily
from idp.oidc.self_registrations import SelfRegistration
from idp.oidc.wire_metadata import FIELDS, OURS
from tests.conftest import Browser, Clock
from tests.oidc.conftest import Maker
from tests.registering import CALLBACK, Registrant, bearer, initial_token, jpeg, png, registration_enabled
from tests.strangers import Answer, Authority, Stranger, says

KEY = ECKey.generate_key("P-256")
JWKS = {"keys": [KEY.as_dict(private=False) | {"kid": "one"}]}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def open_app(app: Flask, authority: Authority) -> Iterator[Flask]:
    with registration_enabled(app, authority):
        yield app


@pytest.fixture
def party(authority: Authority) -> Iterator[Stranger]:
    server = Stranger(authority)
    yield server
    server.close()


@pytest.fixture
def registrant(open_app: Flask, http: Browser) -> Registrant:
    return Registrant(open_app, http)


def kept(app: Flask, client_id: str) -> Client:
    with app.app_context():
        client = read_client(client_id)
        assert client is not None
        return client


def error(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["error"]


BAD = (400, "invalid_client_metadata")


def test_a_client_registers_itself(registrant: Registrant, open_app: Flask, clock: Clock) -> None:
    answer = registrant.register(scope="openid email", contacts=["ops@rp.test"])

    told = answer.json
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    assert told["client_id_issued_at"] == int(clock().timestamp())
    assert told["client_secret_expires_at"] == 0
    assert told["registration_client_uri"] == f"https://idp.test/register/{told['client_id']}"
    assert (told["scope"], told["contacts"], told["redirect_uris"]) == ("email openid", ["ops@rp.test"], [CALLBACK])
    assert (told["grant_types"], told["response_types"]) == (["authorization_code"], ["code"])
    proved = registrant.http.post(
        "/token",
        data={"grant_type": "authorization_code", "code": "x"},
        auth=(told["client_id"], told["client_secret"]),
    )
    assert error(proved) == (400, "invalid_grant")
    client = kept(open_app, told["client_id"])
    assert (client.kind, client.security_profile, client.first_party) == ("website", "oidc", False)


def test_only_hashes_are_kept_of_every_secret_ac_130(registrant: Registrant, open_app: Flask) -> None:
    told = registrant.register().json

    secrets = [registrant.token, told["client_secret"], told["registration_access_token"]]
    with open_app.app_context():
        tables = (InitialAccessToken, SelfRegistration, ClientRow, ClientSecret, AuditEvent)
        rows = [row.__dict__ for table in tables for row in db.session.query(table).all()]
        assert len(rows) >= 5
        assert not [one for one in secrets if one in str(rows)]


def test_nobody_registers_without_a_token_ac_197(open_app: Flask, http: Browser) -> None:
    sent = {"redirect_uris": [CALLBACK]}
    answers = [
        http.post("/register", json=sent),
        http.post("/register", json=sent, headers=bearer("x" * 43)),
        http.post("/register", json=sent, headers={"Authorization": "Basic eDp5"}),
    ]

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert all(answer.headers["WWW-Authenticate"].startswith("Bearer ") for answer in answers)
    assert answers[1].json["error"] == "invalid_token"
    # A token in the address or the body is no token (P-81).
    query = http.post("/register?access_token=x", json=sent)
    assert error(query) == (400, "invalid_request")
    assert http.post("/register", json={**sent, "access_token": "x"}).status_code == 401


def test_it_is_off_unless_switched_on_ac_197(app: Flask, http: Browser) -> None:
    _, token = initial_token(app)

    answers = [
        http.post("/register", json={"redirect_uris": [CALLBACK]}, headers=bearer(token)),
        http.get("/register/web", headers=bearer(token)),
    ]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert "registration_endpoint" not in http.get("/.well-known/openid-configuration").json


def test_it_is_announced_when_it_is_on(open_app: Flask, http: Browser) -> None:
    metadata = http.get("/.well-known/openid-configuration").json

    assert metadata["registration_endpoint"] == "https://idp.test/register"


def test_a_token_ends_by_use_time_and_revocation(open_app: Flask, http: Browser, clock: Clock) -> None:
    twice, short, ended = (
        Registrant(open_app, http, uses=2), Registrant(open_app, http, days=1), Registrant(open_app, http),
    )  # fmt: skip
    used = [twice.register().status_code for _ in range(3)]
    with open_app.app_context():
        revoke_initial_token(ended.token_id, clock())
        db.session.commit()
    clock.step(days=1)

    assert used == [201, 201, 401]
    assert (short.register().status_code, ended.register().status_code) == (401, 401)


def test_a_registration_that_fails_costs_no_use(open_app: Flask, http: Browser) -> None:
    registrant = Registrant(open_app, http, uses=1)

    failed = registrant.register(redirect_uris=["http://rp.test/cb"])

    assert (failed.status_code, registrant.register().status_code) == (400, 201)


def test_many_at_once_get_no_more_than_the_token_has(open_app: Flask, http: Browser, new_browser: Any) -> None:
    token = Registrant(open_app, http, uses=3).token
    answers, gate = [], threading.Barrier(8)

    def race(browser: Browser, number: int) -> None:
        gate.wait()
        sent = {"redirect_uris": [f"https://rp.test/{number}"]}
        answers.append(browser.post("/register", json=sent, headers=bearer(token)).status_code)

    threads = [threading.Thread(target=race, args=(new_browser(), number)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert sorted(answers) == [201] * 3 + [401] * 5


@pytest.mark.parametrize(
    "posted",
    [
        {"first_party": True},
        {"kind": "machine", "security_profile": "fapi2"},
        {"client_id": "caf-web", "client_secret": "chosen-by-me"},
        {"scopes": ["openid", "admin"], "machine_scopes": ["x"], "exchanges_tokens_of": ["web"]},
        {"sector_identifier": "caf.fr", "logo_digest": "0" * 64, "name": "Other", "resources": ["https://api.test"]},
        {"is_suspended": False, "secrets": [], "registered": {"application_type": "native"}, "names": {"fr": "x"}},
        {"suspended_at": None, "version": 7, "created_at": 0, "serves_resources": ["https://api.test"]},
    ],
    ids=lambda posted: next(iter(posted)),
)
def test_what_is_not_the_clients_to_choose_is_not_taken_p_15(
    registrant: Registrant, open_app: Flask, posted: dict[str, Any]
) -> None:
    plain = kept(open_app, registrant.register().json["client_id"])

    told = registrant.register(**posted).json

    client = kept(open_app, told["client_id"])
    varying = {"client_id", "secrets"}
    assert {name: value for name, value in vars(client).items() if name not in varying} == {
        name: value for name, value in vars(plain).items() if name not in varying
    }
    assert client.client_id not in {"caf-web", plain.client_id}
    assert told["client_secret"] != "chosen-by-me"
    assert not {"first_party", "kind", "logo_digest", "sector_identifier"} & told.keys()


@pytest.mark.redacts
@pytest.mark.parametrize(
    ("uris", "word"),
    [
        (["http://rp.test/cb"], "https"),
        (["https://rp.test/cb#x"], "fragment"),
        (["https://*.rp.test/cb"], "wildcard"),
        (["https://user@rp/cb"], "user information"),
        (["https://192.0.2.7/cb"], "IP address"),
        (["https://localhost/cb"], "localhost"),
        (["http://127.0.0.1/cb"], "loopback"),
        ([" https://rp.test/cb"], "spaces"),
        (["https://xn--cf-8ja.fr/cb"], "international"),
        (["https://c\u0430f.fr/cb"], "punycode"),
        (["javascript:alert(1)"], "execute"),
        (["fr.caf.app:/cb"], "https"),
        ([f"https://rp.test/{n}" for n in range(21)], "more than 20"),
        (["https://rp.test/cb", "https://rp.test/cb"], "twice"),
        ([], "at least one"),
        ("https://rp.test/cb", "list"),
        ([7], "list"),
    ],
)
def test_a_redirect_uri_that_may_not_be_is_refused_ac_196_p_16(registrant: Registrant, uris: Any, word: str) -> None:
    answer = registrant.register(redirect_uris=uris, client_name="Service")

    assert error(answer) == (400, "invalid_redirect_uri")
    assert word in answer.json["error_description"]
    assert answer.json["error_description"].isascii()
    assert not set('"\\') & set(answer.json["error_description"])


def test_the_redirect_uri_of_another_client_is_refused_ac_196(
    registrant: Registrant, open_app: Flask, http: Browser, make_client: Maker
) -> None:
    make_client("caf-web", redirect_uris=["https://www.caf.test/cb"])
    other = Registrant(open_app, http)
    other.register(redirect_uris=["https://other.test/cb"])
    of_itself = registrant.register(redirect_uris=["https://rp.test/one"])

    answers = [
        registrant.register(redirect_uris=["https://www.caf.test/cb"]),
        registrant.register(redirect_uris=["https://other.test/cb"]),
    ]

    assert [error(answer) for answer in answers] == [(400, "invalid_redirect_uri")] * 2
    assert "belongs to another client" in answers[0].json["error_description"]
    assert registrant.register(redirect_uris=["https://rp.test/one"]).status_code == 201
    moved = registrant.manage(
        "PUT", of_itself.json, {"client_id": of_itself.json["client_id"], "redirect_uris": ["https://other.test/cb"]}
    )
    assert error(moved) == (400, "invalid_redirect_uri")


def test_an_app_has_other_redirect_uris_and_always_pkce(registrant: Registrant, open_app: Flask) -> None:
    uris = ["fr.rp.app:/cb", "http://127.0.0.1/cb"]

    told = registrant.register(application_type="native", token_endpoint_auth_method="none", redirect_uris=uris)

    client = kept(open_app, told.json["client_id"])
    assert (client.kind, client.must_use_pkce, client.sector_identifier) == ("mobile", True, "")
    assert "client_secret" not in told.json
    assert "client_secret_expires_at" not in told.json
    web = registrant.register(redirect_uris=uris)
    assert error(web) == (400, "invalid_redirect_uri")


def test_the_token_limits_what_its_clients_may_be(open_app: Flask, http: Browser, clock: Clock) -> None:
    narrow = Registrant(open_app, http, Limits(scopes=("openid",), hosts=("partner.test",)))
    good: dict[str, Any] = {"redirect_uris": ["https://app.partner.test/cb"]}

    first = narrow.register(**good)
    refused = {
        name: narrow.register(**{**good, name: value})
        for name, value in {
            "scope": "openid email",
            "application_type": "native",
            "subject_type": "public",
            "redirect_uris": ["https://partner.test.evil.test/cb", "https://app.partner.test/cb"],
            "post_logout_redirect_uris": ["https://evilpartner.test/"],
            "initiate_login_uri": "https://evil.test/login",
        }.items()
    }

    assert (first.status_code, first.json["scope"]) == (201, "openid")
    assert {name: answer.status_code for name, answer in refused.items()} == dict.fromkeys(refused, 400)
    assert all(name in answer.json["error_description"] for name, answer in refused.items())
    # The limits hold for updates too, and after the token itself ended.
    client = first.json
    with open_app.app_context():
        revoke_initial_token(narrow.token_id, clock())
        db.session.commit()
    more = narrow.manage("PUT", client, {**good, "client_id": client["client_id"], "scope": "openid email"})
    assert error(more) == BAD
    assert narrow.manage("PUT", client, {**good, "client_id": client["client_id"]}).status_code == 200


@pytest.mark.parametrize(
    "document",
    [
        {"client_name": 7},
        {"client_name": "x" * 81},
        {"client_name": "two\nlines"},
        {"client_name": "Mon Compte"},
        {"client_name": "M\u00f3n  Compt\u00e9"},
        {"client_name": "Assistance CAF.FR"},
        {"client_name": "Service", "client_name#fr": "mon compte"},
        {"grant_types": ["password"]},
        {"grant_types": ["client_credentials"]},
        {"grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"]},
        {"grant_types": ["implicit"], "response_types": ["id_token"]},
        {"response_types": ["token"]},
        {"response_types": ["id_token token"]},
        {"scope": "openid admin"},
        {"scope": ["openid"]},
        {"contacts": "ops@rp.test"},
        {"contacts": [f"{n}@rp.test" for n in range(21)]},
        {"application_type": "desktop"},
        {"subject_type": "pseudonymous"},
        {"token_endpoint_auth_method": "magic"},
        {"token_endpoint_auth_signing_alg": "none"},
        {"id_token_signed_response_alg": "none"},
        {"id_token_signed_response_alg": "HS256"},
        {"request_object_signing_alg": "none"},
        {"request_object_encryption_alg": "RSA-OAEP"},
        {"userinfo_signed_response_alg": "none"},
        {"id_token_encrypted_response_enc": "A128GCM"},
        {"jwks": "x"},
        {"jwks": {"keys": [KEY.as_dict(private=True)]}},
        {"jwks": JWKS, "jwks_uri": "https://rp.test/keys"},
        {"jwks_uri": "http://rp.test/keys"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"initiate_login_uri": "http://rp.test/login"},
        {"policy_uri": "http://rp.test/"},
        {"policy_uri": "javascript:alert(1)"},
        {"policy_uri": "https://user@rp.test/"},
        {"tos_uri": 'https://rp.test/"><script>'},
        {"client_uri": "https://"},
        {"sector_identifier_uri": "http://rp.test/sector"},
        {"redirect_uris": ["https://one.test/cb", "https://two.test/cb"]},
        {"request_uris": ["ftp://rp.test/x"]},
        {"default_max_age": -1},
        {"default_max_age": True},
        {"default_max_age": "60"},
        {"default_acr_values": ["urn:none"]},
        {"require_auth_time": "yes"},
        {"require_pkce": "no"},
        {"post_logout_redirect_uris": ["http://rp.test/"]},
        {"dpop_bound_access_tokens": "true"},
    ],
    ids=" and ".join,
)  # fmt: skip
def test_metadata_that_cannot_stand_is_refused(
    registrant: Registrant, open_app: Flask, document: dict[str, Any]
) -> None:
    answer = registrant.register(**document)

    assert error(answer) == BAD, answer.json
    assert answer.json["error_description"].isascii()
    with open_app.app_context():
        assert db.session.query(ClientRow).count() == 0


def test_all_faults_come_in_one_answer(registrant: Registrant) -> None:
    told = registrant.register(client_name=7, scope="openid admin", policy_uri="x", redirect_uris=["http://rp.test/"])

    assert error(told) == BAD
    assert all(name in told.json["error_description"] for name in ("client_name", "admin", "policy_uri", "http://rp"))


def test_a_software_statement_is_refused(registrant: Registrant) -> None:
    assert error(registrant.register(software_statement="a.b.c")) == (400, "invalid_software_statement")


def test_names_that_nobody_knows_are_ignored_and_null_is_absence(registrant: Registrant) -> None:
    told = registrant.register(
        **{"x_unknown": 1, "policy_uri": "", "client_name#de": "Dienst", "client_name#fr": "Nom"}
    )

    assert told.status_code == 201
    assert told.json["client_name#fr"] == "Nom"
    assert not {"x_unknown", "policy_uri", "client_name#de"} & told.json.keys()
    null = registrant.http.post(
        "/register", json={"redirect_uris": [CALLBACK], "jwks": None}, headers=bearer(registrant.token)
    )
    assert null.status_code == 201
    # Who has no name is shown by the host that visitors go back to.
    assert null.json["client_name"] == "rp.test"


@pytest.mark.parametrize(
    "body",
    [
        b"", b"[]", b"7", b"null", b"{", b"\xff{}", b'{"a":NaN}', b'{"redirect_uris":[],"redirect_uris":[]}',
        b'{"jwks":{"a":1,"a":2}}', b'{"jwks":' + b'{"a":' * 20 + b"1" + b"}" * 21, b"[" * 30_000,
        b'{"default_max_age":' + b"9" * 5_000 + b"}", b'{"default_max_age":1e999}', b'{"client_name":"a\\u0000"}',
        b'{"client_name":"\\ud800"}', b'{"a\\u0000":1}',
    ],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
def test_what_is_no_sound_json_is_refused_ac_207_ac_212(registrant: Registrant, body: bytes) -> None:
    answer = registrant.http.post(
        "/register", data=body, content_type="application/json", headers=bearer(registrant.token)
    )

    assert error(answer) == (400, "invalid_request")


def test_other_bodies_are_refused(registrant: Registrant) -> None:
    headers, body = bearer(registrant.token), json.dumps({"redirect_uris": [CALLBACK]})

    def post(content: Any, kind: str, **more: str) -> int:
        answer = registrant.http.post("/register", data=content, content_type=kind, headers={**headers, **more})
        return int(answer.status_code)

    assert post(body, "text/plain") == 415
    assert post("a=b", "application/x-www-form-urlencoded") == 415
    assert post(body, "application/json", **{"Content-Encoding": "gzip"}) == 415
    assert post(body + " " * 70_000, "application/json") == 413
    assert post(body, "application/json; charset=utf-8") == 201


def test_an_address_that_asks_too_often_waits(app: Flask, authority: Authority, http: Browser, clock: Clock) -> None:
    with registration_enabled(app, authority, requests=3):
        registrant = Registrant(app, http)
        answers = [registrant.register().status_code for _ in range(4)]
        clock.step(minutes=11)
        later = registrant.register().status_code

    assert (answers, later) == ([201, 201, 201, 429], 201)


def test_pkce_is_asked_of_confidential_clients_that_want_it_or_by_setting(
    app: Flask, open_app: Flask, http: Browser, authority: Authority
) -> None:
    registrant = Registrant(open_app, http)
    free, bound = registrant.register().json, registrant.register(require_pkce=True).json
    public = registrant.register(token_endpoint_auth_method="none", require_pkce=False).json
    with registration_enabled(app, authority, require_pkce=True):
        strict = registrant.register().json

    demanded = [kept(app, one["client_id"]).must_use_pkce for one in (free, bound, public, strict)]
    assert demanded == [False, True, True, True]


# -- the configuration endpoint --------------------------------------------------------------------------------------


def test_a_client_reads_itself(registrant: Registrant) -> None:
    told = registrant.register(initiate_login_uri="https://rp.test/login").json

    read = registrant.manage("GET", told)

    assert read.status_code == 200
    secret = told.pop("client_secret")
    assert read.json == told
    assert secret not in read.text
    assert registrant.manage("HEAD", told).status_code == 200


def test_a_client_manages_itself_alone_ac_197(registrant: Registrant, open_app: Flask, clock: Clock) -> None:
    one, two = registrant.register().json, registrant.register(client_name="Two").json
    document = {"client_id": two["client_id"], "redirect_uris": ["https://evil.test/cb"]}

    for method in ("GET", "PUT", "DELETE"):
        sent = document if method == "PUT" else None
        foreign = registrant.manage(method, two, sent, token=one["registration_access_token"])
        initial = registrant.manage(method, two, sent, token=registrant.token)
        unknown = registrant.manage(method, {"registration_client_uri": "/register/nobody"}, sent, token="x" * 43)
        assert [error(answer) for answer in (foreign, initial, unknown)] == [(401, "invalid_token")] * 3
        assert foreign.json == unknown.json
        assert registrant.http.open(f"/register/{two['client_id']}", method=method, json=sent).status_code == 401
    # A client's secret or an administrator's client is no way in.
    assert registrant.manage("GET", two, token=two["client_secret"]).status_code == 401
    assert kept(open_app, two["client_id"]).redirect_uris == (CALLBACK,)
    with open_app.app_context():
        suspend_client(one["client_id"], clock())
        db.session.commit()
    assert registrant.manage("GET", one).status_code == 401


def test_a_client_that_an_administrator_registered_is_managed_by_nobody_else(
    registrant: Registrant, make_client: Maker
) -> None:
    make_client("web")

    answer = registrant.manage("GET", {"registration_client_uri": "/register/web"}, token="")

    assert answer.status_code == 401


def test_what_was_read_can_be_put_back_and_nothing_is_lost_ac_201(
    registrant: Registrant, open_app: Flask, party: Stranger
) -> None:
    party.pages["/logo"] = says(png(), kind="image/png")
    told = registrant.register(
        jwks=JWKS, policy_uri="https://rp.test/policy", logo_uri=f"{party.url}/logo", default_max_age=60,
        contacts=["ops@rp.test"], request_uris=["https://rp.test/r#hash"], require_pkce=True,
        post_logout_redirect_uris=["https://rp.test/bye"], **{"client_name#fr": "Nom"},
    ).json  # fmt: skip
    before, read = kept(open_app, told["client_id"]), registrant.manage("GET", told).json

    answer = registrant.manage("PUT", told, read)

    assert answer.status_code == 200
    assert answer.json == read
    assert kept(open_app, told["client_id"]) == before
    assert before.logo_digest
    assert len(party.seen) == 1


def test_a_put_replaces_everything(registrant: Registrant, open_app: Flask) -> None:
    told = registrant.register(policy_uri="https://rp.test/policy", contacts=["ops@rp.test"]).json
    document = {"client_id": told["client_id"], "redirect_uris": ["https://rp.test/new"], "client_name": "New"}

    answer = registrant.manage("PUT", told, document)

    assert answer.status_code == 200
    assert not {"policy_uri", "contacts"} & answer.json.keys()
    client = kept(open_app, told["client_id"])
    assert (client.name, client.redirect_uris, client.policy_uri) == ("New", ("https://rp.test/new",), None)
    # Seen at once by this process, whose memory held the client as it was.
    with open_app.app_context():
        found = find_client(told["client_id"])
        assert found is not None
        assert found.name == "New"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": "other"},
        {"client_secret": "chosen-by-me"},
        {"client_secret": 7},
        {"registration_access_token": "x"},
        {"registration_client_uri": "https://evil.test/"},
        {"client_id_issued_at": 0},
        {"client_secret_expires_at": 99},
        {"redirect_uris": ["https://rp.test/cb"], "software_statement": "x"},
    ],
    ids=str,
)
def test_a_put_cannot_change_what_is_ours_p_15(
    registrant: Registrant, open_app: Flask, changes: dict[str, Any]
) -> None:
    told = registrant.register().json
    document = {"client_id": told["client_id"], "redirect_uris": ["https://rp.test/new"], **changes}

    answer = registrant.manage("PUT", told, {name: value for name, value in document.items() if value is not None})

    assert answer.status_code == 400
    assert kept(open_app, told["client_id"]).redirect_uris == (CALLBACK,)


@pytest.mark.parametrize(
    ("before", "after", "renewed", "living"),
    [
        ("client_secret_basic", "client_secret_post", False, 1),
        ("client_secret_basic", "client_secret_jwt", True, 1),
        ("client_secret_jwt", "client_secret_jwt", False, 1),
        ("client_secret_jwt", "client_secret_basic", False, 1),
        ("client_secret_basic", "private_key_jwt", False, 0),
        ("client_secret_basic", "none", False, 0),
        ("none", "client_secret_basic", True, 1),
        ("private_key_jwt", "client_secret_jwt", True, 1),
    ],
)
def test_a_new_method_gets_the_secret_that_it_needs(
    registrant: Registrant, open_app: Flask, before: str, after: str, renewed: bool, living: int
) -> None:
    told = registrant.register(token_endpoint_auth_method=before, jwks=JWKS).json
    document = {
        "client_id": told["client_id"], "redirect_uris": [CALLBACK], "jwks": JWKS, "token_endpoint_auth_method": after,
    }  # fmt: skip

    answer = registrant.manage("PUT", told, document)

    client = kept(open_app, told["client_id"])
    assert answer.status_code == 200
    assert ("client_secret" in answer.json) is renewed
    assert len(client.secrets) == living
    assert [one.sealed is not None for one in client.secrets].count(True) >= (after == "client_secret_jwt")
    assert ("client_secret_expires_at" in answer.json) is bool(living)


def test_a_deleted_client_is_gone_with_all_it_had(
    registrant: Registrant, open_app: Flask, make_code: Maker, party: Stranger
) -> None:
    party.pages["/logo"] = says(png(), kind="image/png")
    told = registrant.register(
        grant_types=["authorization_code", "refresh_token"], logo_uri=f"{party.url}/logo",
    ).json  # fmt: skip
    client_id, auth = told["client_id"], (told["client_id"], told["client_secret"])
    code = make_code(client_id, redirect_uri=CALLBACK)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": "v" * 64}
    tokens = registrant.http.post("/token", data=form, auth=auth).json

    answer = registrant.manage("DELETE", told)

    assert (answer.status_code, answer.data) == (204, b"")
    http = registrant.http
    assert http.get("/userinfo", headers=bearer(tokens["access_token"])).status_code == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert error(http.post("/token", data=refresh, auth=auth)) == (401, "invalid_client")
    assert http.get("/authorize", query_string={"client_id": client_id, "redirect_uri": CALLBACK}).status_code == 400
    assert [registrant.manage(method, told).status_code for method in ("GET", "DELETE")] == [401, 401]
    with open_app.app_context():
        assert [
            db.session.query(table).count() for table in (ClientRow, ClientSecret, SelfRegistration, ClientLogo)
        ] == [0] * 4
        assert [family.revoked_for for family in db.session.query(RefreshFamily)] == ["client-deleted"]


def test_every_act_leaves_a_trace_ac_199(registrant: Registrant, open_app: Flask) -> None:
    told = registrant.register().json
    registrant.manage("PUT", told, {"client_id": told["client_id"], "redirect_uris": [CALLBACK]})
    registrant.manage("GET", told, token="x")
    registrant.manage("DELETE", told)

    with open_app.app_context():
        trail = db.session.query(AuditEvent).filter_by(client_id=told["client_id"]).order_by(AuditEvent.id)
        events = [(one.event, one.outcome) for one in trail]
    assert events == [
        ("client-added", "ok"),
        ("client-registered", "ok"),
        ("client-updated", "ok"),
        ("client-registration", "refused"),
        ("client-deleted", "ok"),
    ]


# -- what is fetched -------------------------------------------------------------------------------------------------


def test_the_sector_is_the_host_of_the_list_that_holds_every_redirect_uri(
    registrant: Registrant, open_app: Flask, party: Stranger
) -> None:
    uris = ["https://one.test/cb", "https://two.test/cb"]
    party.pages["/sector"] = says(json.dumps([*uris, "https://three.test/cb"]))

    told = registrant.register(redirect_uris=uris, sector_identifier_uri=f"{party.url}/sector")

    assert told.status_code == 201
    assert told.json["sector_identifier_uri"] == f"{party.url}/sector"
    assert kept(open_app, told.json["client_id"]).sector_identifier == "127.0.0.1"
    alone = registrant.register(redirect_uris=["https://one.test/cb"]).json
    assert kept(open_app, alone["client_id"]).sector_identifier == "one.test"


@pytest.mark.parametrize(
    "page",
    [
        says('["https://other.test/cb"]'),
        says("{}"),
        says("[7]"),
        says("not json"),
        says("[" * 40_000),
        says("[]", status=404),
        says("", status=302, Location="/elsewhere"),
        None,
    ],
)
def test_a_sector_that_does_not_hold_them_is_refused(
    registrant: Registrant, open_app: Flask, party: Stranger, page: Answer | None
) -> None:
    party.pages |= {"/elsewhere": says(json.dumps([CALLBACK]))} | ({"/sector": page} if page else {})

    answer = registrant.register(sector_identifier_uri=f"{party.url}/sector")

    assert error(answer) == BAD
    assert "sector_identifier_uri" in answer.json["error_description"]
    assert [seen[1] for seen in party.seen] == ["/sector"]


def test_what_a_registration_points_to_cannot_be_our_own_network(
    app: Flask, authority: Authority, http: Browser, party: Stranger
) -> None:
    with registration_enabled(app, authority):
        settings = app.extensions["sesame"]["settings"]
        fetch = settings.fetch.model_copy(update={"allow_networks": ()})
        fetch.__dict__.pop("networks", None)
        app.extensions["sesame"]["settings"] = settings.model_copy(update={"fetch": fetch})
        registrant = Registrant(app, http)

        answers = [
            registrant.register(**{name: f"https://127.0.0.1:{party.port}/x"})
            for name in ("sector_identifier_uri", "logo_uri")
        ]

    assert [error(answer) for answer in answers] == [BAD, BAD]
    # One sentence for every failure: the answer is no map of our network.
    assert "127.0.0.1" not in str([answer.json for answer in answers])
    assert party.seen == []


def test_a_logo_is_kept_and_served_from_here_p_18(
    registrant: Registrant, open_app: Flask, http: Browser, party: Stranger
) -> None:
    party.pages["/logo"] = says(png(), kind="text/html")
    told = registrant.register(logo_uri=f"{party.url}/logo").json
    digest = kept(open_app, told["client_id"]).logo_digest

    answer = http.get(f"/logos/{digest}")

    assert (answer.status_code, answer.data) == (200, png())
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert told["logo_uri"] == f"{party.url}/logo"
    assert http.get(f"/logos/{'0' * 64}").status_code == 404


@pytest.mark.parametrize(
    ("page", "word"),
    [
        (says("<svg xmlns='http://www.w3.org/2000/svg'/>", kind="image/svg+xml"), "is SVG"),
        (says("<html>", kind="image/png"), "neither"),
        (says(b"GIF89a" + b"\0" * 40), "neither"),
        (says(b"\x89PNG\r\n\x1a\n"), "neither"),
        (says(b"\xff\xd8\xff\xe0\x00\x04"), "neither"),
        (says(png(30_000, 1)), "larger"),
        (says(jpeg(8, 60_000)), "larger"),
        (says(png(0, 0)), "larger"),
        (says(png() + b"\0" * 110_000), "fetched"),
        (says(png(), Content_Encoding="gzip"), "fetched"),
        (says("", status=404), "404"),
        (says("", status=302, Location="/logo2"), "302"),
    ],
)
def test_a_logo_that_is_no_small_picture_is_refused(
    registrant: Registrant, party: Stranger, page: Answer, word: str
) -> None:
    party.pages |= {"/logo": page, "/logo2": says(png())}

    answer = registrant.register(logo_uri=f"{party.url}/logo")

    assert error(answer) == BAD
    assert word in answer.json["error_description"]


def test_a_jpeg_is_a_logo_too(registrant: Registrant, party: Stranger) -> None:
    party.pages["/logo"] = says(jpeg())

    assert registrant.register(logo_uri=f"{party.url}/logo").status_code == 201


def test_no_transaction_is_held_while_a_logo_is_fetched(
    registrant: Registrant, open_app: Flask, party: Stranger, new_browser: Any
) -> None:
    asked, answers = threading.Event(), []
    picture = says(png())

    def slowly(handler: Any) -> None:
        asked.set()
        party.released.wait(3)
        picture(handler)

    party.pages["/logo"] = slowly
    slow = Registrant(open_app, new_browser())
    one = threading.Thread(target=lambda: answers.append(slow.register(logo_uri=f"{party.url}/logo").status_code))
    one.start()
    assert asked.wait(3)
    # SQLite has one writer at a time: this would wait, and fail, if the other held its transaction.
    meanwhile = registrant.register().status_code
    party.released.set()
    one.join()

    assert (meanwhile, answers) == (201, [201])


def test_each_name_on_the_wire_is_a_field_of_a_client() -> None:
    assert {OURS.get(name, name) for name in FIELDS} <= set(Client.__dataclass_fields__)
