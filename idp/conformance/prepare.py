"""Registers the suite's clients and writes its configuration files; every run makes all of it anew."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import delete

from idp.conformance.account import ensure_account
from idp.conformance.browser import browser_steps
from idp.conformance.keys import make_certificate, make_signing_key
from idp.conformance.plans import Configuration, Role, configurations
from idp.db import db
from idp.oidc import initial_access, registration
from idp.oidc.claims import SCOPES
from idp.oidc.clients import ClientRow, ClientSecret, forget_cached_clients
from idp.settings import settings

# The suite calls the certificates of `client` and `client2` so.
_CERTIFICATE_BLOCKS = {"client": "mtls", "client2": "mtls2"}


@dataclass(frozen=True)
class Prepared:
    """What became of one configuration: its file, or why this provider cannot be tested so."""

    name: str
    plans: tuple[tuple[str, dict[str, str]], ...]
    file: Path | None = None
    faults: tuple[str, ...] = ()


def prepare(suite: str, alias: str, folder: Path, *, now: datetime) -> list[Prepared]:
    """Make account, clients and files for the suite at ``suite``; the caller commits."""
    ensure_account()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    prepared = list(_prepared(f"{suite}/test/a/{alias}", alias, folder, now))
    index = [
        {"configuration": one.file.name, "plan": plan, "variant": variant}
        for one in prepared
        if one.file is not None
        for plan, variant in one.plans
    ]
    _write_private(folder / "plans.json", index)
    return prepared


def _prepared(base: str, alias: str, folder: Path, now: datetime) -> Iterator[Prepared]:
    issuer, mtls_issuer = settings.issuer, settings.mtls.issuer or settings.issuer
    fixed = settings.conformance
    steps = browser_steps(issuer=issuer, base=base, nir=fixed.account, code=fixed.fixed_code)
    for configuration in configurations(base, issuer=issuer, mtls_issuer=mtls_issuer):
        document: dict[str, Any] = {
            "alias": alias,
            "description": f"{configuration.name} at {issuer}",
            "server": {"discoveryUrl": f"{issuer}/.well-known/openid-configuration"},
            **configuration.more,
        }
        path = folder / f"{configuration.name}.json"
        # What an earlier run made goes first, whether or not something can take its place.
        path.unlink(missing_ok=True)
        _remove_clients([str(role.asked["client_id"]) for role in configuration.roles])
        try:
            with db.session.begin_nested():
                document |= _clients(configuration, now)
        except registration.MetadataFault as fault:
            yield Prepared(configuration.name, configuration.plans, faults=tuple(fault.faults))
            continue
        _write_private(path, {**document, **steps})
        yield Prepared(configuration.name, configuration.plans, path)


def _clients(configuration: Configuration, now: datetime) -> dict[str, Any]:
    blocks: dict[str, Any] = {}
    for role in configuration.roles:
        blocks |= _register(role, now)
    if configuration.registers_itself:
        if not settings.registration.enabled:
            raise registration.MetadataFault(["registration.enabled: off"])
        _, token = initial_access.issue_initial_token(
            initial_access.Limits(scopes=tuple(SCOPES), subject_types=("public", "pairwise")),
            uses=10_000, expires_at=now + timedelta(days=30), note="conformance suite", now=now,
        )  # fmt: skip
        name = "Conformance suite (dynamic)"
        blocks["client"] = {"client_name": name, "initial_access_token": token}
        blocks["client2"] = {"client_name": f"{name} 2", "initial_access_token": token}
    return blocks


def _remove_clients(client_ids: list[str]) -> None:
    db.session.execute(delete(ClientSecret).where(ClientSecret.client_id.in_(client_ids)))
    db.session.execute(delete(ClientRow).where(ClientRow.client_id.in_(client_ids)))
    forget_cached_clients()


def _register(role: Role, now: datetime) -> dict[str, Any]:
    """Register one client; return the suite's blocks about it."""
    asked, client_id = dict(role.asked), str(role.asked["client_id"])
    block: dict[str, Any] = {"client_id": client_id, "scope": asked["scope"]}
    found: dict[str, Any] = {role.block: block}
    public: list[dict[str, Any]] = []
    if role.signs is not None:
        keys = make_signing_key(client_id, role.signs)
        block["jwks"] = keys.private
        public += keys.public["keys"]
    if role.has_certificate:
        certificate = make_certificate(client_id, now)
        found[_CERTIFICATE_BLOCKS[role.block]] = {"cert": certificate.pem, "key": certificate.key_pem}
        public.append(certificate.public)
    if public:
        asked["jwks"] = {"keys": public}
    if asked.get("dpop_bound_access_tokens"):
        block["dpop_signing_alg"] = "ES256"
    _, secret = registration.add_client(registration.metadata_from_form(asked), now=now)
    if secret is not None:
        block["client_secret"] = secret
    return found


def _write_private(path: Path, document: Any) -> None:
    # Created as 0600: it holds the clients' secrets and private keys.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=2, ensure_ascii=False)
        file.write("\n")
