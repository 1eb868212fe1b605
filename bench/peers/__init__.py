"""The providers that Sésame is compared with: each installed from a public registry, started as its makers advise."""

import json
import os
import re
import signal
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
from bench.machine import Stores, free_port, wait_until_it_answers
from bench.sesame import CALLBACK, Running

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
    django = INSTALLED / "django"
    if not (django / "bin/gunicorn").exists():
        subprocess.run([sys.executable, "-m", "venv", django], check=True)
        packages = HERE / "django/requirements.txt"
        subprocess.run(
            [django / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", packages], check=True
        )


@contextmanager
def oidc_provider(folder: Path, stores: Stores) -> Iterator[Running]:
    """Npm oidc-provider on Redis."""
    port, node = free_port(), INSTALLED / "node"
    (node / "server.mjs").write_bytes((HERE / "node/server.mjs").read_bytes())
    target = Target(
        "npm oidc-provider", port,
        {"discovery": "/.well-known/openid-configuration", "jwks": "/jwks", "authorize": "/auth", "token": "/token",
         "userinfo": "/me", "introspect": "/token/introspection"},
        "bench", SECRET, CALLBACK, "", scope="openid profile email",
    )  # fmt: skip
    command = [str(node / "node_modules/.bin/node"), "server.mjs", str(port), f"{stores.redis_url}/1"]
    with _served(command, node, os.environ | {"NODE_ENV": "production"}, f"http://localhost:{port}/jwks") as running:
        yield Running(replace(target, cookie=_walk(target)), *running)


@contextmanager
def django_oauth_toolkit(folder: Path, stores: Stores) -> Iterator[Running]:
    """PyPI django-oauth-toolkit on PostgreSQL, behind gunicorn's sync worker."""
    port, programs = free_port(), INSTALLED / "django/bin"
    parts = urlsplit(stores.database_url)
    with psycopg.connect(host="127.0.0.1", port=parts.port, user="sesame", dbname="postgres", autocommit=True) as db:
        db.execute("DROP DATABASE IF EXISTS peer_django")
        db.execute("CREATE DATABASE peer_django")
    key = rsa.generate_private_key(65537, 3072)
    (folder / "peer.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    environ = os.environ | {
        "PEER_DATABASE": "peer_django", "PEER_DATABASE_PORT": str(parts.port), "PEER_KEY": str(folder / "peer.pem"),
        "PYTHONPATH": str(HERE / "django"),
    }  # fmt: skip
    made = subprocess.run([programs / "python", "peer.py"], cwd=HERE / "django", env=environ, check=True,
                          capture_output=True, text=True)  # fmt: skip
    target = Target(
        "django-oauth-toolkit", port,
        {"discovery": "/o/.well-known/openid-configuration", "jwks": "/o/.well-known/jwks.json",
         "authorize": "/o/authorize/", "token": "/o/token/", "userinfo": "/o/userinfo/",
         "introspect": "/o/introspect/"},
        "bench", SECRET, CALLBACK, f"sessionid={made.stdout.strip()}", scope="openid profile email",
        machine_id="bench-machine", id_token_at_refresh=False,
    )  # fmt: skip
    command = [str(programs / "gunicorn"), "--workers", "1", "--bind", f"127.0.0.1:{port}", "--log-level", "error",
               "peer:application"]  # fmt: skip
    url = f"http://localhost:{port}/o/.well-known/jwks.json"
    with _served(command, HERE / "django", environ, url) as running:
        yield Running(target, *running)


PEERS = (oidc_provider, django_oauth_toolkit)


@contextmanager
def _served(command: list[str], folder: Path, environ: dict[str, str], url: str) -> Iterator[tuple[int, float]]:
    server = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        took = wait_until_it_answers(url, lambda: server.poll() is None)
        yield server.pid, took
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


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
