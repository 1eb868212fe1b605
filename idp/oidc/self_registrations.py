"""Clients that registered themselves: by which initial access token, and the hash of the token that manages each.

The registration access token (RFC 7592) is not changed by an update: a lost answer would lock the client out of its own
registration for good. It ends with the client.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto, entropy
from idp.db import Base, Moment, db
from idp.oidc import client_events
from idp.oidc.clients import Client, ClientRow, ClientSecret, forget_cached_clients, read_client
from idp.oidc.initial_access import InitialAccessToken
from idp.oidc.logos import Logo, keep_logo
from idp.oidc.refresh import revoke_families_of_client
from idp.oidc.registration import SECRETLESS, add_client, keep_secret


class SelfRegistration(Base):
    """One client that registered itself."""

    __tablename__ = "self_registrations"

    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True)
    # Kept for as long as the client lives: its limits go on to hold.
    initial_token_id: Mapped[str] = mapped_column(ForeignKey("initial_access_tokens.id"), index=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Moment)


@dataclass(frozen=True)
class Registered:
    """A client, the metadata document that is kept of it, and the token that set its limits."""

    client: Client
    metadata: Mapping[str, Any]
    issued_at: datetime
    token: InitialAccessToken


def add_self_registered(
    metadata: Mapping[str, Any], logo: Logo | None, *, token_id: str, now: datetime
) -> tuple[str | None, str]:
    """Register a client; return its secret, if it has one, and its registration access token. The caller commits."""
    client, secret = add_client(metadata, now=now)
    value = entropy.token()
    fingerprint = crypto.fingerprint(value)
    db.session.add(
        SelfRegistration(client_id=client.client_id, initial_token_id=token_id, fingerprint=fingerprint, created_at=now)
    )
    keep_logo(client.client_id, logo, now)
    client_events.client_registered(client_id=client.client_id, token_id=token_id)
    return secret, value


def find_self_registered(client_id: str, value: str) -> Registered | None:
    """Return the client that the registration access token ``value`` manages, if it is this one and may be managed."""
    client = read_client(client_id)
    known = db.session.get(SelfRegistration, client_id, populate_existing=True) if client else None
    # Compared whoever asks: an unknown client takes as long as a wrong token.
    right = crypto.same(known.fingerprint if known else "", crypto.fingerprint(value))
    if client is None or known is None or not right or client.is_suspended:
        return None
    row = db.session.get_one(ClientRow, client_id)
    token = db.session.get_one(InitialAccessToken, known.initial_token_id)
    return Registered(client, dict(row.client_metadata), row.created_at, token)


def change_self_registered(
    before: Client, metadata: Mapping[str, Any], logo: Logo | None, *, now: datetime
) -> str | None:
    """Replace what is kept of a client; return a new secret if its method needs one. The caller commits."""
    row = db.session.get_one(ClientRow, before.client_id, populate_existing=True)
    row.client_metadata = {name: value for name, value in metadata.items() if name != "client_id"}
    row.updated_at, row.version = now, row.version + 1
    keep_logo(before.client_id, logo, now)
    secret = _fit_secret(before, str(metadata["token_endpoint_auth_method"]), now)
    client_events.client_updated(client_id=before.client_id, new_secret=secret is not None)
    forget_cached_clients()
    return secret


def _fit_secret(before: Client, method: str, now: datetime) -> str | None:
    """Give the client the secret that its new method needs, and take back those that it needs no more."""
    readable = method == "client_secret_jwt"
    had = before.token_endpoint_auth_method not in SECRETLESS
    if method not in SECRETLESS and had and (not readable or before.token_endpoint_auth_method == method):
        return None
    db.session.execute(delete(ClientSecret).where(ClientSecret.client_id == before.client_id))
    if method in SECRETLESS:
        return None
    secret = entropy.token()
    keep_secret(before.client_id, secret, now, readable=readable)
    return secret


def delete_self_registered(client_id: str, now: datetime) -> None:
    """Forget a client with its secrets, tokens and consents (RFC 7592 §2.3); commits."""
    db.session.execute(delete(ClientRow).where(ClientRow.client_id == client_id))
    client_events.client_deleted(client_id=client_id)
    revoke_families_of_client(client_id, now)
    forget_cached_clients()


def count_registered_with(token_id: str) -> int:
    """Return how many living clients a token registered."""
    return len(db.session.scalars(select(SelfRegistration.client_id).filter_by(initial_token_id=token_id)).all())
