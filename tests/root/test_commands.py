"""The command line does what the console will do, and says plainly what it will not."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import structlog
from click.testing import CliRunner, Result
from joserfc.jwk import ECKey

from idp.commands import cli, program
from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR, ALICE_PASSWORD, example_key

Run = Callable[..., Result]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    secrets = {
        f"IDP_SECRETS__{name.upper()}": example_key(name) for name in ("pepper", "index", "subject", "code", "token")
    }
    return secrets | {
        "IDP_ISSUER": "https://connexion.example.fr",
        "IDP_SECRETS__FIELD_KEYS__K1": example_key("field"),
        "IDP_SECRETS__FIELD_KEY_ID": "k1",
        "IDP_DATABASE_URL": f"sqlite:///{tmp_path}/sesame.db",
        "IDP_STATE_FILE": str(tmp_path / "state.db"),
        "IDP_PASSWORDS__MEMORY_KIB": "64",
        "IDP_RSA_KEY_BITS": "2048",
    }


@pytest.fixture
def run(environ: dict[str, str], migrated: Callable[..., None], tmp_path: Path) -> Iterator[Run]:
    """Return a runner of commands on a fresh, migrated database."""
    before = structlog.get_config()

    def _run(*arguments: str, text: str = "", **changes: str) -> Result:
        return CliRunner(env={**environ, **changes}).invoke(cli, list(arguments), input=text)

    migrated(tmp_path / "sesame.db", environ)
    yield _run
    structlog.configure(**before)


def test_every_command_is_found_and_no_file_of_commands_is_forgotten() -> None:
    folder, context = Path(program.__file__).parent, click.Context(program.cli)
    holding = {
        path.stem
        for path in folder.glob("*.py")
        if re.search(r"^ *@(?!click)\w+\.(command|group)\(", path.read_text(), re.M)
    }

    found = {name: program.cli.get_command(context, name) for name in program.cli.list_commands(context)}

    assert [name for name, command in found.items() if command is None] == []
    assert set(program.cli.commands) == set(found)
    assert holding <= {file for files in program.FILES.values() for file in files}


def add_alice(run: Run, **more: str) -> Result:
    options = {"--nir": ALICE_NIR, "--email": ALICE_EMAIL, "--mobile": ALICE_MOBILE, **more}
    flat = [part for pair in options.items() for part in pair]
    return run("accounts", "add", "--password-stdin", *flat, text=ALICE_PASSWORD + "\n")


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_migrations_make_what_the_models_say(run: Run, environ: dict[str, str]) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext
    from sqlalchemy import create_engine

    from idp.db import db

    engine = create_engine(environ["IDP_DATABASE_URL"])
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), db.metadatas[None])
    engine.dispose()

    assert not differences


def test_an_account_is_added_and_shown_masked(run: Run) -> None:
    add_alice(run)

    shown = told(run("accounts", "show", ALICE_NIR, "--json"))

    assert shown["status"] == "active"
    assert ALICE_NIR not in str(shown)
    assert ALICE_EMAIL not in str(shown)
    assert ALICE_MOBILE not in str(shown)
    assert told(run("accounts", "show", shown["id"], "--json")) == shown


def test_a_second_account_with_the_same_nir_is_refused(run: Run) -> None:
    add_alice(run)

    assert add_alice(run).exit_code == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"--nir": "199139999900"}, "13 characters"),
        ({"--nir": "199139999900109"}, "last two digits"),
        ({"--email": "nobody"}, "e-mail"),
        ({"--mobile": "0899123456"}, "mobile"),
    ],
)
def test_a_value_that_cannot_stand_is_named(run: Run, changes: dict[str, str], words: str) -> None:
    result = add_alice(run, **changes)

    assert result.exit_code == 1
    assert words in result.output


def test_a_weak_password_is_refused(run: Run) -> None:
    result = run("accounts", "add", "--nir", ALICE_NIR, "--password-stdin", text="short\n")

    assert result.exit_code == 1
    assert "12 characters" in result.output


def test_a_fresh_installation_has_no_account_and_no_client_ac_202(run: Run) -> None:
    assert told(run("clients", "list", "--json")) == []
    assert run("accounts", "show", ALICE_NIR).exit_code == 1


def test_a_client_is_added_with_its_secret_told_once_ac_198(run: Run) -> None:
    added = told(
        run(
            "clients",
            "add",
            "--client-id",
            "web",
            "--name",
            "Service",
            "--redirect-uri",
            "https://rp.example.fr/cb",
            "--json",
        )
    )

    shown = run("clients", "show", "web", "--json")

    assert len(added["client_secret"]) == 43
    assert added["client_secret"] not in shown.output + run("clients", "list", "--json").output
    assert told(shown)["redirect_uris"] == ["https://rp.example.fr/cb"]


def test_pkce_is_asked_of_every_client_unless_its_registration_says_otherwise(run: Run) -> None:
    add = ("clients", "add", "--name", "Service", "--redirect-uri", "https://rp.example.fr/cb", "--json")

    assert told(run(*add))["require_pkce"] is True
    assert told(run(*add, "--pkce-optional"))["require_pkce"] is False
    assert told(run(*add, "--kind", "single-page", "--pkce-optional"))["require_pkce"] is True


def test_every_bad_redirect_uri_is_named_with_its_reason(run: Run) -> None:
    result = run(
        "clients", "add", "--name", "Service", "--redirect-uri", "http://a.example.fr/cb",
        "--redirect-uri", "https://b.example.fr/cb#x", "--redirect-uri", "https://good.example.fr/cb",
    )  # fmt: skip

    assert result.exit_code == 1
    assert "'http://a.example.fr/cb' must be https" in result.output
    assert "'https://b.example.fr/cb#x' has a fragment" in result.output
    assert "good" not in result.output


def test_keys_are_listed_without_their_private_part(run: Run) -> None:
    listed = told(run("keys", "list", "--json"))

    assert {key["alg"] for key in listed} == {"RS256", "ES256"}
    assert "PRIVATE" not in str(listed)


def test_a_bad_configuration_stops_every_command_with_all_its_faults(run: Run) -> None:
    result = run("doctor", IDP_NO_SUCH="1", IDP_ISSUER="http://connexion.example.fr")

    assert result.exit_code == 2
    assert "IDP_NO_SUCH" in result.output
    assert "https" in result.output


def test_a_relay_in_clear_elsewhere_stops_the_start(run: Run) -> None:
    result = run("serve", IDP_SMTP_URL="smtp://mail.example.fr:25")

    assert result.exit_code == 1
    assert "mail.example.fr" in result.output


def test_a_client_may_be_registered_with_its_public_keys(run: Any, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    add = (
        "clients", "add", "--name", "Service", "--redirect-uri", "https://rp.example.fr/cb", "--json",
        "--auth-method", "private_key_jwt", "--jwks", str(keys),
    )  # fmt: skip

    keys.write_text("no keys")
    assert "is not JSON" in run(*add).output
    keys.write_text(json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=True)]}))
    assert "private or symmetric key" in run(*add).output
    keys.write_text(json.dumps({"keys": [ECKey.generate_key("P-256").as_dict(private=False)]}))
    added = told(run(*add))
    assert added["token_endpoint_auth_method"] == "private_key_jwt"
    assert "client_secret" not in added


def test_an_initial_access_token_is_told_once_listed_and_revoked(run: Run) -> None:
    made = told(
        run("clients", "initial-token", "--uses", "3", "--expires", "30", "--scope", "openid email",
            "--host", "partner.test", "--note", "Partner", "--json")
    )  # fmt: skip
    listed = told(run("clients", "initial-tokens", "--json"))

    assert len(made["initial_access_token"]) == 43
    assert made["initial_access_token"] not in str(listed)
    assert [(one["id"], one["uses_left"], one["scopes"], one["hosts"]) for one in listed] == [
        (made["id"], 3, ["email", "openid"], ["partner.test"])
    ]
    assert run("clients", "revoke-initial-token", made["id"]).exit_code == 0
    assert run("clients", "revoke-initial-token", made["id"]).exit_code == 1
    assert told(run("clients", "initial-tokens", "--json"))[0]["revoked_at"]


def test_an_initial_access_token_for_a_scope_that_nobody_offers_is_refused(run: Run) -> None:
    result = run("clients", "initial-token", "--scope", "openid admin")

    assert result.exit_code == 1
    assert "admin" in result.output


def test_the_delivery_log_of_a_client_is_shown(run: Run, environ: dict[str, str]) -> None:
    from datetime import timedelta

    from idp import clock, create_app, session_clients
    from idp.db import db
    from idp.settings import load_settings

    address = "https://rp.example.fr/cb"
    options = ("--backchannel-logout-uri", "https://rp.example.fr/bcl", "--redirect-uri", address)
    added = told(run("clients", "add", "--client-id", "site", "--name", "Site", *options, "--json"))
    assert added["backchannel_logout_uri"] == "https://rp.example.fr/bcl"
    assert told(run("clients", "logouts", "site", "--json")) == []
    now = clock.now()
    with create_app(load_settings(environ)).app_context():
        for number in range(3):
            session_clients.join(
                sid=str(number) * 22, account_id="a" * 22, client_id="site", their_sid=f"theirs{number}",
                wants_notice=True, wants_event=False, now=now,
            )  # fmt: skip
        session_clients.end_sessions(["0" * 22, "1" * 22], now + timedelta(minutes=1))
        db.session.commit()
        (departure,) = session_clients.claim(
            worker="w", limit=1, lease=timedelta(minutes=1), now=now + timedelta(hours=1)
        )
        session_clients.record(departure, state="told", answer_class="200", retry_at=None, now=now + timedelta(hours=1))
        db.session.commit()
        db.engine.dispose()

    log = told(run("clients", "logouts", "site", "--json"))

    assert {(entry["sid"], entry["state"], entry["answer"], entry["attempts"]) for entry in log} == {
        ("theirs0", "told", "200", 1), ("theirs1", "queued", None, 0)
    }  # fmt: skip
    assert [entry["next_attempt_at"] is None for entry in sorted(log, key=lambda one: one["sid"])] == [True, False]
    assert run("clients", "logouts", "nobody").exit_code == 1
