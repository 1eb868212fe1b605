"""`idp doctor` finds what is wrong, says what puts it right, and fails when something failed."""

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from flask import Flask

from idp import clock as idp_clock
from idp.accounts import directory
from idp.accounts.passwords import keep_legacy
from idp.commands.checks import Finding
from idp.commands.checks.dns_records import DnsAway, check_dns
from idp.commands.checks.passwords import check_imported_hashes
from idp.commands.checks.plan_model import Machine, size_fleet
from idp.commands.checks.relays import check_mail_relays, check_sms
from idp.commands.checks.site import check_certificate, check_documents
from idp.commands.checks.stores import _judge_skew, check_clocks, check_database, check_redis
from idp.db import db
from idp.messages.dkim_signature import public_half
from idp.settings import Settings
from tests.accounts.test_legacy_hashes import FOREIGN
from tests.messages.conftest import certificates, open_relay, open_smsc
from tests.root.test_commands import Run, environ, run

__all__ = ["certificates", "environ", "open_relay", "open_smsc", "run"]

Records = dict[tuple[str, str], list[str]]
SENDER = {"sender_address": "codes@mail.agency.fr", "return_address": "bounce@mail.agency.fr"}


def statuses(found: list[Finding]) -> list[str]:
    return [one.status for one in found]


# -- the command ---------------------------------------------------------------------------------------------------

QUIET = ("--skip", "dns", "--skip", "certificate", "--skip", "documents", "--skip", "mail")


def test_a_sound_machine_passes_and_every_finding_is_told(run: Run) -> None:
    result = run("doctor", "--json", *QUIET)
    told = json.loads(result.stdout)

    assert result.exit_code == 0
    assert told["database"] == "sqlite"
    assert {one["check"] for one in told["checks"]} == {
        "configuration", "files", "database", "redis", "clocks", "keys", "passwords", "sms", "directory",
    }  # fmt: skip
    assert told["worst"] == "warning"
    assert all(one["fix"] for one in told["checks"] if one["status"] in {"warning", "failure"})


def test_what_is_broken_fails_and_says_the_remedy(run: Run, tmp_path: Path) -> None:
    result = run("doctor", *QUIET, IDP_DATABASE_URL=f"sqlite:///{tmp_path}/empty.db")
    away = run("doctor", "--only", "mail", IDP_SMTP_URL="smtp://127.0.0.1:1")

    assert result.exit_code == 1
    assert "run: idp db upgrade" in result.output
    assert away.exit_code == 1
    assert "FAILURE  mail           mail relay 127.0.0.1:1: it cannot be reached" in away.output


def test_a_secret_that_others_can_read_fails(run: Run, environ: dict[str, str], tmp_path: Path) -> None:
    (folder := tmp_path / "open to all").mkdir()
    folder.chmod(0o755)
    secret = folder / "pepper"
    secret.write_text(environ["IDP_SECRETS__PEPPER"])
    secret.chmod(0o644)

    opened = run("doctor", "--only", "files", IDP_SECRETS__PEPPER_FILE=str(secret))
    secret.chmod(0o400)
    closed = run("doctor", "--only", "files", IDP_SECRETS__PEPPER_FILE=str(secret))

    assert opened.exit_code == 1
    assert f"chmod 600 {secret}" in " ".join(opened.output.split())
    assert closed.exit_code == 0


# -- DNS -----------------------------------------------------------------------------------------------------------


def dkim_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


@pytest.fixture(scope="module")
def signing() -> dict[str, str]:
    return {**SENDER, "dkim_selector": "s1", "dkim_key": dkim_key()}


def good_records(ours: Settings) -> Records:
    return {
        ("mail.agency.fr", "TXT"): ["other", "v=spf1 include:relay.example -all"],
        ("s1._domainkey.mail.agency.fr", "TXT"): [f"v=DKIM1; k=rsa; p={public_half(ours.smtp)}"],
        ("_dmarc.agency.fr", "TXT"): ["v=DMARC1; p=none; sp=reject"],
        ("mail.agency.fr", "MX"): ["mx.agency.fr"],
    }


def test_a_domain_that_says_everything_passes(with_settings: Callable[..., Settings], signing: dict[str, str]) -> None:
    ours = with_settings(smtp=signing)

    found = check_dns(ours, lambda name, kind: good_records(ours).get((name, kind), []))

    assert statuses(found) == ["ok"] * 4
    assert "DMARC of agency.fr: reject" in [one.says for one in found]


@pytest.mark.parametrize(
    ("name", "kind", "records", "status", "says"),
    [
        ("mail.agency.fr", "TXT", [], "failure", "no SPF record"),
        ("mail.agency.fr", "TXT", ["v=spf1 -all", "v=spf1 ~all"], "failure", "2 SPF records, which count as none"),
        ("mail.agency.fr", "TXT", ["v=spf1 include:relay +all"], "failure", "lets everybody send"),
        ("s1._domainkey.mail.agency.fr", "TXT", [], "failure", "is not published"),
        ("s1._domainkey.mail.agency.fr", "TXT", ["v=DKIM1; p=AAAA"], "failure", "is another one"),
        ("_dmarc.agency.fr", "TXT", [], "failure", "no DMARC record"),
        ("_dmarc.mail.agency.fr", "TXT", ["v=DMARC1; p=none"], "warning", "p=none: mails in our name arrive"),
        ("mail.agency.fr", "MX", [], "failure", "has no MX"),
    ],
)
def test_a_domain_that_leaves_something_out_is_told_which_record_to_add(
    with_settings: Callable[..., Settings], signing: dict[str, str],
    name: str, kind: str, records: list[str], status: str, says: str,
) -> None:  # fmt: skip
    ours = with_settings(smtp=signing)
    world = {**good_records(ours), (name, kind): records}

    (bad,) = [one for one in check_dns(ours, lambda n, k: world.get((n, k), [])) if one.status != "ok"]

    assert (bad.status, says in bad.says) == (status, True)
    assert bad.fix


def test_no_name_server_is_no_verdict(with_settings: Callable[..., Settings]) -> None:
    def silent(_name: str, _kind: str) -> list[str]:
        raise DnsAway("Timeout")

    assert statuses(check_dns(with_settings(smtp=SENDER), silent)) == ["warning"]


# -- relays --------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("context")
def test_relays_and_centres_are_tried_as_for_a_message_and_nothing_is_sent(
    with_settings: Callable[..., Settings], open_relay: Callable[..., Any], open_smsc: Callable[..., Any],
    certificates: tuple[Path, Any],
) -> None:  # fmt: skip
    authority, tls = certificates
    good, plain, centre = open_relay(tls=tls), open_relay(), open_smsc()
    with_settings(
        smtp_url=f"smtp+starttls://127.0.0.1:{good.port}",
        smtp={"relays": (f"smtp+starttls://127.0.0.1:{plain.port}", "smtp://127.0.0.1:1"), "ca_file": authority},
        sms={"transport": "smpp", "smpp_url": f"smpp://test:test@127.0.0.1:{centre.port}"},
    )

    mail, sms = check_mail_relays(), check_sms()
    with_settings(sms={"smpp_url": "smpp://test:test@127.0.0.1:1"})

    assert [(one.status, one.says.split(": ")[-1]) for one in mail[1:]] == [
        ("failure", "its TLS is not to be trusted, or it offers none"),
        ("failure", "it cannot be reached"),
    ]
    assert mail[0].status == "ok"
    assert statuses(sms) == ["ok"]
    assert statuses(check_sms()) == ["failure"]
    assert not good.mails
    assert not centre.texts


# -- the stores ----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("context")
def test_stores_that_are_as_they_should_be(backend: str) -> None:
    database, redis, clocks = check_database(), check_redis(), check_clocks()

    # The tests' tables are made without migrations, and their servers forget on purpose.
    assert "idp db upgrade" in database[0].fix
    if backend == "servers":
        assert [one.says for one in database[1:-1]] == [
            "PostgreSQL has fsync off", "PostgreSQL has synchronous_commit off",
        ]  # fmt: skip
        assert database[-1].status == "ok"
        assert [one.says.split(") ")[-1] for one in redis] == ["has no maxmemory: a flood of entries takes the machine"]
    else:
        assert statuses(redis) == statuses(clocks) == ["skipped"]


def test_a_clock_that_is_off_is_found_rc_21(app: Flask, backend: str, clock: Any) -> None:
    if backend == "servers":
        clock.moment = datetime.now(UTC) - timedelta(minutes=20)
        with app.app_context():
            assert set(statuses(check_clocks())) == {"failure"}

    assert _judge_skew("Redis", -2.1).status == "failure"
    assert _judge_skew("Redis", 0.6).status == "warning"


# -- the issuer's address ------------------------------------------------------------------------------------------


class Front(BaseHTTPRequestHandler):
    """A proxy that hands documents on, as they are told to be."""

    documents: dict[str, Any]

    def do_GET(self) -> None:
        document = self.documents.get(self.path)
        self.send_response(200 if document is not None else 404)
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[timedelta], str]]:
    """Return an opener of the issuer's front, with a certificate that ends in a given time; returns its address."""
    servers: list[HTTPServer] = []

    def open_front(left: timedelta) -> str:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - timedelta(days=90)).not_valid_after(now + left)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        pem = tmp_path / "front.pem"
        pem.write_bytes(made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        server = HTTPServer(("127.0.0.1", 0), Front)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
        return f"https://localhost:{server.server_port}"

    yield open_front
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.usefixtures("context")
@pytest.mark.parametrize(("days", "status"), [(60, "ok"), (20, "warning"), (3, "failure"), (-1, "failure")], ids=str)
def test_a_certificate_that_ends_is_told_in_time_rc_42(
    front: Callable[[timedelta], str], with_settings: Callable[..., Settings], days: int, status: str
) -> None:
    idp_clock.set_source(None)
    with_settings(issuer=front(timedelta(days=days, hours=1)))

    assert statuses(check_certificate()) == [status]


@pytest.mark.usefixtures("context")
def test_documents_that_the_proxy_keeps_back_or_changes_are_named(
    front: Callable[[timedelta], str], with_settings: Callable[..., Settings], app: Flask
) -> None:
    issuer = front(timedelta(days=60))
    with_settings(issuer=issuer, passkeys={"apple_apps": ("ABCDE12345.fr.caf.app",)})
    paths = ("/.well-known/openid-configuration", "/.well-known/apple-app-site-association")
    Front.documents = {path: app.test_client().get(path, base_url=issuer).json for path in paths}

    whole = check_documents()
    Front.documents = {paths[0]: {"issuer": "https://elsewhere.test"}}
    broken = check_documents()

    assert statuses(whole) == ["ok"]
    assert [one.says.split(" is not")[0] for one in broken] == list(paths)


# -- the plan ------------------------------------------------------------------------------------------------------


def test_a_plan_is_arithmetic_that_can_be_followed(with_settings: Callable[..., Settings]) -> None:
    ours = with_settings(
        redis_url="redis://x", redis_pool=10, database_pool=5, fleet={"surge_nodes": 1, "other_connections": 10}
    )

    plan = size_fleet(400, Machine(4, 0.04, 80.0, 0.001), ours)

    # 400 x 0.6 x 1.15 hashes of 4/80 s, 4000 requests of 1 ms: 13.8 + 4 processors, at 60 % of 4 a node, one to spare.
    assert plan["hashes a second"] == 276.0
    assert plan["processors busy"] == 17.8
    assert plan["web nodes, one to spare"] == 9
    assert plan["messages an hour"] == round(400 * 0.6 * 1.1 * 3600)
    assert plan["PostgreSQL max_connections"] == (10 * 4 + 4) * 5 + 10


def test_a_plan_measures_this_machine(run: Run) -> None:
    plan = json.loads(run("doctor", "--plan", "400", "--json").stdout)

    assert plan["hashes a second, all at once"] > 0
    assert plan["page, ms of processor"] > 0
    assert {"ES256 signature, ms", "RS256 signature, ms", "state round trip, ms"} <= set(plan)
    assert plan["web nodes, one to spare"] >= 2
    assert run("doctor", "--plan", "0").exit_code == 1


# -- imported hashes -----------------------------------------------------------------------------------------------


def test_while_imported_hashes_are_left_the_doctor_says_how_long_a_refusal_must_take_ac_55(
    context: Flask, alice: str, with_settings: Callable[..., Settings]
) -> None:
    assert statuses(check_imported_hashes()) == ["ok"]
    directory.get_account(alice).password_hash = keep_legacy(FOREIGN["bcrypt"])
    db.session.commit()

    (told,) = check_imported_hashes()
    with_settings(passwords={"refuse_after": 3})
    (enough,) = check_imported_hashes()
    directory.get_account(alice).password_hash = None
    db.session.commit()
    (over,) = check_imported_hashes()

    assert told.status == "failure"
    assert re.fullmatch(r"set passwords.refuse_after = \d\.\d+ on every node", told.fix)
    assert (enough.status, over.status) == ("ok", "ok")
    assert "can be 0 again" in over.says
