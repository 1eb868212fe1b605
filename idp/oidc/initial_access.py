"""Initial access tokens: who may register clients, how many, until when, and what kind of clients (RFC 7591 §1.2)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto, entropy
from idp.db import Base, Moment, db
from idp.oidc import client_events

APPLICATION_TYPES = ("web", "native")


@dataclass(frozen=True)
class Limits:
    """What clients may be that are registered with one token; for as long as they live."""

    scopes: tuple[str, ...] = ("openid", "profile", "email")
    application_types: tuple[str, ...] = ("web",)
    subject_types: tuple[str, ...] = ("pairwise",)
    security_profile: str | None = None
    # Domains of their own, with all below them; empty: any.
    hosts: tuple[str, ...] = ()

    def allows_host(self, host: str) -> bool:
        """Tell whether addresses at ``host`` may be registered."""
        return not self.hosts or any(host == own or host.endswith(f".{own}") for own in self.hosts)


class InitialAccessToken(Base):
    """A token as the database keeps it: its SHA-256, how often it may still be used, and the limits it sets."""

    __tablename__ = "initial_access_tokens"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    note: Mapped[str] = mapped_column(String(200))
    uses: Mapped[int]
    uses_left: Mapped[int]
    limits: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment, default=None)

    @property
    def allowed(self) -> Limits:
        """The limits that it sets."""
        kept: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in self.limits.items()}
        return Limits(**kept)


def issue_initial_token(
    limits: Limits, *, uses: int, expires_at: datetime, note: str, now: datetime
) -> tuple[InitialAccessToken, str]:
    """Return a new token and its value, which is shown this once; the caller commits."""
    value = entropy.token()
    kept = InitialAccessToken(
        id=entropy.identifier(),
        fingerprint=crypto.fingerprint(value),
        note=note,
        uses=uses,
        uses_left=uses,
        limits={name: list(one) if isinstance(one, tuple) else one for name, one in vars(limits).items()},
        created_at=now,
        expires_at=expires_at,
    )
    db.session.add(kept)
    client_events.initial_token_issued(token_id=kept.id, uses=uses, expires_at=expires_at)
    return kept, value


def find_initial_token(value: str, now: datetime) -> InitialAccessToken | None:
    """Return the token if it may be used now."""
    query = select(InitialAccessToken).where(
        InitialAccessToken.fingerprint == crypto.fingerprint(value),
        InitialAccessToken.uses_left > 0,
        InitialAccessToken.revoked_at.is_(None),
        InitialAccessToken.expires_at > now,
    )
    return db.session.scalars(query).one_or_none()


def spend_initial_token(token_id: str, now: datetime) -> bool:
    """Use the token up by one, in the caller's transaction; of many rivals for the last use, one gets it."""
    spent = db.session.execute(
        update(InitialAccessToken)
        .where(
            InitialAccessToken.id == token_id,
            InitialAccessToken.uses_left > 0,
            InitialAccessToken.revoked_at.is_(None),
            InitialAccessToken.expires_at > now,
        )
        .values(uses_left=InitialAccessToken.uses_left - 1)
        .returning(InitialAccessToken.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    return spent is not None


def revoke_initial_token(token_id: str, now: datetime) -> bool:
    """End a token; the clients that it registered stay. The caller commits."""
    ended = db.session.execute(
        update(InitialAccessToken)
        .where(InitialAccessToken.id == token_id, InitialAccessToken.revoked_at.is_(None))
        .values(revoked_at=now)
        .returning(InitialAccessToken.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if ended is not None:
        client_events.initial_token_revoked(token_id=token_id)
    return ended is not None


def list_initial_tokens() -> list[InitialAccessToken]:
    """Return every token, the newest first."""
    return list(db.session.scalars(select(InitialAccessToken).order_by(InitialAccessToken.created_at.desc())))


def describe_initial_token(token: InitialAccessToken) -> dict[str, Any]:
    """Return what the command line shows; never the value or its hash."""
    return {
        "id": token.id,
        "note": token.note,
        "uses": token.uses,
        "uses_left": token.uses_left,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        **token.limits,
    }
