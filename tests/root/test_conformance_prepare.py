"""`idp conformance prepare` makes what the suite needs, for a test host only, and can be run again."""

import json
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner, Result
from cryptography import x509

from idp.commands import cli
from tests.conftest import example_key
from tests.root.test_commands import told

PROFILE = Path(__file__).parents[2] / "config" / "conformance.toml"
BASE = "https://suite.test:8443/test/a/ours"
Run = Callable[..., Result]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("conformance")


@pytest.fixture(scope="module")
def run(folder: Path) -> Iterator[Run]:
    """Return a runner of commands under the conformance profile, on a database that the tests of this file share."""
    before = structlog.get_config()
    secrets = {
        f"IDP_SECRETS__{name.upper()}": example_key(name) for name in ("pepper", "index", "subject", "code", "token")
    }
    environ = secrets | {
        "IDP_CONFIG": str(PROFILE),
        "IDP_SECRETS__FIELD_KEYS__K1": example_key("field"),
        "IDP_SECRETS__FIELD_KEY_ID": "k1",
        "IDP_DATABASE_URL": f"sqlite:///{folder}/sesame.db",
        "IDP_STATE_FILE": str(folder / "state.db"),
        "IDP_PASSWORDS__MEMORY_KIB": "64",
        "IDP_RSA_KEY_BITS": "2048",
    }

    def _run(*arguments: str, **changes: str) -> Result:
        return CliRunner(env={**environ, **changes}).invoke(cli, list(arguments))

    assert _run("db", "upgrade").exit_code == 0
    yield _run
    structlog.configure(**before)


@pytest.fixture(scope="module")
def prepare(run: Run, folder: Path) -> Callable[[], dict[str, Any]]:
    """Return a function that prepares and reads every configuration that was written."""

    def _prepare() -> dict[str, Any]:
        suite = ("--suite", "https://suite.test:8443", "--alias", "ours", "--directory", str(folder / "suite"))
        prepared = told(run("conformance", "prepare", *suite, "--json"))
        return {one["configuration"]: json.loads(Path(one["file"]).read_text()) for one in prepared if one["file"]}

    return _prepare


@pytest.fixture(scope="module")
def prepared(prepare: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    return prepare()


def test_the_basic_plan_has_its_three_clients_with_their_secrets(prepared: Any, run: Run) -> None:
    basic = prepared["basic"]

    assert basic["alias"] == "ours"
    assert basic["server"] == {"discoveryUrl": "https://localhost:9443/.well-known/openid-configuration"}
    for block, method in (
        ("client", "client_secret_basic"), ("client2", "client_secret_basic"),
        ("client_secret_post", "client_secret_post"),
    ):  # fmt: skip
        shown = told(run("clients", "show", basic[block]["client_id"], "--json"))
        assert shown["redirect_uris"] == [f"{BASE}/callback"]
        assert shown["token_endpoint_auth_method"] == method
        assert shown["require_pkce"] is False
        assert len(basic[block]["client_secret"]) == 43


@pytest.mark.parametrize("auth", ["private-key-jwt", "mtls"])
@pytest.mark.parametrize("binding", ["dpop", "mtls"])
@pytest.mark.parametrize("kind", ["fapi2", "fapi2-signed"])
def test_fapi_clients_differ_by_key_and_the_second_has_a_query(
    prepared: Any, run: Run, kind: str, auth: str, binding: str
) -> None:
    plan = prepared[f"{kind}-{auth}-{binding}"]

    first, second = (told(run("clients", "show", plan[one]["client_id"], "--json")) for one in ("client", "client2"))

    assert first["redirect_uris"] == [f"{BASE}/callback"]
    assert second["redirect_uris"] == [f"{BASE}/callback?dummy1=lorem&dummy2=ipsum"]
    assert first["security_profile"] == second["security_profile"] == "fapi2"
    assert plan["client"]["jwks"]["keys"][0]["d"] != plan["client2"]["jwks"]["keys"][0]["d"]
    assert ("mtls" in plan) == ("mtls2" in plan) == ("mtls" in {auth, binding})
    host = "localhost:9444" if binding == "mtls" else "localhost:9443"
    assert plan["resource"] == {"resourceUrl": f"https://{host}/userinfo"}


def test_a_self_signed_certificate_is_the_one_that_is_registered(prepared: Any, run: Run) -> None:
    plan = prepared["fapi2-mtls-mtls"]

    certificate = x509.load_pem_x509_certificate(plan["mtls"]["cert"].encode())
    shown = told(run("clients", "show", plan["client"]["client_id"], "--json"))

    assert shown["token_endpoint_auth_method"] == "self_signed_tls_client_auth"
    assert certificate.subject == certificate.issuer
    assert certificate.subject.rfc4514_string() == f"CN={plan['client']['client_id']}"


def test_the_files_are_the_owners_alone(prepared: Any, folder: Path) -> None:
    files = list((folder / "suite").iterdir())

    assert files
    assert {stat.S_IMODE(one.stat().st_mode) for one in files} == {0o600}


def test_the_index_names_a_file_that_is_there_for_every_plan(prepared: Any, folder: Path) -> None:
    index = json.loads((folder / "suite" / "plans.json").read_text())

    assert {"oidcc-basic-certification-test-plan", "fapi2-security-profile-final-test-plan"} <= {
        one["plan"] for one in index
    }
    assert all((folder / "suite" / one["configuration"]).exists() for one in index)


def test_the_browser_is_told_the_account_the_code_and_our_pages(prepared: Any) -> None:
    basic = prepared["basic"]

    commands = [command for task in basic["browser"][0]["tasks"] for command in task["commands"]]

    assert ["text", "id", "nir", "2991399999002"] in commands
    assert ["text", "id", "code", "314159"] in commands
    assert basic["browser"][0]["match"] == "https://localhost:9443/authorize*"
    # A pattern that also fits our own address, whose query holds the suite's, would end the walk before it began.
    pattern = next(command[2] for command in commands if command[:2] == ["wait", "match"])
    assert re.search(pattern, f"{BASE}/callback?code=1")
    assert not re.search(pattern, f"https://localhost:9443/authorize?redirect_uri={BASE}/callback")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"IDP_ISSUER": "https://connexion.example.fr"}, "fixed_code is for test hosts"),
        ({"IDP_CONFORMANCE__ACCOUNT": "", "IDP_CONFORMANCE__FIXED_CODE": ""}, "not set"),
    ],
)
def test_it_is_refused_anywhere_but_under_test(run: Run, changes: dict[str, str], words: str) -> None:
    result = run("conformance", "prepare", **changes)

    assert result.exit_code != 0
    assert words in result.output


def test_an_account_that_was_not_made_for_the_suite_keeps_its_password(run: Run, prepared: Any, folder: Path) -> None:
    nir = "1851399999003"
    assert run("accounts", "add", "--nir", nir, "--password", "une-autre-phrase-7").exit_code == 0

    result = run("conformance", "prepare", "--directory", str(folder / "suite"), IDP_CONFORMANCE__ACCOUNT=nir)

    assert result.exit_code == 1
    assert "not made for the suite" in result.output


def test_all_secrets_are_what_the_settings_need(run: Run) -> None:
    lines = dict(line.split("=", 1) for line in run("keys", "secret", "--all").output.split())

    # The fixture's own key id would be left beside the new one; both are whole.
    assert run("doctor", "--only", "database", **lines).exit_code == 0
    assert len(set(lines.values())) == len(lines)


# The next two change what the others read: they come last.


def test_it_may_be_run_again_and_makes_all_anew(prepare: Any, prepared: Any, run: Run) -> None:
    before, after = prepared, prepare()

    assert before.keys() == after.keys()
    assert before["basic"]["client"]["client_secret"] != after["basic"]["client"]["client_secret"]
    assert told(run("clients", "show", "suite-basic-1", "--json"))["secrets"] == 1


def test_what_is_not_offered_is_said_and_no_file_stands_for_it(run: Run, prepared: Any, folder: Path) -> None:
    result = told(
        run(
            "conformance", "prepare", "--directory", str(folder / "suite"), "--json",
            IDP_CERTIFICATION__HYBRID_AND_IMPLICIT="false", IDP_REGISTRATION__ENABLED="false",
        )
    )  # fmt: skip

    by_name = {one["configuration"]: one for one in result}
    assert by_name["dynamic"]["faults"] == ["registration.enabled: off"]
    assert any("response_types" in fault for fault in by_name["hybrid"]["faults"])
    assert not (folder / "suite" / "hybrid.json").exists()
    assert run("clients", "show", "suite-hybrid-1").exit_code == 1
