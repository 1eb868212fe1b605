"""Tokens of the REST interface: a person's or a service's, with scope, end and addresses; kept as a hash only.

A token never allows more than its owner may do now, and ends with them.
"""

from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any, Final, Literal

from pydantic import Field
from sqlalchemy import JSON, ForeignKey, String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp import audit, crypto, entropy
from idp.addresses import read_networks
from idp.admin.actors import Actor
from idp.admin.administrators import find_administrator
from idp.admin.faults import Invalid, NotFound
from idp.admin.roles import NEEDS_NETWORK, NEEDS_PROOF, PERMISSIONS
from idp.admin.schema import Line, Strict
from idp.db import Base, Moment, db
from idp.settings import settings

PREFIX: Final = "sesame_admin_"
# Writing the last use down at every request would make every read a write.
_NOTE_AFTER = timedelta(minutes=5)


class AdminToken(Base):
    """One token, as its SHA-256: 256 random bits need no slow hash."""

    __tablename__ = "admin_tokens"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64), unique=True)
    # Who answers for it; a service's token has an owner too.
    owner: Mapped[str] = mapped_column(ForeignKey("administrators.name", ondelete="CASCADE"), index=True)
    label: Mapped[str] = mapped_column(String(60))
    is_service: Mapped[bool]
    scopes: Mapped[list[str]] = mapped_column(JSON)
    networks: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment, default=None)


class TokenAsked(Strict):
    """A token to be made."""

    label: Line = Field(min_length=1, max_length=60, description="what it is for")
    scopes: list[Literal[tuple(PERMISSIONS)]] = Field(  # type: ignore[valid-type]
        min_length=1, max_length=len(PERMISSIONS), description="permissions, of those that one has"
    )
    networks: list[Line] = Field(default=[], max_length=20, description="from where it may be used; empty: anywhere")
    days: int = Field(default=30, ge=1, le=90, description="when it ends")
    service: bool = Field(default=False, description="for a program, not for oneself")


def issue_token(actor: Actor, asked: TokenAsked, now: datetime) -> tuple[AdminToken, str]:
    """Return a new token of the actor and its value, which is shown this once. The caller commits."""
    actor.require("tokens.write")
    if NEEDS_PROOF & set(asked.scopes):
        actor.require_proof(now)
    faults = [("scopes", f"{one}: not yours to give") for one in asked.scopes if not actor.may(one)]
    faults += _network_faults(asked)
    if timedelta(days=asked.days) > settings.admin.longest_token:
        faults.append(("days", f"at most {settings.admin.longest_token.days}"))
    if find_administrator(actor.name) is None:
        faults.append(("owner", "only an administrator owns tokens"))
    if faults:
        raise Invalid("the token cannot be made", tuple(faults))
    value = PREFIX + entropy.token()
    token = AdminToken(
        id=entropy.identifier(), fingerprint=crypto.fingerprint(value), owner=actor.name, label=asked.label,
        is_service=asked.service, scopes=sorted(set(asked.scopes)), networks=list(asked.networks), created_at=now,
        expires_at=now + timedelta(days=asked.days),
    )  # fmt: skip
    db.session.add(token)
    db.session.flush()
    audit.record("admin-token-issued", administrator=actor.name, token_id=token.id, scopes=" ".join(token.scopes))
    return token, value


def find_actor(value: str, address: str, now: datetime) -> Actor | None:
    """Return who comes with a token, or ``None``: unknown, over, revoked, from elsewhere, its owner gone."""
    if not value.startswith(PREFIX) or len(value) > 100:
        return None
    query = select(AdminToken).where(AdminToken.fingerprint == crypto.fingerprint(value))
    token = db.session.scalars(query).one_or_none()
    if token is None or token.revoked_at is not None or now >= token.expires_at or not _fits(token, address):
        return None
    owner = find_administrator(token.owner)
    if owner is None or owner.disabled_at is not None:
        return None
    _note_use(token, now)
    return Actor(owner.name, owner.permissions & frozenset(token.scopes), "api", token=token.label)


def list_tokens(owner: str | None = None) -> list[AdminToken]:
    """Return the tokens of one owner, or of all, the newest first."""
    query = select(AdminToken).order_by(AdminToken.created_at.desc(), AdminToken.id)
    return list(db.session.scalars(query if owner is None else query.where(AdminToken.owner == owner)))


def revoke_token(actor: Actor, token_id: str, now: datetime) -> AdminToken:
    """End a token of one's own, or anybody's for whoever changes administrators. The caller commits."""
    token = db.session.get(AdminToken, token_id) if len(token_id) <= 22 else None
    if token is None or (token.owner != actor.name and not actor.may("administrators.write")):
        # The same for another's token as for none.
        raise NotFound("no such token of yours")
    if token.revoked_at is None:
        token.revoked_at = now
        audit.record("admin-token-revoked", administrator=actor.name, token_id=token.id)
    return token


def describe_token(token: AdminToken) -> dict[str, Any]:
    """Return what is shown of a token; never its value or its hash."""
    return {
        "id": token.id,
        "label": token.label,
        "owner": token.owner,
        "service": token.is_service,
        "scopes": token.scopes,
        "networks": token.networks,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    }


def _network_faults(asked: TokenAsked) -> list[tuple[str, str]]:
    try:
        read_networks(asked.networks)
    except ValueError:
        return [("networks", "must be networks such as 192.0.2.0/24")]
    needing = sorted(set(asked.scopes) & NEEDS_NETWORK)
    if needing and not asked.networks:
        return [("networks", f"needed with {', '.join(needing)}")]
    return []


def _fits(token: AdminToken, address: str) -> bool:
    if not token.networks:
        return True
    try:
        here = ip_address(address.split("%")[0])
    except ValueError:
        return False
    return any(here in network for network in read_networks(token.networks))


def _note_use(token: AdminToken, now: datetime) -> None:
    if token.last_used_at is not None and now - token.last_used_at < _NOTE_AFTER:
        return
    db.session.execute(
        update(AdminToken)
        .where(AdminToken.id == token.id)
        .values(last_used_at=now)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
