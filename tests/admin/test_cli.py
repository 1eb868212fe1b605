"""The command line over the acts of the console: parity, secrets shown once, clients as files with drift refused."""

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from tests.root.test_commands import environ as environ
from tests.root.test_commands import run as run
from tests.root.test_commands import told

Run = Callable[..., Result]
BACK = "https://service.example.fr/retour"


def add(run: Run, client_id: str = "shop", **more: str) -> Any:
    options = [part for name, value in more.items() for part in (f"--{name.replace('_', '-')}", value)]
    return told(
        run(
            "clients", "add", "--client-id", client_id, "--name", "Boutique", "--redirect-uri", BACK, *options, "--json"
        )
    )


def test_a_client_is_shut_out_let_in_and_its_secrets_are_rotated(run: Run, tmp_path: Path) -> None:
    added = add(run)
    assert added["client_secret"]
    assert told(run("clients", "disable", "shop", "--reason", "leak", "--json"))["suspended"] is True
    assert run("clients", "disable", "shop").exit_code == 1
    assert told(run("clients", "enable", "shop", "--json"))["suspended"] is False

    file = tmp_path / "secret"
    made = told(run("clients", "rotate-secret", "shop", "--overlap-days", "0", "--out", str(file), "--json"))

    assert "client_secret" not in made
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("clients", "rotate-secret", "shop", "--out", str(file)).exit_code == 1
    history = told(run("clients", "history", "shop", "--json"))
    assert {one["act"] for one in history} >= {"client.create", "client.suspend", "client.resume", "client.add-secret"}
    # AC-198: not in the history, nor in any list.
    everything = json.dumps(history) + run("clients", "list", "--json").stdout + run("clients", "show", "shop").stdout
    assert added["client_secret"] not in everything
    assert file.read_text().strip() not in everything
    secrets = told(run("clients", "secrets", "shop", "--json"))
    assert told(run("clients", "revoke-secret", "shop", str(secrets[0]["id"]), "--json"))["revoked"]


@pytest.mark.parametrize("uri", ["https://*.example.fr/", "http://example.fr/", "https://example.fr/#x"])
def test_what_cannot_stand_is_named_ac_196(run: Run, uri: str) -> None:
    refused = run("clients", "add", "--name", "x", "--redirect-uri", uri)

    assert refused.exit_code == 1
    assert "redirect_uris" in refused.output


def test_clients_live_in_files_and_drift_is_refused_unless_adopted(
    run: Run, environ: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "clients"
    folder.mkdir()
    file = folder / "shop.yaml"
    file.write_text(yaml.safe_dump({"name": "Boutique", "redirect_uris": [BACK], "scopes": ["openid", "email"]}))
    assert [one["verdict"] for one in told(run("clients", "plan", str(folder), "--json"))] == ["create"]

    applied = told(run("clients", "apply", str(folder), "--json"))
    assert applied[0]["client_secret"]
    assert [one["verdict"] for one in told(run("clients", "plan", str(folder), "--json"))] == ["same"]
    assert run("clients", "diff", str(folder)).exit_code == 0

    # Exported and applied again, nothing is different: the same schema both ways.
    other = tmp_path / "exported"
    told(run("clients", "export", str(other), "--json"))
    assert told(run("clients", "diff", str(other), "--json")) == []
    assert "secret" not in (other / "shop.yaml").read_text()

    # Somebody changes the client elsewhere: here, from another folder.
    changed = yaml.safe_load((other / "shop.yaml").read_text()) | {"description": "from the console"}
    change_elsewhere(environ, changed)
    file.write_text(file.read_text() + "team: Web\n")
    refused = run("clients", "apply", str(folder), "--json")
    assert refused.exit_code == 3
    assert json.loads(refused.stdout)[0]["verdict"] == "drift"
    differs = run("clients", "diff", str(other), "--json")
    assert differs.exit_code == 1
    assert json.loads(differs.stdout)[0]["verdict"] == "drift"

    told(run("clients", "apply", str(folder), "--adopt", "--json"))

    assert [one["verdict"] for one in told(run("clients", "plan", str(folder), "--json"))] == ["same"]
    file.unlink()
    assert [one["verdict"] for one in told(run("clients", "plan", str(folder), "--json"))] == ["no-file"]


def change_elsewhere(environ: dict[str, str], document: dict[str, Any]) -> None:
    """Change a client as the console does, not through a file."""
    from idp import clock, create_app
    from idp.admin import actions
    from idp.admin.actors import operator
    from idp.admin.schema import plain, read_document, starting_document
    from idp.settings import load_settings

    app = create_app(load_settings(environ))
    with app.app_context():
        given = {name: value for name, value in document.items() if name != "client_id"}
        whole = plain(read_document(starting_document("website", given)))
        actions.perform(operator("x"), "client.update", "shop", whole, now=clock.now())
        app.extensions["sesame"]["state"].store.close()
        from idp.db import db

        db.engine.dispose()


@pytest.mark.parametrize(
    "text", ["name: a\nname: b\n", "- x\n", "name: x\nis_suspended: false\n", "name: !!python/object:os.system x\n",
             "name: x\nrequire_pkce: 'no'\n", "{"]
)  # fmt: skip
def test_a_file_that_cannot_stand_is_named_and_nothing_is_applied(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "good.yaml").write_text(f"name: Good\nredirect_uris: [{BACK}]\n")
    (tmp_path / "odd.yaml").write_text(text)

    refused = run("clients", "apply", str(tmp_path))

    assert refused.exit_code == 1
    assert "odd.yaml" in refused.output
    assert told(run("clients", "list", "--json")) == []


def test_the_first_administrator_is_added_at_the_machine_ac_202(run: Run) -> None:
    assert told(run("admin", "list", "--json")) == []

    added = told(run("admin", "add", "rose", "--role", "role-admin", "--json"))

    assert added["enrolment_password"]
    assert added["enrol_at"].endswith("/admin/enrol")
    assert run("admin", "disable", "rose").exit_code == 1
    assert told(run("admin", "add", "eve", "--role", "editor", "--json"))["state"] == "applied"
    assert told(run("admin", "roles", "eve", "--role", "reader", "--json"))["state"] == "applied"
    shown = run("admin", "list", "--json")
    assert added["enrolment_password"] not in shown.stdout + run("admin", "changes", "--json").stdout
    assert [(one["name"], one["roles"]) for one in told(shown)] == [("eve", ["reader"]), ("rose", ["role-admin"])]


def test_a_change_that_was_proposed_here_waits_for_somebody_else(run: Run, tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(f"name: Boutique\nredirect_uris: [{BACK}]\n")
    proposed = told(run("clients", "apply", str(tmp_path), "--propose", "--json"))
    assert proposed[0]["waiting"] is True
    change = told(run("admin", "changes", "--state", "waiting", "--json"))[0]

    assert run("admin", "approve", change["id"]).exit_code == 1
    assert told(run("admin", "withdraw", change["id"], "--json"))["state"] == "withdrawn"
