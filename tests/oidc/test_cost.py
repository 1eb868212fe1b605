"""What each operation costs, in things that can be counted: SQL statements, round trips to the state, function calls.

Seconds differ from run to run, these do not. `bench/guard.json` is the table; an operation that gains one fails here.
"""

import base64
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Flask
from sqlalchemy import event

from idp import session
from idp.db import db
from idp.oidc.lane import Lane
from idp.prepared import Prepared
from idp.session import Proof
from tests.conftest import Browser, Clock
from tests.oidc.conftest import CALLBACK, VERIFIER, Client, Maker
from tests.oidc.wsgi import ask
from tests.signin.conftest import Visitor

TABLE = Path(__file__).parents[2] / "bench/guard.json"
# Libraries call each other a little differently from one patch version to the next.
TOLERANCE = 1.05
KINDS = ("sql", "state", "calls")
# Other tests of a process leave caches and listeners behind: calls are compared by `make bench-guard`, as `make test`
# runs it, in a process of its own.
COMPARES_CALLS = os.environ.get("BENCH_GUARD") == "1"


class Operations:
    """A relying party and a browser that is signed in, at the WSGI door."""

    def __init__(self, wsgi: Callable[..., Any], client: Client, cookie: str) -> None:
        self.wsgi, self.client = wsgi, client
        pair = base64.b64encode(f"{client.client_id}:{client.secret}".encode()).decode()
        self.basic, self.cookie = f"Basic {pair}", f"__Host-sid={cookie}"
        self.tokens: dict[str, str] = {}

    def discovery(self) -> Any:
        return ask(self.wsgi, "GET", "/.well-known/openid-configuration")

    def jwks(self) -> Any:
        return ask(self.wsgi, "GET", "/jwks.json")

    def client_credentials(self) -> Any:
        return self.post("/token", grant_type="client_credentials")

    def authorize(self) -> Any:
        asked = {
            "client_id": self.client.client_id, "redirect_uri": CALLBACK, "response_type": "code", "state": "s",
            "scope": "openid profile email offline_access", "nonce": "n", "code_challenge_method": "S256",
            "code_challenge": create_s256_code_challenge(VERIFIER),
        }  # fmt: skip
        answer = ask(self.wsgi, "GET", f"/authorize?{urlencode(asked)}", HTTP_COOKIE=self.cookie)
        self.code = parse_qs(urlsplit(dict(answer[1])["Location"]).query)["code"][0]
        return answer

    def code_exchange(self) -> Any:
        answer = self.post(
            "/token", grant_type="authorization_code", code=self.code, redirect_uri=CALLBACK, code_verifier=VERIFIER
        )
        self.tokens = json.loads(answer[2])
        return answer

    def refresh(self) -> Any:
        answer = self.post("/token", grant_type="refresh_token", refresh_token=self.tokens["refresh_token"])
        self.tokens = json.loads(answer[2])
        return answer

    def userinfo(self) -> Any:
        return ask(self.wsgi, "GET", "/userinfo", HTTP_AUTHORIZATION=f"Bearer {self.tokens['access_token']}")

    def introspection(self) -> Any:
        return self.post("/introspect", token=self.tokens["access_token"])

    def post(self, path: str, **form: str) -> Any:
        return ask(self.wsgi, "POST", path, urlencode(form).encode(), HTTP_AUTHORIZATION=self.basic)

    def all(self) -> dict[str, Callable[[], Any]]:
        """Return the operations in an order in which each finds what it needs."""
        names = (
            "discovery", "jwks", "client_credentials", "authorize", "code_exchange", "refresh", "userinfo",
            "introspection",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


class Walk:
    """A person in a browser that nobody knows, from the relying party and back to it."""

    def __init__(self, app: Flask, clock: Clock) -> None:
        self.app, self.clock = app, clock

    def request_page(self) -> Any:
        # Only so many codes an hour go to one person. What is looked up once a minute for everybody is counted along.
        self.clock.step(hours=2)
        self.visitor = Visitor(self.app, cast(Browser, self.app.test_client()))
        return self.visitor.start()

    def password_page(self) -> Any:
        return self.visitor.identify()

    def send_page(self) -> Any:
        return self.visitor.ask_for_code()

    def code_page(self) -> Any:
        return self.visitor.type_code()

    def all(self) -> dict[str, Callable[[], Any]]:
        """Return the steps, each with the page that its answer leads to."""
        names = ("request_page", "password_page", "send_page", "code_page")
        return {name: getattr(self, name) for name in names}


class Counts:
    """Counts while it is entered."""

    def __init__(self, app: Flask) -> None:
        self.app, self.found = app, dict.fromkeys(KINDS, 0)

    def __enter__(self) -> "Counts":
        self.found = dict.fromkeys(KINDS, 0)
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_fault: object) -> None:
        sys.setprofile(None)

    def _called(self, _frame: FrameType, what: str, _value: object) -> None:
        self.found["calls"] += what == "call"

    def statement(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        # SQLite's way to begin a transaction is a statement, PostgreSQL's is none.
        self.found["sql"] += not statement.startswith("BEGIN")

    def counted(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        """Return what sends a prepared statement, which SQLAlchemy does not see, with a count of it."""

        def sending(*values: Any) -> Any:
            self.found["sql"] += 1
            return execute(*values)

        return sending


class CountedStore:
    """A store, and a count of what it is asked: each is one round trip."""

    def __init__(self, store: Any, counts: Counts) -> None:
        self._store, self._counts = store, counts

    def __getattr__(self, name: str) -> Any:
        self._counts.found["state"] += 1
        return getattr(self._store, name)


@pytest.fixture
def counts(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Counts]:
    counting, state = Counts(app), app.extensions["sesame"]["state"]
    store, state.store = state.store, CountedStore(state.store, counting)
    with app.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", counting.statement)
    monkeypatch.setattr(Prepared, "_execute", counting.counted(Prepared._execute))
    yield counting
    event.remove(engine, "before_cursor_execute", counting.statement)
    state.store = store


@pytest.fixture
def operations(app: Flask, make_client: Maker, alice: str, clock: Clock) -> Operations:
    grants = ["authorization_code", "refresh_token", "client_credentials"]
    client = make_client("bench", grant_types=grants, machine_scope="api", id_token_alg="ES256")
    proofs = (Proof("pwd", clock()), Proof("email", clock()))
    with app.app_context():
        cookie, _ = session.sign_in_session(
            None, account_id=alice, proofs=proofs, acr="urn:sesame:acr:2sv", amr=("pwd", "otp"), device_label="",
            now=clock(),
        )  # fmt: skip
        db.session.commit()
    front = app.wsgi_app if isinstance(app.wsgi_app, Lane) else Lane(app)
    return Operations(cast(Any, front), client, cookie)


def test_no_operation_costs_more_than_it_did(operations: Operations, counts: Counts, backend: str) -> None:
    for act in operations.all().values():
        act()
    found: dict[str, dict[str, int]] = {}
    for _ in range(5):
        for name, act in operations.all().items():
            with counts:
                answer = act()
            assert answer[0][:3] in {"200", "303"}, (name, answer)
            _keep_least(found, name, counts)
    _compare(found, backend)


def test_no_page_of_a_sign_in_costs_more_than_it_did(
    app: Flask, make_client: Maker, alice: str, clock: Clock, counts: Counts, backend: str
) -> None:
    make_client("web")
    walk = Walk(app, clock)
    for act in walk.all().values():
        act()
    found: dict[str, dict[str, int]] = {}
    for _ in range(4):
        for name, act in walk.all().items():
            with counts:
                act()
            _keep_least(found, name, counts)
        assert walk.visitor.is_back
    _compare(found, backend)


def _keep_least(found: dict[str, dict[str, int]], name: str, counts: Counts) -> None:
    before = found.get(name, counts.found)
    found[name] = {kind: min(before[kind], counts.found[kind]) for kind in KINDS}


def _compare(found: dict[str, dict[str, int]], backend: str) -> None:
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    if os.environ.get("BENCH_GUARD_WRITE") and backend == "servers":
        table |= found
        TABLE.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    gained = {
        f"{name}: {kind}": (table[name][kind], count)
        for name, counted in found.items()
        for kind, count in counted.items()
        if count > table[name][kind] * (TOLERANCE if kind == "calls" else 1)
        # SQL state and Redis take different code.
        and (kind != "calls" or (backend == "servers" and COMPARES_CALLS))
    }
    assert not gained, f"costs more than bench/guard.json says (before, now): {gained}"


def test_the_table_keeps_what_was_promised() -> None:
    table = json.loads(TABLE.read_text(encoding="utf-8"))

    assert all(table[name]["state"] == 1 for name in ("refresh", "userinfo", "introspection", "client_credentials"))
    # What must survive: a family, its next token, the audit event of a machine's token.
    writing = {"code_exchange", "refresh", "client_credentials"}
    # What must be asked anew: whether the account may still be spoken of (AC-138).
    asking = {"userinfo", "introspection"}
    pages = {name for name in table if name.endswith("_page")}
    assert all(table[name]["sql"] == (name in writing | asking) for name in table.keys() - pages)
    assert table["code_exchange"]["state"] == 2
    assert table["discovery"]["state"] == table["jwks"]["state"] == 0
