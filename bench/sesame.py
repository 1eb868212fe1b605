"""Sésame as a target: started as an operator would, with one client, one person, one browser that is signed in."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from bench.flows import Target
from bench.machine import free_port
from bench.postbox import NO_MAILBOX, Mailbox
from bench.programs import Program, Running, started
from idp import clock, create_app, entropy, session
from idp.accounts import directory
from idp.accounts.models import Account
from idp.db import db
from idp.oidc import keys, registration
from idp.session import Proof
from idp.settings import load_settings

ROOT = Path(__file__).parent.parent
PASSWORD, CALLBACK = "bench-motdepasse-1", "http://localhost:9/callback"
ACR = "urn:sesame:acr:2sv"
PATHS = {
    "discovery": "/.well-known/openid-configuration",
    "jwks": "/jwks.json",
    "authorize": "/authorize",
    "token": "/token",
    "userinfo": "/userinfo",
    "introspect": "/introspect",
}


@contextmanager
def sesame(
    folder: Path, *, database_url: str, redis_url: str, threads: int = 1, mailbox: Mailbox = NO_MAILBOX, people: int = 1
) -> Iterator[tuple[Running, Flask]]:
    """Start it on these stores; ``redis_url`` empty keeps state in SQL."""
    port = free_port()
    environ = _environ(folder, port, database_url, redis_url) | {"IDP_SMTP_URL": f"smtp://127.0.0.1:{mailbox.smtp}"}
    app = create_app(load_settings(environ))
    with app.app_context():
        db.create_all()
        keys.ensure_signing_keys()
        target = replace(_target(port), postbox=mailbox.questions)
        add_people(range(1, people))
    idp = (sys.executable, "-m", "idp.commands")
    serve = (*idp, "serve", "--port", str(port), "--threads", str(threads), "--drain", "0")
    program = Program(serve, ROOT, environ, f"http://localhost:{port}/jwks.json")
    try:
        with started(program) as (pid, _took):
            yield Running(target, pid, program, Program((*idp, "worker"), ROOT, environ)), app
    finally:
        with app.app_context():
            db.engine.dispose()


def _environ(folder: Path, port: int, database_url: str, redis_url: str) -> dict[str, str]:
    # What is installed is compiled, by pip: a start that compiles tens of thousands of lines anew is nobody's start.
    dropped = ("IDP_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    secrets = {f"IDP_SECRETS__{name}": entropy.token() for name in ("PEPPER", "INDEX", "SUBJECT", "CODE", "TOKEN")}
    return kept | secrets | {
        "IDP_ISSUER": f"http://localhost:{port}",
        "IDP_DATABASE_URL": database_url,
        "IDP_REDIS_URL": redis_url,
        "IDP_STATE_FILE": f"{folder}/state.db",
        "IDP_SECRETS__FIELD_KEYS__K1": entropy.token(),
        "IDP_SECRETS__FIELD_KEY_ID": "k1",
        "IDP_OUTBOX__EMBEDDED_WORKER": "false",
        "IDP_THROTTLE__ADDRESS_FAILURES": "1000000",
        # As the others: no line of log for a request that went well.
        "IDP_LOG_LEVEL": os.environ.get("BENCH_LOG_LEVEL", "warning"),
    }  # fmt: skip


def _target(port: int) -> Target:
    account_id = add_person(0)
    asked = {
        "name": "Bench",
        "kind": "website",
        "redirect_uris": [CALLBACK],
        "scope": "openid profile email offline_access",
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "machine_scope": "api",
        "id_token_alg": "ES256",
    }
    client, secret = registration.add_client(registration.metadata_from_form(asked), now=clock.now())
    db.session.commit()
    return Target(
        "Sésame", port, PATHS, client.client_id, str(secret), CALLBACK, sign_in(account_id), login="19913{:08d}",
        forms=({"nir": "{person}", "password": PASSWORD}, {"channel": "email"}, {"code": "{code}"}),
    )  # fmt: skip


def add_person(number: int) -> str:
    """Add an account; return its id."""
    claims = {"name": "Banc Essai", "given_name": "Banc", "family_name": "Essai"}
    account = directory.add_account(
        nir=nir_of(number), password=PASSWORD, email=f"bench{number}@example.fr", claims=claims
    )
    db.session.commit()
    return str(account.id)


def add_people(numbers: Iterable[int]) -> None:
    """Add accounts with the password of the first one, which is hashed once."""
    hashed = db.session.scalars(select(Account.password_hash)).first()
    for number in numbers:
        account = directory.add_account(nir=nir_of(number), password=None, email=f"bench{number}@example.fr")
        account.password_hash, account.password_changed_at = hashed, account.created_at
    db.session.commit()


def nir_of(number: int) -> str:
    """Return a NIR that belongs to nobody (month 13)."""
    return f"19913{number:08d}"


def sign_in(account_id: str) -> str:
    """Return the cookie of a signed-in browser."""
    proofs = (Proof("pwd", clock.now()), Proof("email", clock.now()))
    cookie, _ = session.sign_in_session(
        None, account_id=account_id, proofs=proofs, acr=ACR, amr=("pwd", "otp"), device_label="", now=clock.now()
    )
    db.session.commit()
    return f"sid={cookie}"
