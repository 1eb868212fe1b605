"""The import on PostgreSQL, where rows go in by COPY: killed, called again, told twice, told wrong.

By the very command of an operator, in a process of its own; `test_import_commands.py` has what every store does.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from idp import clock as idp_clock
from idp.accounts.directory import find_account_by_nir
from idp.accounts.import_rows import read_person, row_of
from idp.accounts.importing import AccountImport
from idp.accounts.models import Account
from idp.db import db
from tests.conftest import ISSUER, example_key, example_settings

Run = Callable[..., "subprocess.CompletedProcess[str]"]
PEOPLE = 3000
ROOT = Path(__file__).parents[2]
# What COPY's text format has to escape, at both ends and in the middle.
AWKWARD = {"family_name": "\\N", "given_name": "Zo\\té\\", "locale": "fr"}


def line(number: int, **more: str) -> dict[str, str]:
    return {"nir": f"19913999{number:05d}", "email": f"p{number}@example.fr", **AWKWARD, **more}


@pytest.fixture
def environ(app: Flask, backend: str, stores: dict[str, Any], tmp_path: Path) -> dict[str, str]:
    if backend != "servers":
        pytest.skip("COPY is PostgreSQL's")
    secrets = example_settings()["secrets"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    return kept | {
        **{f"IDP_SECRETS__{name.upper()}": secrets[name] for name in ("pepper", "index", "subject", "code", "token")},
        "IDP_SECRETS__FIELD_KEYS__K1": example_key("field"),
        "IDP_SECRETS__FIELD_KEY_ID": "k1",
        "IDP_ISSUER": ISSUER,
        "IDP_DATABASE_URL": stores["database_url"],
        "IDP_REDIS_URL": stores["redis_url"],
        "IDP_STATE_FILE": str(tmp_path / "state.db"),
    }


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    def _run(path: Path, *more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command(path, *more), env=environ, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100
        )

    return _run


def command(path: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "idp.commands", "accounts", "import", str(path), "--processes", "2", "--json", *more]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def ids() -> dict[str, str]:
    rows = {
        str(index): str(account_id) for index, account_id in db.session.execute(select(Account.nir_index, Account.id))
    }
    db.session.rollback()
    return rows


@pytest.mark.timeout(240)
def test_a_killed_import_goes_on_and_takes_each_person_once(
    context: Flask, environ: dict[str, str], run: Run, tmp_path: Path
) -> None:
    # More than one chunk. Somebody writes the last person of all meanwhile: the batch that has them waits for that.
    rows = [line(number, website=f"https://example.fr/{'x' * 150}") for number in range(PEOPLE)]
    path = write(tmp_path / "people.jsonl", rows)
    with db.engine.connect() as other:
        other.execute(insert(Account).values(row_of(read_person(rows[-1]), idp_clock.now())))
        reached = kill_when_something_is_taken(environ, path)
        other.rollback()
    before = ids()
    assert 0 < len(before) == reached < PEOPLE

    told = run(path)

    assert f"going on after line {reached:,}" in told.stderr
    assert json.loads(told.stdout)["added"] == PEOPLE
    after = ids()
    assert len(after) == PEOPLE
    assert before.items() < after.items()


def kill_when_something_is_taken(environ: dict[str, str], path: Path) -> int:
    importing = subprocess.Popen(
        command(path), env=environ, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    reached = 0
    while not reached:
        assert importing.poll() is None, "the import has ended before it could be killed"
        db.session.execute(select(func.pg_sleep(0.05)))
        reached = db.session.scalar(select(AccountImport.line)) or 0
        db.session.rollback()
    # With its processes, as a machine that stops.
    os.killpg(importing.pid, signal.SIGKILL)
    importing.wait()
    return reached


@pytest.mark.timeout(240)
def test_what_comes_in_by_copy_is_what_the_file_said_and_twice_is_once(
    context: Flask, run: Run, tmp_path: Path
) -> None:
    """A second call, a line that is there twice, numbers that changed, a refused line (security.md §3.3)."""
    alone = ("--processes", "1")
    first = write(tmp_path / "first.jsonl", [line(1, mobile="0612345647"), {"nir": "7990399999001"}])
    assert json.loads(run(first, *alone).stdout)["added"] == 2
    before = ids()
    rows = [
        line(1, email="other@example.fr"),
        line(2, previous_nir="7990399999001"),
        line(3, previous_nir="7990399999003"),
        line(4),
        line(4),
        line(5, email="nobody"),
    ]
    second = write(tmp_path / "second.jsonl", rows)

    assert run(second, *alone).returncode == 1
    assert ids() == before
    taken = json.loads(run(second, "--skip-refused", *alone).stdout)
    again = json.loads(run(second, "--again", "--skip-refused", *alone).stdout)

    assert [taken[name] for name in ("added", "already there", "NIR changed", "refused")] == [2, 1, 1, 2]
    assert [again[name] for name in ("added", "already there", "NIR changed", "refused")] == [0, 4, 0, 2]
    assert (tmp_path / "second.jsonl.refused.csv").read_text(encoding="utf-8").splitlines()[1:] == [
        "5,nir,on an earlier line of this file",
        "6,email,format",
    ]
    moved, kept = find_account_by_nir(rows[1]["nir"]), find_account_by_nir(rows[0]["nir"])
    assert moved is not None
    assert kept is not None
    assert {moved.id, kept.id} == set(before.values())
    assert (kept.email, kept.mobile, kept.locale, kept.status) == ("p1@example.fr", "+33612345647", "fr", "active")
    assert (kept.profile["family_name"], kept.profile["given_name"]) == ("\\N", "Zo\\té\\")
    assert (kept.password_hash, kept.email_verified_at == kept.created_at) == (None, True)
    db.session.rollback()
