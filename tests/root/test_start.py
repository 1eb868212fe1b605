"""A process that serves carries what it needs, shares what it can, and opens what is its own (docs/performance.md)."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from idp import create_app, server
from idp.db import db
from idp.settings import Settings
from tests.conftest import example_settings

# What commands, the worker or an extra need, and no request: each costs every process of every node.
NOT_TO_SERVE = {
    "aiosmtpd", "alembic", "dkim", "dns", "fido2", "flask_migrate", "httpcore", "httpx", "ldap3", "mako", "pkcs11",
    "requests", "idp.commands.accounts", "idp.commands.clients", "idp.commands.doctor", "idp.demo", "idp.plugins",
}  # fmt: skip
SERVE = """
import sys, click
from idp.commands import cli
cli.get_command(click.Context(cli), "serve")
from idp import assembly
assembly.blueprints(), assembly.readiness()
print(*sys.modules)
"""


def settings_with(folder: Path, **changes: Any) -> Settings:
    stores = {"database_url": f"sqlite:///{folder}/sesame.db", "state_file": folder / "state.db"}
    return Settings.model_validate(example_settings(**stores, **changes))


def test_a_process_that_serves_loads_nothing_that_only_others_need() -> None:
    done = subprocess.run([sys.executable, "-c", SERVE], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())

    assert {"idp.commands.running", "idp.admin.console.home", "idp.selfservice.home"} <= loaded
    assert loaded & NOT_TO_SERVE == set()


def test_what_processes_share_holds_no_store_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_shared", None)
    app = create_app(settings_with(tmp_path))
    with app.app_context():
        db.session.execute(text("SELECT 1"))
        db.session.rollback()
        app.extensions["sesame"]["state"].store.ping()
    before = open_files(tmp_path)

    server.share(app)

    assert {Path(one).name for one in before} >= {"sesame.db", "state.db"}
    assert open_files(tmp_path) == []


@pytest.mark.parametrize(
    "theirs",
    [
        {"directory": "annuaire"},
        {"second_factors": ("card",)},
        {"tracing": {"endpoint": "https://otel.test/"}},
        {"keys": {"service": "pkcs11", "pkcs11": {"module": "/usr/lib/pkcs11.so", "token": "idp"}}},
    ],
)
def test_what_others_may_have_opened_is_not_shared(tmp_path: Path, theirs: dict[str, Any]) -> None:
    ours = settings_with(tmp_path)

    assert server.may_be_shared(ours)
    assert not server.may_be_shared(settings_with(tmp_path, **theirs))


def open_files(folder: Path) -> list[str]:
    """Return which files below ``folder`` this process holds open."""
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    return sorted(link for link in links if link.startswith(str(folder)))
