"""After a restore nothing works that was issued before, what matters is there, and the trail says what is lost."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, text

from idp import audit
from idp.accounts import contact_changes, directory
from idp.admin import administrators, restoring
from idp.audit.checkpoints import list_checkpoints
from idp.audit.sealing import seal_all
from idp.audit.verify import verify
from idp.db import db
from idp.messages import outbox
from idp.messages.models import Message
from idp.mfa.recovery_codes import count_recovery_codes, make_recovery_codes
from idp.oidc import initial_access
from idp.oidc.events import signed_out_everywhere
from idp.oidc.initial_access import Limits
from tests.authorize.conftest import Visitor
from tests.conftest import ALICE_NIR, Browser, Clock, example_settings
from tests.deploy.shipped import DEPLOY
from tests.oidc.conftest import Client, Maker, make_client, make_code, web
from tests.oidc.proofs import verified

__all__ = ["make_client", "make_code", "web"]


def issue_everything(account_id: str, now: Any) -> dict[str, Any]:
    """Issue one of each kind that a restore ends; return what proves that they work."""
    administrators.add_administrator("marie", now, ("operator",))
    _, value = initial_access.issue_initial_token(
        Limits(), uses=5, expires_at=now + timedelta(days=1), note="", now=now
    )
    change = contact_changes.ask_change(account_id, "email", "thief@example.fr", sid="s" * 22, now=now)
    contact_changes.confirm_change(change, directory.get_account(account_id), delay=timedelta(hours=24), now=now)
    make_recovery_codes(account_id, now)
    outbox.enqueue(
        channel="email", to="alice@example.fr", message=Message(subject="x", text="x", html="x"), subject_ref="one:1",
        purpose="alert", account_id=account_id, deadline=None, now=now,
    )  # fmt: skip
    db.session.commit()
    return {"registrar": value, "change": change.id}


def test_what_a_backup_brings_back_to_life_is_ended_rc_06(
    app: Flask, web: Client, make_code: Maker, alice: str, clock: Clock
) -> None:
    visitor = Visitor(app.test_client(), app, clock)  # type: ignore[arg-type]
    visitor.sign_in(alice)
    assert visitor.browser.get("/account").status_code == 200
    granted = web.exchange(make_code(scopes=("openid", "offline_access"))).json
    waiting_code = make_code()
    with app.app_context():
        before = issue_everything(alice, clock())
        signed_out_everywhere(account_id=alice, reason="asked", sessions=0)
        audit.flush()
        clock.step(seconds=1)

        told = restoring.finish_restore(by="cli:test", now=clock())

        assert {name: count > 0 for name, count in told.items()} == {
            **dict.fromkeys(("position", *restoring.ENDED), True),
            "admin_tokens": False, "registration_access_tokens": False,
        }  # fmt: skip
        assert initial_access.find_initial_token(before["registrar"], clock()) is None
        assert count_recovery_codes(alice) == 0
        assert contact_changes.apply_due(clock.step(hours=25)) == 0, "nobody's address becomes the thief's"
        assert outbox.delivery_of("one:1").status == "expired"  # type: ignore[union-attr]
        assert restoring.finish_restore(by="cli:test", now=clock())["sessions"] == 0, "a second time changes nothing"
    assert web.refresh(granted["refresh_token"]).json["error"] == "invalid_grant"
    assert web.exchange(waiting_code).json["error"] == "invalid_grant"
    assert web.post("/introspect", token=granted["access_token"]).json == {"active": False}
    assert visitor.browser.get("/account").status_code == 303, "the browser is signed out"


def test_every_table_that_holds_what_is_issued_is_judged() -> None:
    """A new table whose rows are revoked or used up is ended by a restore, or said here to stay."""
    stays = {
        "client_sources": "from where keys were fetched",
        "client_secrets": "services would all be shut out; the runbook has them looked at",
        "known_devices": "recognising a device opens nothing (R7)",
        "passkeys": "people would be shut out; the runbook has them looked at",
        "totp_secrets": "the same",
    }
    ended = {"refresh_families", "recovery_codes", "admin_tokens", "initial_access_tokens", "contact_changes",
             "session_records", "session_clients"}  # fmt: skip

    perishable = {
        table.name for table in db.metadata.sorted_tables for column in table.columns
        if column.name in {"revoked_at", "used_at", "ended_at", "uses_left"}
    }  # fmt: skip

    assert perishable - ended - stays.keys() == set()


def test_the_trail_says_where_a_restore_cut_it_and_excuses_nothing(app: Flask, clock: Clock) -> None:
    with app.app_context():
        for number in range(5):
            audit.record("password", account_id=f"person-{number}")
        audit.flush()
        seal_all(clock())
        kept_before = list_checkpoints()
        copy = _copy_of_the_trail()
        for number in range(7):
            audit.record("password", account_id=f"lost-{number}")
        audit.flush()
        seal_all(clock.step(minutes=1))
        lost = list_checkpoints()
        _put_back(copy)
        told = restoring.finish_restore(by="cli:test", now=clock.step(minutes=1))
        audit.record("password", account_id="after")
        audit.flush()
        seal_all(clock.step(minutes=1))

        alone = verify(clock())
        with_old = verify(clock(), kept=kept_before)
        with_lost = verify(clock(), kept=lost)

    assert alone.is_good
    assert with_old.is_good
    assert [(one.position, told["position"]) for one in alone.restores] == [(5, 5)]
    (finding,) = with_lost.findings
    assert (finding.what, finding.position) == ("cut", 5)
    assert "positions 6 to 12 of before it are gone" in finding.detail


_TRAIL = ("audit_events", "audit_links", "audit_chain", "audit_checkpoints", "audit_keys")


def _copy_of_the_trail() -> dict[str, list[dict[str, Any]]]:
    tables = db.metadata.tables
    return {name: [dict(row) for row in db.session.execute(tables[name].select()).mappings()] for name in _TRAIL}


def _put_back(copy: dict[str, list[dict[str, Any]]]) -> None:
    for name, rows in copy.items():
        db.session.execute(db.metadata.tables[name].delete())
        if rows:
            db.session.execute(db.metadata.tables[name].insert(), rows)
    db.session.commit()


# -- the scripts, on PostgreSQL and Redis --------------------------------------------------------------------------


class Site:
    """The database of the tests with the roles of `deploy/postgresql`, and the scripts as an operator runs them."""

    def __init__(self, app: Flask, stores: dict[str, Any], folder: Path) -> None:
        self.app, self.folder = app, folder
        host, port, self.name = _parts(stores["database_url"])
        self.owner, self.role = f"{self.name}_owner", f"{self.name}_role"
        self.pg = {"PGHOST": host, "PGPORT": port, "PGUSER": "sesame", "PGDATABASE": self.name}
        programs = Path(sys.executable).parent
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("IDP_", "PG"))},
            **self.pg, **_as_variables(stores), "PATH": f"{programs}:{os.environ['PATH']}",
            "IDP_DATABASE_URL": f"postgresql+psycopg://{self.owner}@{host}:{port}/{self.name}",
            "BACKUP_JOBS": "1", "RESTORE_JOBS": "1", "RESTORE_OWNER": self.owner, "RESTORE_APP": self.role,
        }  # fmt: skip

    def run(self, *command: str | Path, ok: bool = True) -> "subprocess.CompletedProcess[str]":
        told = subprocess.run(
            [str(part) for part in command], env=self.environ, cwd=DEPLOY.parent, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert (told.returncode == 0) == ok, told.stdout + told.stderr
        return told

    def sql(self, statement: str, *, database: str = "postgres", role: str = "") -> list[Any]:
        url = f"postgresql+psycopg://{role or 'sesame'}@{self.pg['PGHOST']}:{self.pg['PGPORT']}/{database}"
        engine = create_engine(url, isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                told = connection.execute(text(statement))
                return [row[0] for row in told] if told.returns_rows else []
        finally:
            engine.dispose()

    def let_go(self) -> None:
        """Give every connection of the tests' application back, as stopping the nodes would."""
        with self.app.app_context():
            db.session.remove()
            db.engine.dispose()
            getattr(restoring.db, "engine", db.engine).dispose()


def _parts(url: str) -> tuple[str, str, str]:
    address, _, name = url.rpartition("/")
    host, _, port = address.rpartition("@")[2].partition(":")
    return host, port, name


def _as_variables(stores: dict[str, Any]) -> dict[str, str]:
    settings = example_settings()
    secrets = {name.upper(): value for name, value in settings["secrets"].items() if isinstance(value, str)}
    (key_id, key), *_ = settings["secrets"]["field_keys"].items()
    return {
        "IDP_ISSUER": settings["issuer"], "IDP_REDIS_URL": stores["redis_url"], "IDP_RSA_KEY_BITS": "2048",
        **{f"IDP_SECRETS__{name}": value for name, value in secrets.items()},
        f"IDP_SECRETS__FIELD_KEYS__{key_id.upper()}": key, "IDP_OUTBOX__EMBEDDED_WORKER": "false",
    }  # fmt: skip


@pytest.fixture
def site(app: Flask, stores: dict[str, Any], backend: str, tmp_path: Path) -> Iterator[Site]:
    if backend != "servers":
        pytest.skip("pg_dump needs PostgreSQL: --backend=servers")
    found = Site(app, stores, tmp_path)
    for role in (found.owner, found.role):
        found.sql(f'CREATE ROLE "{role}" LOGIN')
    # As `idp db upgrade` leaves it: the tests make their tables without the migrations.
    head = sorted((DEPLOY.parent / "idp" / "migrations" / "versions").glob("[0-9]*.py"))[-1].name[:4]
    found.sql("CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)", database=found.name)
    found.sql(f"INSERT INTO alembic_version VALUES ('{head}')", database=found.name)
    yield found
    found.let_go()
    found.sql("DROP TABLE alembic_version", database=found.name)
    leftovers = found.sql(f"SELECT datname FROM pg_database WHERE datname LIKE '{found.name}\\_%'")
    for name in leftovers:
        found.sql(f'DROP DATABASE "{name}" WITH (FORCE)')
    found.sql(f'REASSIGN OWNED BY "{found.owner}" TO sesame', database=found.name)
    found.sql(f'ALTER DATABASE "{found.name}" OWNER TO sesame')
    for role in (found.owner, found.role):
        found.sql(f'DROP OWNED BY "{role}"', database=found.name)
        found.sql(f'DROP ROLE "{role}"')
    found.sql("GRANT ALL ON SCHEMA public TO PUBLIC", database=found.name)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_backup_is_restored_and_nothing_issued_before_works_rc_46(
    site: Site, app: Flask, http: Browser, web: Client, make_code: Maker, alice: str, clock: Clock
) -> None:
    visitor = Visitor(app.test_client(), app, clock)  # type: ignore[arg-type]
    visitor.sign_in(alice)
    assert visitor.browser.get("/account").status_code == 200
    spent = web.exchange(make_code(scopes=("openid", "offline_access"))).json
    with app.app_context():
        audit.record("password", account_id=alice)
        audit.flush()
    site.let_go()
    backup = Path(site.run(DEPLOY / "backup.sh", site.folder).stdout.strip())

    # What the backup does not know: the token was rotated, an event more is in the trail.
    successor = web.refresh(spent["refresh_token"]).json["refresh_token"]
    unused = make_code()
    keys = http.get("/jwks.json").json
    refused = site.run(DEPLOY / "restore.sh", backup, ok=False)
    assert "stop nodes and workers first" in refused.stderr
    site.let_go()
    restored = site.run(DEPLOY / "restore.sh", backup)

    assert '"emptied": "RedisStore"' in restored.stdout
    assert '"found": 0' in restored.stdout, restored.stdout
    assert '"after position 1, at ' in restored.stdout, restored.stdout
    for token in (spent["refresh_token"], successor):
        assert web.refresh(token).json["error"] == "invalid_grant"
    assert web.exchange(unused).json["error"] == "invalid_grant"
    assert web.post("/introspect", token=spent["access_token"]).json == {"active": False}
    assert visitor.browser.get("/account").status_code == 303
    # What has to survive: keys, people, clients.
    assert http.get("/jwks.json").json == keys
    assert verified(http, spent["id_token"])["aud"] == "web", "an ID token of before is still known as ours"
    with app.app_context():
        assert directory.get_account(alice).nir == ALICE_NIR
    fresh = web.exchange(make_code(scopes=("openid", "offline_access")))
    assert web.refresh(fresh.json["refresh_token"]).status_code == 200
    # The provider's own role reads and writes rows, and shapes nothing.
    assert site.sql("SELECT count(*) FROM accounts", database=site.name, role=site.role) == [1]
    for forbidden in ("DROP TABLE accounts", "CREATE TABLE x (y INT)", "UPDATE audit_events SET outcome = 'ok'"):
        with pytest.raises(Exception, match=r"must be owner|permission denied"):
            site.sql(forbidden, database=site.name, role=site.role)


@pytest.mark.slow
def test_a_backup_that_was_damaged_is_not_restored(site: Site) -> None:
    site.let_go()
    backup = Path(site.run(DEPLOY / "backup.sh", site.folder).stdout.strip())
    victim = next(path for path in (backup / "dump").iterdir() if path.suffix == ".gz" and path.stat().st_size > 20)
    victim.write_bytes(victim.read_bytes()[:-1])

    told = site.run(DEPLOY / "restore.sh", backup, ok=False)

    assert "did NOT match" in told.stderr
    assert site.sql(f"SELECT 1 FROM pg_database WHERE datname = '{site.name}_restoring'") == []
