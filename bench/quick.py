"""`make bench-quick`: what each operation costs here, one process, SQLite, or the stores of BENCH_… variables.

Prints requests per second, CPU-microseconds of the server per request and of the load generator, and the password
sign-ins per second next to the bare Argon2 rate. Absolute figures differ between machines; compare within one run.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Flask

from bench.load import Result, get, post, run, run_refresh, run_sign_ins
from idp import clock, create_app, entropy, session
from idp.accounts import directory, passwords
from idp.db import db
from idp.oidc import keys, registration
from idp.oidc.codes import AuthorizationCode, issue_code
from idp.oidc.grant import Grant
from idp.oidc.refresh import issue_family
from idp.oidc.tokens import issue_access_token
from idp.session import Proof
from idp.settings import load_settings

SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))
VERIFIER, PASSWORD = "v" * 64, "bench-motdepasse-1"
CALLBACK = "http://localhost:9/callback"
ACR, SCOPES = "urn:sesame:acr:2sv", ("openid", "profile", "email")


def main() -> None:
    """Start a server, load it operation by operation, print the table."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environ = configure(folder, port)
        app = create_app(load_settings(environ))
        with app.app_context():
            db.create_all()
            keys.ensure_signing_keys()
        server = start_server(environ, port)
        try:
            print_table(measure(app, port, server.pid))
            print_sign_ins(app, port, server.pid)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(20)


def configure(folder: str, port: int) -> dict[str, str]:
    """Return the environment of the server under load."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IDP_")}
    secrets = {f"IDP_SECRETS__{name}": entropy.token() for name in ("PEPPER", "INDEX", "SUBJECT", "CODE", "TOKEN")}
    return kept | secrets | {
        "IDP_ISSUER": f"http://localhost:{port}",
        "IDP_DATABASE_URL": os.environ.get("BENCH_DATABASE_URL", f"sqlite:///{folder}/bench.db"),
        "IDP_REDIS_URL": os.environ.get("BENCH_REDIS_URL", ""),
        "IDP_STATE_FILE": f"{folder}/state.db",
        "IDP_SECRETS__FIELD_KEYS__K1": entropy.token(),
        "IDP_SECRETS__FIELD_KEY_ID": "k1",
        "IDP_OUTBOX__EMBEDDED_WORKER": "false",
        "IDP_THROTTLE__ADDRESS_FAILURES": "1000000",
        "IDP_LOG_LEVEL": "warning",
    }  # fmt: skip


def start_server(environ: dict[str, str], port: int) -> subprocess.Popen[bytes]:
    """Start the provider as an operator would, and wait until it answers."""
    command = [sys.executable, "-m", "idp.commands", "serve", "--port", str(port), "--threads", "4"]
    server = subprocess.Popen([*command], env=environ, cwd=Path(__file__).parent.parent)
    for _ in range(200):
        try:
            urllib.request.urlopen(f"http://localhost:{port}/healthz/ready", timeout=1)
        except OSError:
            time.sleep(0.1)
        else:
            return server
    server.kill()
    raise SystemExit("the server did not start")


def measure(app: Flask, port: int, pid: int) -> list[tuple[str, Result, float]]:
    """Load each operation in turn."""
    rows = []
    with app.app_context():
        account_id = add_person(0)
        client_id = add_client()
        cookie = sign_in(account_id)
        grant = make_grant(account_id, client_id)
        token = issue_access_token(grant, SCOPES, clock.now())
    bearer = f"Authorization: Bearer {token}\r\n"
    query = urlencode(authorization(client_id))
    runs = {
        "discovery": lambda: run(port, [get("/.well-known/openid-configuration", port)], 200, seconds=SECONDS),
        "JWKS": lambda: run(port, [get("/jwks.json", port)], 200, seconds=SECONDS),
        "authorize, signed in": lambda: run(port, [get(f"/authorize?{query}", port, cookie)], 303, seconds=SECONDS),
        "code exchange": lambda: run(port, exchanges(app, account_id, client_id, port), 200),
        "refresh": lambda: run_refresh(port, families(app, account_id, client_id), client_id, SECONDS),
        "userinfo": lambda: run(port, [get("/userinfo", port, bearer)], 200, seconds=SECONDS),
    }
    for name, load in runs.items():
        rows.append((name, *with_cpu(pid, load)))
    return rows


def with_cpu(pid: int, load: Callable[[], Result]) -> tuple[Result, float]:
    """Run a load and return its result with the CPU-seconds that the server spent meanwhile."""
    before = cpu_seconds(pid)
    result = load()
    return result, cpu_seconds(pid) - before


def cpu_seconds(pid: int) -> float:
    """Return the CPU-seconds of a process and its children, from /proc."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid or stat.parent.name == str(pid):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def print_table(rows: list[tuple[str, Result, float]]) -> None:
    """Print one line per operation."""
    print(f"{'operation':<24}{'requests/s':>12}{'server CPU us':>16}{'client CPU us':>16}{'errors':>8}")
    for name, result, cpu in rows:
        rate, each = result.requests / result.seconds, 1e6 / max(result.requests, 1)
        print(f"{name:<24}{rate:>12.0f}{cpu * each:>16.0f}{result.client_cpu * each:>16.0f}{result.errors:>8}")


def print_sign_ins(app: Flask, port: int, pid: int) -> None:
    """Print password sign-ins per second beside the rate of Argon2 alone, on all processors."""
    count = int(SECONDS * 20)
    with app.app_context():
        client_id = add_client()
        for number in range(1, count + 1):
            add_person(number)
        query = urlencode(authorization(client_id))
        bare = argon2_rate(app)
    nirs = [nir_of(number) for number in range(1, count + 1)]
    result, cpu = with_cpu(pid, lambda: run_sign_ins(port, f"/authorize?{query}", nirs, PASSWORD, os.cpu_count() or 1))
    rate = result.requests / result.seconds
    print(
        f"\npassword sign-ins {rate:.1f}/s, Argon2 alone {bare:.1f}/s, ratio {bare / rate:.2f}, errors {result.errors}"
    )
    print(f"server CPU {cpu / result.requests * 1000:.1f} ms per sign-in")


def argon2_rate(app: Flask) -> float:
    """Return how many hashes per second all processors do together."""
    stored = passwords.hash_password(PASSWORD)
    threads = os.cpu_count() or 1

    def work(_n: int) -> None:
        with app.app_context():
            for _ in range(20):
                passwords.check_password(stored, PASSWORD)

    started = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    return 20 * threads / (time.perf_counter() - started)


def nir_of(number: int) -> str:
    """Return a NIR that belongs to nobody (month 13)."""
    return f"19913{number:08d}"


def add_person(number: int) -> str:
    """Add an account; return its id."""
    claims = {"name": "Banc Essai", "given_name": "Banc", "family_name": "Essai"}
    account = directory.add_account(
        nir=nir_of(number), password=PASSWORD, email=f"bench{number}@example.fr", claims=claims
    )
    db.session.commit()
    return str(account.id)


def add_client() -> str:
    """Register a public client whose tokens are ES256; return its id."""
    asked = {
        "name": "Bench",
        "kind": "single-page",
        "redirect_uris": [CALLBACK],
        "scope": "openid profile email offline_access",
        "id_token_alg": "ES256",
    }
    client, _ = registration.add_client(registration.metadata_from_form(asked), now=clock.now())
    db.session.commit()
    return client.client_id


def sign_in(account_id: str) -> str:
    """Return the cookie header of a signed-in browser."""
    proofs = (Proof("pwd", clock.now()), Proof("email", clock.now()))
    cookie, _ = session.sign_in_session(
        None, account_id=account_id, proofs=proofs, acr=ACR, amr=("pwd", "otp"), device_label="", now=clock.now()
    )
    db.session.commit()
    return f"Cookie: sid={cookie}\r\n"


def make_grant(account_id: str, client_id: str) -> Grant:
    """Return a grant as a sign-in would have made it."""
    return Grant(entropy.identifier(), client_id, account_id, "s" * 22, SCOPES, clock.now(), ACR, ("pwd", "otp"))


def authorization(client_id: str) -> dict[str, str]:
    """Return the parameters of an authorization request."""
    return {
        "client_id": client_id,
        "redirect_uri": CALLBACK,
        "response_type": "code",
        "scope": " ".join(SCOPES),
        "state": "s",
        "nonce": "n",
        "code_challenge": create_s256_code_challenge(VERIFIER),
        "code_challenge_method": "S256",
    }


def exchanges(app: Flask, account_id: str, client_id: str, port: int) -> list[bytes]:
    """Return requests that each redeem a code of their own."""
    requests = []
    with app.app_context():
        challenge = create_s256_code_challenge(VERIFIER)
        for _ in range(int(SECONDS * 400)):
            grant = make_grant(account_id, client_id)
            code = issue_code(AuthorizationCode(grant, CALLBACK, "n", challenge, clock.now()))
            body = {"grant_type": "authorization_code", "client_id": client_id, "code": code}
            body |= {"redirect_uri": CALLBACK, "code_verifier": VERIFIER}
            requests.append(post("/token", port, urlencode(body)))
    return requests


def families(app: Flask, account_id: str, client_id: str) -> list[str]:
    """Return four refresh tokens, each of its own family."""
    with app.app_context():
        tokens = [issue_family(make_grant(account_id, client_id), clock.now()) for _ in range(4)]
        db.session.commit()
    return tokens


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
