"""The providers that Sésame is compared with: each installed from a public registry, started as its makers advise."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bench.flows import Target
from bench.machine import Stores, free_port
from bench.postbox import Mailbox
from bench.programs import Program, Running, started
from bench.sesame import CALLBACK, PASSWORD
from bench.visit import SIGN_IN

HERE = Path(__file__).parent
# Not committed: what the registries sent.
INSTALLED = HERE.parent / ".peers"
SECRET = "bench-secret-bench-secret"


def install() -> None:
    """Install every peer, once."""
    node = INSTALLED / "node"
    if not (node / "node_modules/oidc-provider").exists():
        node.mkdir(parents=True, exist_ok=True)
        (node / "package.json").write_bytes((HERE / "node/package.json").read_bytes())
        subprocess.run(["npm", "install", "--no-fund", "--no-audit", "--loglevel=error"], cwd=node, check=True)
    for name in ("django", "canaille"):
        place, packages = INSTALLED / name, HERE / name / "requirements.txt"
        done = place / ".installed"
        if not done.exists() or done.read_bytes() != packages.read_bytes():
            subprocess.run([sys.executable, "-m", "venv", place], check=True)
            subprocess.run(
                [place / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", packages], check=True
            )
            done.write_bytes(packages.read_bytes())


@contextmanager
def oidc_provider(folder: Path, stores: Stores, mailbox: Mailbox, people: int) -> Iterator[Running]:
    """Npm oidc-provider on Redis. Its sign-in is the adapter's: nobody is asked anything."""
    port, node = free_port(), INSTALLED / "node"
    (node / "server.mjs").write_bytes((HERE / "node/server.mjs").read_bytes())
    target = Target(
        "npm oidc-provider", port,
        {"discovery": "/.well-known/openid-configuration", "jwks": "/jwks", "authorize": "/auth", "token": "/token",
         "userinfo": "/me", "introspect": "/token/introspection"},
        "bench", SECRET, CALLBACK, "", scope="openid profile email",
    )  # fmt: skip
    command = (str(node / "node_modules/.bin/node"), "server.mjs", str(port), f"{stores.redis_url}/1")
    program = Program(command, node, os.environ | {"NODE_ENV": "production"}, f"http://localhost:{port}/jwks")
    with started(program) as (pid, _took):
        yield Running(replace(target, cookie=_walk(target)), pid, program)


@contextmanager
def django_oauth_toolkit(folder: Path, stores: Stores, mailbox: Mailbox, people: int) -> Iterator[Running]:
    """PyPI django-oauth-toolkit on PostgreSQL, behind gunicorn's sync worker."""
    port, programs = free_port(), INSTALLED / "django/bin"
    database = _new_database(stores, "peer_django")
    key = rsa.generate_private_key(65537, 3072)
    (folder / "peer.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    environ = os.environ | {
        "PEER_DATABASE": "peer_django", "PEER_DATABASE_PORT": str(urlsplit(database).port),
        "PEER_KEY": str(folder / "peer.pem"), "PYTHONPATH": str(HERE / "django"),
    }  # fmt: skip
    made = subprocess.run([programs / "python", "peer.py"], cwd=HERE / "django", env=environ, check=True,
                          stdout=subprocess.PIPE, text=True)  # fmt: skip
    target = Target(
        "django-oauth-toolkit", port,
        {"discovery": "/o/.well-known/openid-configuration", "jwks": "/o/.well-known/jwks.json",
         "authorize": "/o/authorize/", "token": "/o/token/", "userinfo": "/o/userinfo/",
         "introspect": "/o/introspect/"},
        "bench", SECRET, CALLBACK, f"sessionid={made.stdout.strip()}", scope="openid profile email",
        machine_id="bench-machine", id_token_at_refresh=False,
        cannot={SIGN_IN: "a library without sign-in pages and without a mailed code"},
    )  # fmt: skip
    command = (str(programs / "gunicorn"), "--workers", "1", "--bind", f"127.0.0.1:{port}", "--log-level", "error",
               "peer:application")  # fmt: skip
    program = Program(command, HERE / "django", environ, f"http://localhost:{port}/o/.well-known/jwks.json")
    with started(program) as (pid, _took):
        yield Running(target, pid, program)


@contextmanager
def canaille(folder: Path, stores: Stores, mailbox: Mailbox, people: int) -> Iterator[Running]:
    """PyPI canaille on PostgreSQL, under the Hypercorn that it starts itself, its worker behind Redis."""
    port, programs = free_port(), INSTALLED / "canaille/bin"
    asked = {
        # Its `postgresql` extra brings psycopg2.
        "database_url": _new_database(stores, "peer_canaille").replace("postgresql", "postgresql+psycopg2"),
        "port": port, "redis_url": f"{stores.redis_url}/2",
        "smtp_port": mailbox.smtp, "people": people, "password": PASSWORD, "secret": SECRET, "redirect_uri": CALLBACK,
    }  # fmt: skip
    environ = os.environ | {
        "CANAILLE_CONFIG": str(folder / "canaille.toml"), "PEER_ASKED": json.dumps(asked),
        # Plain HTTP on loopback, as for all.
        "AUTHLIB_INSECURE_TRANSPORT": "1",
    }  # fmt: skip
    made = subprocess.run([programs / "python", HERE / "canaille/peer.py"], cwd=folder, env=environ, check=True,
                          stdout=subprocess.PIPE, text=True)  # fmt: skip
    target = Target(
        "Canaille", port,
        {"discovery": "/.well-known/openid-configuration", "jwks": "/oauth/jwks.json",
         "authorize": "/oauth/authorize", "token": "/oauth/token", "userinfo": "/oauth/userinfo",
         "introspect": "/oauth/introspect"},
        "bench", SECRET, CALLBACK, made.stdout.split()[-1], scope="openid profile email", id_token_at_refresh=False,
        forms=({"login": "{person}", "remember": "y"}, {"password": PASSWORD}, {"otp": "{code}"}),
        postbox=mailbox.questions,
    )  # fmt: skip
    serve, work = ("run",), ("worker", "--processes", "1")
    program, worker = (
        Program((str(programs / "canaille"), *words), folder, environ, url)
        for words, url in ((serve, f"http://localhost:{port}/oauth/jwks.json"), (work, ""))
    )
    with started(program) as (pid, _took):
        yield Running(target, pid, program, worker)


PEERS = (oidc_provider, django_oauth_toolkit, canaille)


def _new_database(stores: Stores, name: str) -> str:
    """Make an empty database; return its address."""
    port = urlsplit(stores.database_url).port
    with psycopg.connect(host="127.0.0.1", port=port, user="sesame", dbname="postgres", autocommit=True) as db:
        db.execute(f"DROP DATABASE IF EXISTS {name}")
        db.execute(f"CREATE DATABASE {name}")
    return f"postgresql://sesame@127.0.0.1:{port}/{name}"


def _walk(target: Target) -> str:
    """Follow an authorization request through the peer's sign-in as a browser would; return its cookies."""
    connection, cookies = HTTPConnection("localhost", target.port), {}
    line = target.authorize().split(b" ")[1].decode()
    for _ in range(10):
        connection.request("GET", line, headers={"Cookie": "; ".join(f"{n}={v}" for n, v in cookies.items())})
        answer = connection.getresponse()
        text = answer.read()
        for header in answer.headers.get_all("Set-Cookie") or ():
            name, value = re.match(r"([^=]+)=([^;]*)", header).groups()  # type: ignore[union-attr]
            cookies[name] = value
        location = answer.headers.get("Location", "")
        if location.startswith(CALLBACK):
            return "; ".join(f"{n}={v}" for n, v in cookies.items() if v)
        if answer.status not in {302, 303}:
            raise RuntimeError(f"{target.name}: {answer.status} {json.dumps(text[:500].decode(errors='replace'))}")
        parts = urlsplit(location)
        line = parts.path + (f"?{parts.query}" if parts.query else "")
    raise RuntimeError(f"{target.name} does not sign in")
