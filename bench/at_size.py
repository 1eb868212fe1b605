"""What sign-ins, tokens and look-ups cost over a table of accounts: our processor time, PostgreSQL's time and blocks.

The requests go through the whole application in this process. PostgreSQL's share is read from pg_stat_statements;
blocks touched are the same at every run, however busy the machine is.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import median
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from flask import Flask

from bench import people
from idp import clock as idp_clock
from idp.accounts.directory import find_account_by_nir
from idp.admin import support
from idp.admin.actors import Actor
from idp.db import db
from idp.oidc import keys, registration
from tests.conftest import Browser, Clock
from tests.oidc.conftest import CALLBACK, VERIFIER, Client
from tests.signin.conftest import Visitor

_ADVISER = Actor("bench", frozenset({"support.read"}), "console")
_STATEMENTS = """
    SELECT coalesce(sum(calls), 0), coalesce(sum(total_exec_time), 0), coalesce(sum(shared_blks_hit), 0),
           coalesce(sum(shared_blks_read), 0)
    FROM pg_stat_statements JOIN pg_database ON oid = dbid WHERE datname = %s
"""


@dataclass
class Costs:
    """What one operation cost, each time it was done."""

    # Milliseconds.
    took: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    sql: list[float] = field(default_factory=list)
    statements: list[float] = field(default_factory=list)
    # Blocks of 8 KB touched, and those of them that PostgreSQL had to ask the system for.
    blocks: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)

    @property
    def cost(self) -> float:
        """The middle of processor time here and time in PostgreSQL, together, in milliseconds."""
        return median(ours + sql for ours, sql in zip(self.ours, self.sql, strict=True))


class Meter:
    """Measures what happens in one application and in its database."""

    def __init__(self, statistics: "psycopg.Connection[Any]", database: str) -> None:
        self._statistics, self._database = statistics, database
        self.costs: dict[str, Costs] = {}

    def measure(self, name: str, act: Callable[[], Any]) -> Any:
        """Do it once, and note what it cost."""
        calls, sql, hit, read = self._spent()
        began, cpu = time.perf_counter(), time.process_time()
        answer = act()
        cpu, took = time.process_time() - cpu, time.perf_counter() - began
        after = self._spent()
        costs = self.costs.setdefault(name, Costs())
        costs.took.append(took * 1000)
        costs.ours.append(cpu * 1000)
        costs.sql.append(after[1] - sql)
        costs.statements.append(after[0] - calls)
        costs.blocks.append(after[2] - hit + after[3] - read)
        costs.read.append(after[3] - read)
        return answer

    def _spent(self) -> tuple[float, float, float, float]:
        calls, sql, hit, read = self._statistics.execute(_STATEMENTS, (self._database,)).fetchone() or (0, 0, 0, 0)
        return float(calls), float(sql), float(hit), float(read)


@dataclass
class Provider:
    """An application over one table of accounts, and what measures it."""

    app: Flask
    count: int
    meter: Meter
    client: Client


def prepare(app: Flask, count: int, meter: Meter) -> Provider:
    """Register the relying party."""
    app.test_client_class = Browser
    with app.app_context():
        keys.ensure_signing_keys()
        asked = {
            "client_id": "web", "name": "Banc", "kind": "website", "redirect_uris": [CALLBACK],
            "scope": "openid profile email offline_access", "grant_types": ["authorization_code", "refresh_token"],
            "id_token_alg": "ES256",
        }  # fmt: skip
        _, secret = registration.add_client(registration.metadata_from_form(asked), now=idp_clock.now())
        db.session.commit()
    return Provider(app, count, meter, Client("web", secret, app.test_client()))  # type: ignore[arg-type]


def walk(provider: Provider, number: int, clock: Clock) -> None:
    """Let one person sign in, twice: the first time replaces the old system's hash. Then look them up."""
    measure, app = provider.meter.measure, provider.app
    nir, email, mobile = people.nir_of(number), people.email_of(number), people.mobile_of(number)
    for ending in (", first time", ""):
        visitor = Visitor(app, app.test_client())  # type: ignore[arg-type]
        steps: dict[str, Callable[[], Any]] = {
            "authorization request, page": partial(visitor.start, scope="openid profile email offline_access"),
            "NIR and password": partial(visitor.identify, nir, people.PASSWORD),
            "« Envoyer le code »": visitor.ask_for_code,
        }
        for name, act in steps.items():
            measure(name + ending, act)
        # Looked up by the bench, not by the person.
        measure(f"code, authorization response{ending}", partial(visitor.type_code, visitor.code))
        if not visitor.is_back:
            raise RuntimeError(f"no sign-in: {visitor.page.status_code} at {visitor.page.request.path}")
        clock.step(seconds=150)
    handed = parse_qs(urlsplit(visitor.page.headers["Location"]).query)["code"][0]
    clock.step(seconds=-150)
    tokens = _good(measure("token: code", lambda: provider.client.exchange(handed, code_verifier=VERIFIER))).json
    _good(measure("userinfo", lambda: provider.client.userinfo(tokens["access_token"])))
    _good(measure("token: refresh", lambda: provider.client.refresh(tokens["refresh_token"])))
    for name, typed in (("NIR", nir), ("e-mail", email), ("mobile", mobile)):
        if typed:
            measure(f"support: {name}", partial(_look_up, app, typed, clock))
    stranger = Visitor(app, app.test_client()).start()  # type: ignore[arg-type]
    measure("NIR of nobody", lambda: stranger.identify(f"8{nir[1:5]}99{number:06d}"[:13], "no-such-password-1"))
    clock.step(seconds=150)


def _good(answer: Any) -> Any:
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.status_code}: {answer.text[:200]}")
    return answer


def _look_up(app: Flask, typed: str, clock: Clock) -> None:
    with app.app_context():
        support.open_case(_ADVISER, typed, reason="call", now=clock())
        db.session.commit()


PLANNED = {"NIR": "nir_index", "id": "id", "e-mail": "email_index", "mobile": "mobile_index"}


def plans(app: Flask, number: int) -> dict[str, str]:
    """Return how PostgreSQL finds one account by each of its keys: the node, and the blocks that it touches."""
    found = {}
    with app.app_context():
        account = find_account_by_nir(people.nir_of(number))
        if account is None:
            raise RuntimeError(f"person {number} is not there")
        for name, column in PLANNED.items():
            query = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM accounts WHERE {column} = %s"
            told = db.session.connection().exec_driver_sql(query, (getattr(account, column),)).scalar_one()
            plan = told[0]["Plan"]
            touched = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            found[name] = f"{plan['Node Type']}, {touched} blocks"
        db.session.rollback()
    return found
