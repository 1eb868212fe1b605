"""The provider as an operator runs it: nodes and workers as processes of their own, each store behind a bad network.

Everything is on this machine; nodes reach PostgreSQL and Redis through a `Proxy` each, the drill itself reaches them
beside it. Visitors come through `Front`, which does what every reverse proxy does.
"""

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from flask import Flask
from sqlalchemy import text

from idp import clock, create_app
from idp.accounts import directory
from idp.db import db
from idp.oidc import keys, registration
from idp.settings import load_settings
from tests.conftest import example_key
from tests.drills.proxy import Proxy
from tests.drills.stores import Postgresql, Redis, Server
from tests.messages.relay import Relay
from tests.messages.smsc import Smsc
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
PASSWORD = "drill-motdepasse-1"
CALLBACK = "https://rp.example.fr/callback"
START_WITHIN = 180.0
# A request that gets no answer for this long has failed, as a browser's would.
PATIENCE = 20.0
CLIENT = {
    "client_id": "web", "name": "Mes aides", "redirect_uris": [CALLBACK],
    "scope": "openid profile email offline_access", "grant_types": ["authorization_code", "refresh_token"],
}  # fmt: skip
# A service that never asks for a refresh token: PostgreSQL hears nothing of its codes.
PLAIN_CLIENT = {"client_id": "plain", "name": "Mes aides", "redirect_uris": [CALLBACK], "scope": "openid"}
SETTINGS = {
    "IDP_OUTBOX__EMBEDDED_WORKER": "false",
    "IDP_OUTBOX__LEASE": "10",
    "IDP_SMTP__TIMEOUT": "5",
    "IDP_SMS__TIMEOUT": "2",
    "IDP_SMS__TRANSPORT": "smpp",
    "IDP_LOGOUT__TIMEOUT": "2",
    # Hashing has drills of its own; here it would only be noise.
    "IDP_PASSWORDS__MEMORY_KIB": "1024",
    "IDP_PASSWORDS__TIME_COST": "1",
    "IDP_PASSWORDS__WAIT": "10",
    "IDP_RSA_KEY_BITS": "2048",
    # Every visitor of a drill comes from this machine.
    "IDP_THROTTLE__ADDRESS_FAILURES": "1000000",
    "IDP_CODE__FIRST_RESEND_AFTER": "1",
    "IDP_CODE__NEXT_RESEND_AFTER": "1",
    "IDP_CODE__SENDS_PER_HOUR": "1000",
    "IDP_CODE__SENDS_PER_DAY": "1000",
}


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    account_id: str
    nir: str
    email: str
    mobile: str


class Process:
    """A process group of ours: a node or a worker, with its log in a file."""

    def __init__(self, name: str, words: list[str], environ: Mapping[str, str], log: Path, root: Path = ROOT) -> None:
        self.name, self.log, self._root = name, log, root
        self._words, self._environ = words, environ
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **changes: str) -> "Process":
        """Run it; ``changes`` are variables of this run."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "idp.commands", *self._words], env={**self._environ, **changes}, cwd=self._root,
                stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        return self

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def children(self) -> list[int]:
        """Return the processes that it has started."""
        assert self._process is not None
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def kill(self) -> None:
        """End it and what it has started, without a word."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def give_way(self, *, does: bool) -> None:
        """Let everybody else go first, as if it were on a machine of its own; or no longer."""
        assert self._process is not None
        os.setpriority(os.PRIO_PGRP, self._process.pid, 19 if does else 0)

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def stop(self, within: float = 40.0) -> float:
        """Ask it to end, and return how many seconds it took."""
        started = time.monotonic()
        self.ask_to_stop()
        self.wait(within)
        return time.monotonic() - started

    def wait(self, within: float) -> int:
        """Wait for its end; return its exit status."""
        assert self._process is not None
        return self._process.wait(within)


class Node(Process):
    """A web node."""

    def __init__(self, name: str, environ: Mapping[str, str], log: Path, root: Path = ROOT) -> None:
        self.port = free_port()
        words = ["serve", "--port", str(self.port), "--threads", "8", "--drain", "2"]
        super().__init__(name, words, environ, log, root)

    @property
    def is_ready(self) -> bool:
        """Tell what a load balancer is told."""
        return self.probe("ready") == 200

    def probe(self, what: str) -> int:
        """Return the status of a health endpoint; 0 when there is no answer."""
        try:
            return requests.get(f"http://127.0.0.1:{self.port}/healthz/{what}", timeout=5).status_code
        except requests.RequestException:
            return 0

    def wait_until_ready(self, within: float = START_WITHIN) -> "Node":
        wait_until(lambda: self.is_ready, within, lambda: f"{self.name} is not ready:\n{self.log.read_text()[-3000:]}")
        return self


class Front:
    """The reverse proxy: nodes in turn; who does not listen is passed over, and a POST is never sent twice."""

    def __init__(self, nodes: list[Node], issuer: str) -> None:
        self.nodes, self.issuer = nodes, issuer
        self._turn = itertools.count()
        # Drills that ask one node only.
        self.only: Node | None = None

    def send(self, session: requests.Session, method: str, path: str, **options: Any) -> requests.Response | None:
        """Return the answer of some node, or ``None`` where a proxy would answer 502."""
        # As they are now: a drill may replace one at this moment.
        start, known = next(self._turn), tuple(self.nodes)
        nodes = [self.only] if self.only else [known[(start + n) % len(known)] for n in range(len(known))]
        headers = {"Host": self.issuer.removeprefix("http://"), **options.pop("headers", {})}
        options.setdefault("timeout", PATIENCE)
        for node in nodes:
            url = f"http://127.0.0.1:{node.port}{path}"
            try:
                return session.request(method, url, headers=headers, allow_redirects=False, **options)
            except requests.exceptions.ReadTimeout:
                return None
            except requests.exceptions.ConnectionError as fault:
                # nginx's `proxy_next_upstream error timeout`: not for what may have been done already.
                if "refused" not in str(fault) and method == "POST":
                    return None
        return None


class Site:
    """All of it; drills change what they like, and leave it whole."""

    settings: Mapping[str, str] = SETTINGS
    clients: Sequence[Mapping[str, Any]] = (CLIENT, PLAIN_CLIENT)
    postgresql_options: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redis, self.postgresql = Redis(folder / "redis"), Postgresql(folder / "postgresql")
        self.relay, self.smsc = Relay(), Smsc()
        self.nodes: list[Node] = []
        self.workers: list[Process] = []
        self.secrets: dict[str, str] = {}
        self._made: list[Process] = []
        self._numbers = itertools.count(1)

    @contextmanager
    def running(self, nodes: int = 2, workers: int = 1) -> Iterator["Site"]:
        """Start everything, and end it whatever happened."""
        with ExitStack() as stack:
            self.folder.chmod(0o711)
            for server in (self.redis.start(), self.postgresql.start(**self.postgresql_options)):
                stack.callback(_end, server)
            self.redis_proxy = _started(stack, Proxy(self.redis.port))
            self.database_proxy = _started(stack, Proxy(self.postgresql.port))
            stack.callback(self.relay.stop)
            self.relay.start()
            stack.callback(self.smsc.stop)
            self.smsc.start()
            self.postgresql.ask("CREATE DATABASE sesame")
            self.issuer = f"http://localhost:{free_port()}"
            self.app = self._prepare()
            stack.callback(self._close_app)
            self.nodes = [self.new_node(f"node-{number + 1}") for number in range(nodes)]
            self.workers = [self.new_worker(f"worker-{number + 1}") for number in range(workers)]
            self.front = Front(self.nodes, self.issuer)
            stack.callback(lambda: [process.kill() for process in self._made])
            for process in (*self.nodes, *self.workers):
                process.start()
            for node in self.nodes:
                node.wait_until_ready()
            yield self

    def new_node(self, name: str, *, root: Path = ROOT, **changes: str) -> Node:
        """Return a node that is not started yet, of the version in ``root``; killed at the end if not before."""
        node = Node(name, {**self.environ, **changes}, self.folder / f"{name}.log", root)
        self._made.append(node)
        return node

    def new_worker(self, name: str, *, root: Path = ROOT, **changes: str) -> Process:
        """Return a worker that is not started yet; killed at the end if not before."""
        worker = Process(name, ["worker"], {**self.environ, **changes}, self.folder / f"{name}.log", root)
        self._made.append(worker)
        return worker

    @property
    def environ(self) -> dict[str, str]:
        """Return what nodes and workers are told: everything through the proxies."""
        return self._environ(self.database_proxy.port, self.redis_proxy.port)

    @property
    def environ_beside(self) -> dict[str, str]:
        """Return what the drill itself is told: the stores as they are."""
        return self._environ(self.postgresql.port, self.redis.port)

    def people(self, count: int) -> list[Person]:
        """Return people whom no other drill knows."""
        with self.app.app_context():
            found = [self._add_person(next(self._numbers)) for _ in range(count)]
            db.session.commit()
        return found

    def rows(self, statement: str, **values: Any) -> list[Any]:
        """Ask the database, beside the proxy."""
        with self.app.app_context():
            rows = db.session.execute(text(statement), values).all()
            db.session.rollback()
        return list(rows)

    def in_app(self, act: Callable[[], Any]) -> Any:
        """Run ``act`` in a process of the provider's own: this one."""
        with self.app.app_context():
            return act()

    def heal(self) -> None:
        """Make the network good again."""
        self.redis_proxy.heal()
        self.database_proxy.heal()
        self.front.only = None

    def wait_until_ready(self, within: float = 30.0) -> float:
        """Wait until every node says that it is ready; return how many seconds that took."""
        started = time.monotonic()
        for node in self.nodes:
            node.wait_until_ready(within)
        return time.monotonic() - started

    @contextmanager
    def served_by(self, nodes: Sequence[Node]) -> Iterator[None]:
        """Let other nodes serve for a while; they are started here, and killed at the end."""
        ours = self.nodes[:]
        try:
            for node in nodes:
                node.start()
            for node in nodes:
                node.wait_until_ready()
            self.nodes[:] = nodes
            yield
        finally:
            self.nodes[:], self.front.only = ours, None
            for node in nodes:
                node.kill()

    def troubles(self) -> Counter[str]:
        """Return what nodes said of pages that they could not serve, by the kind of fault."""
        told = "".join(process.log.read_text() for process in self._made if process.log.exists())
        return Counter(re.findall(r'"error_type": "(\w+)"', told))

    def logs(self) -> str:
        """Return what nodes and workers have written."""
        return "".join(process.log.read_text() for process in (*self.nodes, *self.workers))

    def _prepare(self) -> Flask:
        app = create_app(load_settings(self.environ_beside))
        with app.app_context():
            db.create_all()
            keys.ensure_signing_keys()
            for asked in self.clients:
                _client, secret = registration.add_client(registration.metadata_from_form(asked), now=clock.now())
                self.secrets[str(asked["client_id"])] = str(secret)
            db.session.commit()
        return app

    def _close_app(self) -> None:
        with self.app.app_context():
            db.engine.dispose()
        self.app.extensions["sesame"]["state"].store.close()

    def _add_person(self, number: int) -> Person:
        # Month 13: nobody's. ARCEP's numbers for fiction are too few.
        nir, email, mobile = f"19913{number:08d}", f"drill{number}@example.fr", f"+336{10_000_000 + number}"
        account = directory.add_account(nir=nir, password=PASSWORD, email=email, mobile=mobile, claims={"name": "Ex"})
        return Person(str(account.id), nir, email, mobile)

    def _environ(self, database_port: int, redis_port: int) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
        names = ("pepper", "index", "subject", "code", "token")
        return kept | {f"IDP_SECRETS__{name.upper()}": example_key(name) for name in names} | {
            "IDP_SECRETS__FIELD_KEYS__K1": example_key("field"),
            "IDP_SECRETS__FIELD_KEY_ID": "k1",
            "IDP_ISSUER": self.issuer,
            "IDP_DATABASE_URL": f"postgresql+psycopg://sesame@127.0.0.1:{database_port}/sesame",
            "IDP_REDIS_URL": f"redis://127.0.0.1:{redis_port}/0",
            "IDP_STATE_FILE": str(self.folder / "state.db"),
            "IDP_SMTP_URL": self.relay.url,
            "IDP_SMS__SMPP_URL": f"smpp://test:test@127.0.0.1:{self.smsc.port}",
            **self.settings,
        }  # fmt: skip


def wait_until(attempt: Callable[[], Any], within: float, complaint: Callable[[], str] | str) -> Any:
    """Return the first true answer; AssertionError when none comes in time."""
    ends_at = time.monotonic() + within
    while not (found := attempt()):
        if time.monotonic() > ends_at:
            raise AssertionError(complaint if isinstance(complaint, str) else complaint())
        time.sleep(0.05)
    return found


def _started(stack: ExitStack, proxy: Proxy) -> Proxy:
    stack.callback(proxy.stop)
    return proxy.start()


def _end(server: Server) -> None:
    if server.process is not None:
        server.resume()
    server.kill()
