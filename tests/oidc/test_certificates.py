"""Client certificates (RFC 8705) count when our own proxy hands them on, and are exactly the registered ones."""

import os
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from flask import Flask
from pydantic import SecretStr

from idp import create_app
from idp.db import db
from idp.oidc import registration
from tests.conformance.keys import Authority, Certificate, ec_key, jwks, new_key, own_certificate
from tests.conftest import Browser, Clock
from tests.oidc.conftest import Client, Maker
from tests.oidc.proofs import certificate_thumbprint, in_rfc_9440, issued, proof_for

HEADER = "X-Client-Certificate"
SECRET = "the-proxy-s-own-secret"
ROBOT = x509.Name(
    [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "FR"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Caf, Régie"),
        x509.NameAttribute(NameOID.COMMON_NAME, "robot"),
    ]
)
MACHINE = {"kind": "machine", "redirect_uris": [], "machine_scopes": ["count"]}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca.pem")


@pytest.fixture
def proxy(with_settings: Maker, authority: Authority) -> Callable[..., Any]:
    """Put a proxy on 127.0.0.1 in front: the address that the test client has."""
    with_settings(mtls={"header": HEADER, "authorities": authority.file, "secret": SECRET})
    return with_settings


@pytest.fixture
def robot(proxy: Any, make_client: Maker) -> Client:
    """Return a machine that is known by a certificate of the authority."""
    client: Client = make_client(
        "robot", auth_method="tls_client_auth", tls_client_auth_subject_dn=ROBOT.rfc4514_string(), **MACHINE
    )
    return Client("robot", None, client.http)


def by_proxy(certificate: Certificate | str) -> str:
    """Return what the proxy writes: its secret, then what the client showed."""
    return f"{SECRET} {certificate.header if isinstance(certificate, Certificate) else certificate}"


def ask(client: Client, certificate: Certificate | str | None, **headers: str) -> Any:
    told = headers if certificate is None else {HEADER: by_proxy(certificate), **headers}
    return client.post("/token", headers=told, grant_type="client_credentials")


def is_known(answer: Any) -> bool:
    if answer.status_code != 200:
        assert (answer.status_code, answer.json["error"]) == (401, "invalid_client")
    return bool(answer.status_code == 200)


def test_a_certificate_of_the_authority_for_the_subject_proves_the_client(robot: Client, authority: Authority) -> None:
    assert is_known(ask(robot, issued(authority, ROBOT)))


def test_another_subject_issuer_or_time_does_not(
    robot: Client, authority: Authority, tmp_path: Path, clock: Clock
) -> None:
    stranger = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "robot")])
    with_more = x509.Name([*ROBOT, x509.NameAttribute(NameOID.COMMON_NAME, "admin")])
    foreign = Authority(tmp_path / "foreign.pem")
    now = clock()

    refused = [
        issued(authority, stranger),
        issued(authority, with_more),
        issued(foreign, ROBOT),
        issued(authority, ROBOT, ends_at=now - timedelta(seconds=1)),
        issued(authority, ROBOT, begins_at=now + timedelta(minutes=1)),
        own_certificate("robot"),
    ]

    assert [is_known(ask(robot, one)) for one in refused] == [False] * 6


def test_a_certificate_that_ends_is_refused_from_then_on(robot: Client, authority: Authority, clock: Clock) -> None:
    certificate = issued(authority, ROBOT, ends_at=clock() + timedelta(minutes=1))

    before = is_known(ask(robot, certificate))
    clock.step(minutes=2)

    assert before
    assert not is_known(ask(robot, certificate))


@pytest.mark.parametrize(
    "value",
    [
        "", "x", "-----BEGIN CERTIFICATE-----", "%2d", "a" * 20_000,
        "-----BEGIN CERTIFICATE-----\tAAAA\t-----END CERTIFICATE-----",
        ":AAAA:", "%00", "é",
    ],
    ids=lambda value: value[:20].encode("ascii", "replace").decode(),
)  # fmt: skip
def test_a_header_that_holds_no_certificate_is_none(robot: Client, value: str) -> None:
    assert not is_known(ask(robot, value))


def test_no_header_or_two_prove_nothing(robot: Client, authority: Authority) -> None:
    good = issued(authority, ROBOT)

    assert not is_known(ask(robot, None))
    assert not is_known(ask(robot, f"{good.header},{good.header}"))
    assert not is_known(ask(robot, own_certificate("x").header + good.header))


def test_a_client_known_by_certificate_is_known_by_nothing_else_ac_131(robot: Client, authority: Authority) -> None:
    certificate = {HEADER: by_proxy(issued(authority, ROBOT))}
    by_secret = robot.http.post("/token", data={"grant_type": "client_credentials"}, auth=("robot", "x"))
    both = robot.http.post(
        "/token", data={"grant_type": "client_credentials"}, auth=("robot", "x"), headers=certificate
    )

    assert [one.status_code for one in (by_secret, both)] == [401, 401]


def test_a_certificate_proves_no_client_of_another_method(proxy: Any, make_client: Maker, authority: Authority) -> None:
    web = make_client("robot", **MACHINE)
    shown = {HEADER: by_proxy(issued(authority, ROBOT))}

    answer = web.http.post("/token", data={"grant_type": "client_credentials", "client_id": "robot"}, headers=shown)

    assert not is_known(answer)


@pytest.mark.parametrize(
    ("field", "wanted", "name"),
    [
        ("tls_client_auth_san_dns", "Robot.RP.test", x509.DNSName("robot.rp.test")),
        ("tls_client_auth_san_uri", "https://rp.test/robot", x509.UniformResourceIdentifier("https://rp.test/robot")),
        ("tls_client_auth_san_email", "robot@rp.test", x509.RFC822Name("robot@rp.test")),
        ("tls_client_auth_san_ip", "2001:db8::1", x509.IPAddress(ip_address("2001:db8::1"))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_alternative_name_may_be_registered_instead(
    proxy: Any, make_client: Maker, authority: Authority, field: str, wanted: str, name: x509.GeneralName
) -> None:
    """RFC 8705 §2.1.2; a wildcard is a name like another, and matches nothing."""
    client = make_client("robot", auth_method="tls_client_auth", **{field: wanted}, **MACHINE)
    client.secret = None

    assert is_known(ask(client, issued(authority, ROBOT, names=[name])))
    assert not is_known(ask(client, issued(authority, ROBOT)))
    assert not is_known(ask(client, issued(authority, ROBOT, names=[x509.DNSName("*.rp.test")])))
    common = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted)])
    assert not is_known(ask(client, issued(authority, common)))


def test_a_self_signed_certificate_is_compared_with_the_registered_one(
    proxy: Any, make_client: Maker, clock: Clock
) -> None:
    own, twin = own_certificate("robot"), own_certificate("robot")
    keys = {"keys": [own.jwk, jwks(ec_key("other"))["keys"][0]]}
    client = make_client("robot", auth_method="self_signed_tls_client_auth", jwks=keys, **MACHINE)
    client.secret = None

    assert is_known(ask(client, own))
    assert not is_known(ask(client, twin))
    clock.step(days=366)
    assert not is_known(ask(client, own))


class TestSpoofing:
    """P-24: a certificate is believed from our own proxy only; anybody can write a header."""

    def test_a_stranger_who_reaches_us_directly_is_not_believed(self, robot: Client, authority: Authority) -> None:
        answer = robot.http.post(
            "/token", data={"grant_type": "client_credentials", "client_id": "robot"},
            headers={HEADER: by_proxy(issued(authority, ROBOT))}, environ_base={"REMOTE_ADDR": "203.0.113.9"},
        )  # fmt: skip

        assert not is_known(answer)

    def test_x_forwarded_for_makes_nobody_a_proxy(self, authority: Authority, idp_settings: Any, robot: Client) -> None:
        """With a trusted hop, `remote_addr` is what the header says; the connection's own address is what counts."""
        hopped = idp_settings.model_copy(
            update={
                "trusted_hops": 1,
                "mtls": idp_settings.mtls.model_copy(
                    update={"header": HEADER, "authorities": authority.file, "secret": SecretStr(SECRET)}
                ),
            }
        )
        app = create_app(hopped)
        app.test_client_class = Browser
        shown = {HEADER: by_proxy(issued(authority, ROBOT))}
        form = {"grant_type": "client_credentials", "client_id": "robot"}
        try:
            outside = app.test_client().post(
                "/token", data=form, headers={**shown, "X-Forwarded-For": "127.0.0.1"},
                environ_base={"REMOTE_ADDR": "203.0.113.9"},
            )  # fmt: skip
            inside = app.test_client().post("/token", data=form, headers={**shown, "X-Forwarded-For": "203.0.113.9"})
        finally:
            with app.app_context():
                db.engine.dispose()
            app.extensions["sesame"]["state"].store.close()

        assert not is_known(outside)
        assert is_known(inside)

    def test_without_the_setting_no_header_counts(
        self, robot: Client, authority: Authority, with_settings: Maker
    ) -> None:
        with_settings(mtls={"header": ""})

        assert not is_known(ask(robot, issued(authority, ROBOT)))

    def test_another_proxy_than_the_named_ones_is_a_stranger(
        self, robot: Client, authority: Authority, with_settings: Maker
    ) -> None:
        with_settings(mtls={"proxies": ("10.0.0.0/8", "2001:db8::/32")})

        assert not is_known(ask(robot, issued(authority, ROBOT)))

    @pytest.mark.parametrize("written", ["{}", " {}", "another-secret-here {}", "the-proxy-s-own-secre {}", "{} {}"])
    def test_what_the_proxy_did_not_write_is_not_believed(
        self, robot: Client, authority: Authority, written: str
    ) -> None:
        value = written.replace("{}", issued(authority, ROBOT).header)

        answer = robot.post("/token", headers={HEADER: value}, grant_type="client_credentials")

        assert not is_known(answer)

    def test_a_header_with_underscores_that_passes_the_proxy_proves_nothing(
        self, robot: Client, authority: Authority
    ) -> None:
        """To a WSGI application `X_Client_Certificate` has the same name; whichever of the two comes through."""
        certificate = issued(authority, ROBOT).header
        name = "HTTP_" + HEADER.upper().replace("-", "_")
        form = {"grant_type": "client_credentials", "client_id": "robot"}

        for merged in (certificate, f"{SECRET} ,{certificate}", f"{certificate},{SECRET} "):
            assert not is_known(robot.http.post("/token", data=form, environ_base={name: merged}))

    @pytest.mark.parametrize("secret", ["", "short", "has a space in it here", "é" * 20])
    def test_without_a_good_secret_the_start_stops(self, with_settings: Maker, secret: str) -> None:
        with pytest.raises(ValueError, match=r"mtls\.secret"):
            with_settings(mtls={"header": HEADER, "secret": secret})

    def test_on_this_machine_alone_none_is_needed(self, with_settings: Maker) -> None:
        assert with_settings(issuer="http://localhost:8000", mtls={"header": HEADER}).mtls.header == HEADER

    def test_networks_that_are_none_stop_the_start(self, with_settings: Maker) -> None:
        with pytest.raises(ValueError, match="proxies"):
            with_settings(mtls={"proxies": ("10.0.0.1/8",)})


def test_the_header_may_have_the_form_of_rfc_9440(robot: Client, authority: Authority, with_settings: Maker) -> None:
    certificate = issued(authority, ROBOT)
    with_settings(mtls={"form": "rfc9440"})

    assert is_known(ask(robot, in_rfc_9440(certificate)))
    assert not is_known(ask(robot, certificate))
    assert not is_known(ask(robot, in_rfc_9440(certificate).strip(":")))
    assert not is_known(ask(robot, in_rfc_9440(certificate)[:-6] + ":"))
    assert not is_known(ask(robot, f"{in_rfc_9440(certificate)}, {in_rfc_9440(certificate)}"))


class TestBoundTokens:
    """RFC 8705 §3: a token that is bound to a certificate is good over a connection that shows it."""

    @pytest.fixture
    def bank(self, proxy: Any, make_client: Maker) -> Client:
        client: Client = make_client("bank", tls_client_certificate_bound_access_tokens=True)
        return client

    def test_no_certificate_no_token(self, bank: Client, make_code: Maker) -> None:
        answer = bank.exchange(make_code("bank"))

        assert (answer.status_code, answer.json["error"]) == (400, "invalid_request")

    def test_only_the_same_certificate_may_use_it_p_10(self, bank: Client, make_code: Maker) -> None:
        mine, other = own_certificate("bank"), own_certificate("thief")
        answer = bank.exchange(make_code("bank"), headers={HEADER: by_proxy(mine)}).json
        token = answer["access_token"]

        assert answer["token_type"] == "Bearer"
        assert bank.userinfo(token, **{HEADER: by_proxy(mine)}).status_code == 200
        assert bank.userinfo(token).status_code == 401
        assert bank.userinfo(token, **{HEADER: by_proxy(other)}).status_code == 401

    def test_introspection_tells_its_thumbprint(self, bank: Client, make_code: Maker) -> None:
        mine = own_certificate("bank")
        token = bank.exchange(make_code("bank"), headers={HEADER: by_proxy(mine)}).json["access_token"]

        assert bank.post("/introspect", token=token).json["cnf"] == {"x5t#S256": certificate_thumbprint(mine)}

    def test_both_bindings_must_hold_where_both_are_there(self, bank: Client, make_code: Maker) -> None:
        mine, key = own_certificate("bank"), new_key()
        shown = {HEADER: by_proxy(mine)}
        token = bank.exchange(make_code("bank"), headers={**shown, **proof_for(key)}).json["access_token"]

        def proof() -> dict[str, str]:
            return proof_for(key, "/userinfo", "GET", token=token)

        assert bank.userinfo(token, "DPoP", **shown, **proof()).status_code == 200
        assert bank.userinfo(token, "DPoP", **proof()).status_code == 401
        assert bank.userinfo(token, **shown).status_code == 401

    def test_an_apps_refresh_token_is_bound_too(self, proxy: Any, make_client: Maker, make_code: Maker) -> None:
        """RFC 8705 §4: a public client has nothing else to hold."""
        app = make_client("app", kind="mobile", tls_client_certificate_bound_access_tokens=True)
        mine = own_certificate("app")
        token = app.exchange(make_code("app"), headers={HEADER: by_proxy(mine)}).json["refresh_token"]

        def refreshed(headers: dict[str, str]) -> Any:
            return app.post("/token", headers=headers, grant_type="refresh_token", refresh_token=token)

        assert refreshed({HEADER: by_proxy(own_certificate("thief"))}).json["error"] == "invalid_grant"
        assert refreshed({}).json["error"] == "invalid_request"
        assert refreshed({HEADER: by_proxy(mine)}).status_code == 200


class TestMetadata:
    """AC-158: certificates are promised where a proxy hands them on."""

    def test_without_a_proxy_nothing_is_promised_or_registered(self, http: Browser, make_client: Maker) -> None:
        metadata = http.get("/.well-known/openid-configuration").json

        assert metadata["tls_client_certificate_bound_access_tokens"] is False
        assert not [one for one in metadata["token_endpoint_auth_methods_supported"] if "tls" in one]
        assert "mtls_endpoint_aliases" not in metadata
        with pytest.raises(registration.MetadataFault):
            make_client("robot", auth_method="tls_client_auth", tls_client_auth_san_dns="a.test", **MACHINE)

    def test_with_one_the_methods_and_the_addresses_are_named(
        self, http: Browser, proxy: Any, robot: Client, authority: Authority
    ) -> None:
        proxy(mtls={"issuer": "https://mtls.idp.test"})
        metadata = http.get("/.well-known/openid-configuration").json

        assert metadata["tls_client_certificate_bound_access_tokens"] is True
        assert {"tls_client_auth", "self_signed_tls_client_auth"} <= set(
            metadata["token_endpoint_auth_methods_supported"]
        )
        assert metadata["mtls_endpoint_aliases"]["token_endpoint"] == "https://mtls.idp.test/token"
        key = new_key()
        proof = proof_for(key, "/token", htu="https://mtls.idp.test/token")
        assert ask(robot, issued(authority, ROBOT), **proof).json["token_type"] == "DPoP"

    def test_exactly_one_name_of_the_certificate_is_registered(self, proxy: Any, make_client: Maker) -> None:
        for names in ({}, {"tls_client_auth_san_dns": "a.test", "tls_client_auth_san_ip": "10.0.0.1"}):
            with pytest.raises(registration.MetadataFault, match="exactly one"):
                make_client("robot", auth_method="tls_client_auth", **names, **MACHINE)


def test_the_authority_may_be_replaced_while_serving(
    robot: Client, authority: Authority, tmp_path: Path, with_settings: Maker
) -> None:
    """A bundle is read again when its file has changed: a withdrawn authority must not outlive its file."""
    first, second = Authority(tmp_path / "one.pem"), Authority(tmp_path / "two.pem")
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(first.file.read_bytes())
    with_settings(mtls={"authorities": bundle})
    before = [is_known(ask(robot, issued(one, ROBOT))) for one in (first, second)]

    bundle.write_bytes(second.file.read_bytes())
    os.utime(bundle, (1, 1))
    after = [is_known(ask(robot, issued(one, ROBOT))) for one in (first, second)]
    bundle.unlink()

    assert before == [True, False]
    assert after == [False, True]
    assert not is_known(ask(robot, issued(second, ROBOT)))


def test_nothing_is_left_behind(app: Flask) -> None:
    """`authorities` of the tests are files of the tests."""
    assert app.extensions["sesame"]["settings"].mtls.authorities is None
