"""What every test stands on: an application on either back end, a clock that is stepped, a browser, an account.

``--backend=embedded`` is SQLite with state in SQL; ``--backend=servers`` is PostgreSQL with Redis, whose addresses
come from ``TEST_DATABASE_URL`` and ``TEST_REDIS_URL``.
"""

import base64
import gc
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

import pytest
import structlog
from flask import Flask
from flask.testing import FlaskClient
from pydantic import BaseModel
from sqlalchemy import create_engine, text

from idp import clock as idp_clock
from idp import create_app, figures, operations
from idp.db import db
from idp.settings import Settings
from tests.chromium import chromium as chromium
from tests.migrated import migrated as migrated
from tests.witness import Witness

ISSUER = "https://idp.test"
ALICE_NIR = "1991399999001"
ALICE_PASSWORD = "correct-horse-9-battery"
ALICE_EMAIL = "alice.martin@example.fr"
ALICE_MOBILE = "+33612345647"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--backend", choices=["embedded", "servers"], default="embedded")
    parser.addoption("--door", choices=["lane", "flask"], default="lane", help="how protocol requests come in")
    parser.addoption(
        "--all-inputs", action="store_true", help="every input of every test on servers, every look of every page"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what would only be the same test again; ``--all-inputs`` leaves nothing out that touches a store.

    On the second back end that is what touches no store, what a mark says to be alike on both (`once`), and, of a test
    that is parametrized, all inputs but the first: it is the code above the stores that tells inputs apart. Of the
    folders that reach stores through the functions of other folders, every third test is enough to see that they do.
    In a browser it is what a mark says to be another look of the same walk (`look`).
    """
    if config.getoption("--all-inputs"):
        kept = items if not _is_on_servers(config) else [item for item in items if _touches_stores(item)]
    elif _is_on_servers(config):
        touching = [item for item in items if _touches_stores(item) and not item.get_closest_marker("once")]
        first = list({_without_inputs(item): item for item in reversed(touching)}.values())[::-1]
        kept = [item for item in first if not _is_above_stores(item)]
        kept += [one for same in _by_file(first).values() for one in same[::3] if _is_above_stores(one)]
    else:
        kept = [item for item in items if not item.get_closest_marker("look")]
    chosen = set(kept)
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = kept


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Gather without looking for garbage: nothing of ten thousand tests is, and it takes two fifths of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# What these do to a store, they do by functions of the other folders, whose tests run there one and all.
ABOVE_STORES = {"admin", "authorize", "conformance", "demo", "developers", "plugins", "selfservice", "signin"}


def _is_on_servers(config: pytest.Config) -> bool:
    return config.getoption("--backend") == "servers" and config.option.markexpr == "not e2e"


def _touches_stores(item: pytest.Item) -> bool:
    return "stores" in getattr(item, "fixturenames", ())


def _is_above_stores(item: pytest.Item) -> bool:
    return item.nodeid.split("/")[1] in ABOVE_STORES


def _by_file(items: list[pytest.Item]) -> dict[Path, list[pytest.Item]]:
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    return files


def _without_inputs(item: pytest.Item) -> tuple[str, str]:
    """Return the name of a test's function, and which of its fixtures' own variants it runs with."""
    # The kinds of clients of a conformance plan are inputs too.
    inputs = {"kind"} | {
        name.strip()
        for mark in item.iter_markers("parametrize")
        for name in (mark.args[0].split(",") if isinstance(mark.args[0], str) else mark.args[0])
    }
    variants = getattr(getattr(item, "callspec", None), "params", {})
    return item.nodeid.partition("[")[0], repr(sorted((k, v) for k, v in variants.items() if k not in inputs))


def read_beside(*files: Path) -> bytes:
    """Return what stands in the files of a living database.

    Another process reads them: closing a file here would drop every lock that SQLite holds on it (POSIX), and ruin it.
    """
    return subprocess.run(["cat", *files], check=True, capture_output=True).stdout


def example_key(name: str) -> str:
    """Return a fixed key of 32 bytes for tests only."""
    return base64.urlsafe_b64encode((name * 32)[:4].encode() + bytes(range(60, 60 + 28))).decode().rstrip("=")


def example_settings(**changes: Any) -> dict[str, Any]:
    """Return the settings of the tests: fast hashing, small keys, the rest as in production."""
    return {
        "issuer": ISSUER,
        "secrets": {
            **{name: example_key(name) for name in ("pepper", "index", "subject", "code", "token")},
            "field_keys": {"k1": example_key("field")},
            "field_key_id": "k1",
        },
        "passwords": {"memory_kib": 64, "time_cost": 1, "lanes": 8, "queue": 100, "wait": timedelta(seconds=20)},
        "rsa_key_bits": 2048,
        "outbox": {"embedded_worker": False},
        "sms": {"transport": "smpp", "smpp_url": "smpp://test:test@127.0.0.1:1"},
        "database_pool": 20,
        **changes,
    }


class Clock:
    """A clock that moves only when a test steps it."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.moment

    def step(self, **duration: float) -> datetime:
        """Move forward by a timedelta's arguments, such as ``minutes=5``."""
        self.moment += timedelta(**duration)
        return self.moment


class Browser(FlaskClient):
    """A test client that behaves as one browser on our origin."""

    witness: ClassVar[Witness | None] = None

    def open(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("base_url", ISSUER)
        watching = Browser.witness
        if watching is not None:
            watching.sees_request(kwargs)
        answer = super().open(*args, **kwargs)
        if watching is not None:
            watching.sees_answer(answer)
        return answer

    def forms(self, html: str) -> list[dict[str, str]]:
        """Return each form of a page: its action under ``""`` and its input fields."""
        found = []
        for form in re.findall(r"<form\b.*?</form>", html, re.S):
            fields = {"": (re.search(r'action="([^"]*)"', form) or [None, ""])[1]}
            for tag in re.findall(r"<(?:input|button)\b[^>]*>", form):
                name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
                if name and not (re.search(r'type="radio"', tag) and "checked" not in tag):
                    fields.setdefault(name[1], value[1] if value else "")
            found.append(fields)
        return found

    def submit(self, html: str, action: str, **fields: Any) -> Any:
        """Post the form whose action ends in ``action``, its hidden fields and ``fields`` filled in."""
        form = next(form for form in self.forms(html) if form[""].endswith(action))
        url = form.pop("")
        return self.post(url, data={**form, **fields}, headers={"Sec-Fetch-Site": "same-origin", "Origin": ISSUER})


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--backend"))


@pytest.fixture(scope="session")
def stores(backend: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return the addresses of this worker's own database and state."""
    if backend == "embedded":
        folder: Path = tmp_path_factory.mktemp("embedded")
        return {"database_url": f"sqlite:///{folder}/test.db", "state_file": folder / "state.db"}
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    number = int(re.sub(r"\D", "", worker) or 0)
    maintenance = os.environ["TEST_DATABASE_URL"]
    name = f"sesame_test_{worker}"
    engine = create_engine(maintenance, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return {
        "database_url": maintenance.rsplit("/", 1)[0] + "/" + name,
        "redis_url": f"{os.environ['TEST_REDIS_URL'].rstrip('/')}/{number}",
    }


@pytest.fixture(scope="session")
def idp_settings(stores: dict[str, Any]) -> Settings:
    return Settings.model_validate(example_settings(**stores))


@pytest.fixture(scope="session")
def whole_app(idp_settings: Settings, pytestconfig: pytest.Config) -> Iterator[Flask]:
    """Return the one application of this worker, its tables made once."""
    app = create_app(idp_settings)
    if pytestconfig.getoption("--door") == "flask":
        app.wsgi_app = cast(Any, app.wsgi_app).behind
    app.test_client_class = Browser
    with app.app_context():
        db.create_all()
    yield app
    with app.app_context():
        db.engine.dispose()
        app.extensions["sesame"]["state"].store.close()


@pytest.fixture
def app(whole_app: Flask, idp_settings: Settings) -> Iterator[Flask]:
    """Return the application with nothing in its stores but signing keys."""
    with whole_app.app_context():
        _empty_tables()
        forget_state(whole_app)
        forget_caches()
        operations.begin_anew()
        figures.begin_anew()
    yield whole_app
    # Limits that were changed meanwhile. Not at the beginning: other fixtures may have changed settings for this test.
    whole_app.extensions["sesame"]["settings"] = idp_settings


def _empty_tables() -> None:
    """Delete every row: one question which tables have some, one act for those."""
    tables = [table.name for table in reversed(db.metadata.sorted_tables) if table.name != "signing_keys"]
    with db.engine.begin() as connection:
        found = connection.exec_driver_sql(_WHICH_HAVE_ROWS.format(", ".join(map(_HAS_ROWS.format, tables)))).one()
        for name in (name for name, has_rows in zip(tables, found, strict=True) if has_rows):
            connection.exec_driver_sql(f"DELETE FROM {name}")


_WHICH_HAVE_ROWS, _HAS_ROWS = "SELECT {}", "EXISTS (SELECT 1 FROM {})"


_registered: dict[str, tuple[Any, dict[str, list[dict[str, Any]]]]] = {}


def registered_before(name: str, register: Callable[[], Any]) -> Any:
    """Return what ``register`` returns; the clients that it adds are kept, and only written again the next time."""
    tables = [db.metadata.tables[table] for table in ("clients", "client_secrets")]
    if name not in _registered:
        told = register()
        db.session.commit()
        rows = {table.name: [dict(row) for row in db.session.execute(table.select()).mappings()] for table in tables}
        _registered[name] = told, rows
    else:
        told, rows = _registered[name]
        for table in tables:
            if rows[table.name]:
                db.session.execute(table.insert(), rows[table.name])
    db.session.commit()
    return told


def forget_state(app: Flask) -> None:
    """Empty the state store."""
    app.extensions["sesame"]["state"].store.empty()


def forget_caches() -> None:
    """Drop what processes remember of clients between tests."""
    clients = sys.modules.get("idp.oidc.clients")
    if clients is not None:
        clients.forget_cached_clients()  # type: ignore[attr-defined]
    client_keys = sys.modules.get("idp.oidc.client_keys")
    if client_keys is not None:
        client_keys.forget_client_keys()  # type: ignore[attr-defined]


@pytest.fixture
def with_settings(app: Flask) -> Iterator[Callable[..., Settings]]:
    """Return an act after which the test runs under changed settings: ``with_settings(dpop={"require_nonce": True})``.

    What a section is not told stays as it was; everything is judged as at the start of the provider.
    """
    sesame = app.extensions["sesame"]
    before: Settings = sesame["settings"]

    def change(**changes: Any) -> Settings:
        sesame["settings"] = changed_settings(sesame["settings"], changes)
        forget_caches()
        return cast(Settings, sesame["settings"])

    yield change
    sesame["settings"] = before
    forget_caches()


def changed_settings(settings: BaseModel, changes: dict[str, Any]) -> Any:
    """Return ``settings`` with ``changes``, a dictionary for a section that is to be changed in part."""
    kept = {name: getattr(settings, name) for name in type(settings).model_fields}
    for name, value in changes.items():
        is_section = isinstance(kept.get(name), BaseModel) and isinstance(value, dict)
        kept[name] = changed_settings(kept[name], value) if is_section else value
    return type(settings).model_validate(kept)


@pytest.fixture(autouse=True)
def clock(request: pytest.FixtureRequest) -> Iterator[Clock]:
    """Stop the time; tests of real servers keep the real one."""
    stopped = Clock()
    if request.node.get_closest_marker("e2e") is None:
        idp_clock.set_source(stopped)
    yield stopped
    idp_clock.set_source(None)


@pytest.fixture(scope="session")
def slapd_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Run the one OpenLDAP of this worker."""
    from tests.slapd import Slapd

    server = Slapd(tmp_path_factory.mktemp("slapd"))
    server.start()
    try:
        server.fill()
        yield server
    finally:
        server.stop()


@pytest.fixture
def slapd(slapd_server: Any) -> Any:
    """Return a directory with nobody in it."""
    slapd_server.clear()
    return slapd_server


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    """Run the test inside an application context, for functions beneath the views."""
    with app.app_context():
        yield app
        db.session.rollback()


@pytest.fixture
def http(app: Flask) -> Browser:
    return app.test_client()  # type: ignore[return-value]


@pytest.fixture
def new_browser(app: Flask) -> Callable[[], Browser]:
    """Return a maker of further browsers, each with its own cookies."""
    return lambda: app.test_client()  # type: ignore[return-value]


@pytest.fixture
def alice(app: Flask) -> str:
    """Return the id of an account with an e-mail address and a mobile."""
    from idp.accounts import directory

    with app.app_context():
        account = directory.add_account(
            nir=ALICE_NIR,
            password=ALICE_PASSWORD,
            email=ALICE_EMAIL,
            mobile=ALICE_MOBILE,
            claims={"name": "Alice Martin", "given_name": "Alice", "family_name": "Martin"},
        )
        db.session.commit()
        return str(account.id)


@pytest.fixture(autouse=True)
def told(request: pytest.FixtureRequest) -> Iterator[list[dict[str, Any]]]:
    """Gather log lines, and fail the test whose log or audit trail holds what it may not (`tests/witness.py`)."""
    witness = Witness()
    for secret in (ALICE_NIR, ALICE_PASSWORD, ALICE_EMAIL, ALICE_MOBILE, ALICE_MOBILE[3:]):
        witness.secrets[secret] = "holds what is Alice's"

    def keep(_logger: object, _name: str, event: dict[str, Any]) -> dict[str, Any]:
        witness.lines.append(dict(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[*before["processors"][:-1], keep])
    logging.getLogger().addHandler(witness)
    Browser.witness = witness
    yield witness.lines
    Browser.witness = None
    logging.getLogger().removeHandler(witness)
    structlog.configure(**before)
    events = _audit_trail(request.getfixturevalue("whole_app")) if "app" in request.fixturenames else []
    leaks = witness.leaks(events, may_redact=request.node.get_closest_marker("redacts") is not None)
    assert not leaks, "a log line or an audit event holds what it may not:\n" + "\n".join(leaks[:5])


def _audit_trail(app: Flask) -> list[dict[str, Any]]:
    from idp.audit import AuditEvent
    from idp.audit.search import describe

    with app.app_context():
        events = [describe(event) for event in db.session.query(AuditEvent).all()]
        db.session.rollback()
    return events
