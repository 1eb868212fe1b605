"""Refresh tokens: a family per grant, one living token in it, a short grace for a lost reply, death by reuse (R13).

A token is ``family.n.mac``: nothing to steal is stored. The family and its current ``n`` are durable.
"""

import base64
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, ColumnElement, String, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto
from idp.db import Base, Moment, db
from idp.oidc import events
from idp.oidc.authorization_details import Details, narrow_details
from idp.oidc.clients import Client
from idp.oidc.errors import InvalidGrant, InvalidScope
from idp.oidc.grant import Grant
from idp.oidc.possession import Confirmation
from idp.oidc.resources import narrow_resources
from idp.oidc.tokens import revoke_access_tokens
from idp.session import SessionRecord
from idp.settings import settings

# Moving the idle end at every use would make every use a write.
_TOUCH_AFTER = timedelta(hours=1)
_SHAPE = re.compile(r"([A-Za-z0-9_-]{22})\.(\d{1,9})\.([A-Za-z0-9_-]{43})")


class RefreshFamily(Base):
    """The refresh tokens of one grant; its id is the grant's."""

    __tablename__ = "refresh_families"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    client_id: Mapped[str] = mapped_column(String(80), index=True)
    account_id: Mapped[str] = mapped_column(String(36), index=True)
    sid: Mapped[str] = mapped_column(String(22), index=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    userinfo_claims: Mapped[list[str]] = mapped_column(JSON)
    id_token_claims: Mapped[list[str]] = mapped_column(JSON)
    resources: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    authorization_details: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list, server_default="[]")
    # What a public client's tokens are bound to (RFC 9449 §5, RFC 8705 §4); others prove themselves anyway.
    jkt: Mapped[str | None] = mapped_column(String(43), default=None)
    x5t: Mapped[str | None] = mapped_column(String(43), default=None)
    auth_time: Mapped[datetime] = mapped_column(Moment)
    acr: Mapped[str] = mapped_column(String(80))
    amr: Mapped[list[str]] = mapped_column(JSON)
    n: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(Moment)
    rotated_at: Mapped[datetime] = mapped_column(Moment)
    ends_at: Mapped[datetime] = mapped_column(Moment, index=True)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    revoked_for: Mapped[str | None] = mapped_column(String(30), default=None)

    @property
    def grant(self) -> Grant:
        """Return the grant that the family belongs to."""
        return grant_of(self)

    def is_held_by(self, bound_to: Confirmation) -> bool:
        """Tell whether a request holds the keys that the family is bound to, if any."""
        return self.jkt in {None, bound_to.jkt} and self.x5t in {None, bound_to.x5t}


def grant_of(row: Any) -> Grant:
    """Return the grant of a family's row."""
    return Grant(
        id=row.id,
        client_id=row.client_id,
        account_id=row.account_id,
        sid=row.sid,
        scopes=tuple(row.scopes),
        auth_time=row.auth_time,
        acr=row.acr,
        amr=tuple(row.amr),
        userinfo_claims=tuple(row.userinfo_claims),
        id_token_claims=tuple(row.id_token_claims),
        resources=tuple(row.resources),
        authorization_details=tuple(row.authorization_details),
    )


@dataclass(frozen=True, slots=True)
class Rotated:
    """A refresh token that was good, and its successor."""

    grant: Grant
    scopes: tuple[str, ...]
    successor: str


def new_family(grant: Grant, now: datetime, *, bound_to: Confirmation | None = None) -> dict[str, Any]:
    """Return the row of a new family, bound to what a public client holds."""
    return {
        "id": grant.id, "client_id": grant.client_id, "account_id": grant.holder, "sid": grant.sid,
        "scopes": list(grant.scopes), "userinfo_claims": list(grant.userinfo_claims),
        "id_token_claims": list(grant.id_token_claims), "auth_time": grant.auth_time, "acr": grant.acr,
        "amr": list(grant.amr), "resources": list(grant.resources),
        "authorization_details": list(grant.authorization_details), "jkt": bound_to.jkt if bound_to else None,
        "x5t": bound_to.x5t if bound_to else None, "n": 1, "created_at": now, "rotated_at": now,
        "ends_at": now + settings.lifetimes.refresh_absolute,
    }  # fmt: skip


def issue_family(grant: Grant, now: datetime, *, bound_to: Confirmation | None = None) -> str:
    """Begin a family and return its first token; the caller commits."""
    db.session.add(RefreshFamily(**new_family(grant, now, bound_to=bound_to)))
    return write_token(grant.id, 1)


def find_family(token: str, *, client_id: str) -> tuple[RefreshFamily, int] | None:
    """Return the family of a genuine token of this client, living or not, and the token's number.

    There is none any more when its session was ended, unless it may go on without the person (Back-Channel Logout
    §2.7). The session's own record says so, in the same query: nothing that ends a session can forget its families.
    """
    parsed = parse_token(token)
    if parsed is None:
        return None
    query = select(RefreshFamily, SessionRecord.ended_at).where(RefreshFamily.id == parsed[0])
    query = query.outerjoin(SessionRecord, SessionRecord.sid == RefreshFamily.sid)
    row = db.session.execute(query.execution_options(populate_existing=True)).one_or_none()
    if row is None or row[0].client_id != client_id:
        return None
    family: RefreshFamily = row[0]
    is_over = row[1] is not None and "offline_access" not in family.scopes
    return None if is_over else (family, parsed[1])


def rotate(
    token: str,
    *,
    client: Client,
    bound_to: Confirmation,
    scope: str | None,
    resources: tuple[str, ...] = (),
    details: Details = (),
    now: datetime,
) -> Rotated:
    """Exchange a refresh token for its successor, or raise `InvalidGrant` or what says that too much is asked; commits.

    The token before the current one is answered with the same successor for a short grace: the reply to a phone may
    have been lost (RC-39). Any older one has leaked, and ends the family (RFC 9700 §4.14.2).
    """
    found = find_family(token, client_id=client.client_id)
    if found is None:
        raise InvalidGrant("refresh token unknown, of another client, or of a session that was ended")
    family, n = found
    if not family.is_held_by(bound_to):
        db.session.rollback()
        raise InvalidGrant("refresh token bound to another key")
    is_dead = family.revoked_at or now >= family.ends_at or now >= family.rotated_at + settings.lifetimes.refresh_idle
    if is_dead:
        db.session.rollback()
        raise InvalidGrant(f"family ended: {family.revoked_for or 'time'}")
    # Asked before the token is used up: a request for too much costs the client nothing.
    scopes = _narrow(tuple(family.scopes), scope)
    narrow_resources(tuple(family.resources), resources)
    narrow_details(tuple(family.authorization_details), details)
    if client.profile.keeps_refresh_tokens and n == family.n:
        return _keep(family, scopes, token, now)
    if n == family.n and _move(family.id, n, now):
        return Rotated(family.grant, scopes, write_token(family.id, n + 1))
    # Not the current one, or a rival was faster: look at the family as it is now.
    db.session.refresh(family)
    in_grace = n == family.n - 1 and now <= family.rotated_at + settings.lifetimes.refresh_grace
    grant, successor, alive = family.grant, write_token(family.id, family.n), family.revoked_at is None
    db.session.rollback()
    if in_grace and alive:
        return Rotated(grant, scopes, successor)
    revoke_grant(grant.id, now, reason="refresh-reuse")
    events.refresh_token_reused(account_id=grant.account_id, client_id=client.client_id)
    raise InvalidGrant("refresh token reused")


def _keep(family: RefreshFamily, scopes: tuple[str, ...], token: str, now: datetime) -> Rotated:
    """FAPI 2.0 §5.3.2.1-9: "shall not use refresh token rotation"; such a token is bound to its client's keys."""
    if now - family.rotated_at >= _TOUCH_AFTER:
        family.rotated_at = now
    grant = family.grant
    db.session.commit()
    return Rotated(grant, scopes, token)


def revoke_grant(grant_id: str, now: datetime, *, reason: str) -> None:
    """End everything that was issued for a grant: its access tokens and its family; commits."""
    revoke_access_tokens(grant_id, now)
    _revoke(RefreshFamily.id == grant_id, now, reason)
    db.session.commit()


def revoke_families_of(account_id: str, now: datetime, *, reason: str) -> int:
    """End every grant of a person, as after a change of password; commits."""
    return _revoke_with_tokens(RefreshFamily.account_id == account_id, now, reason)


def revoke_families_of_session(sid: str, now: datetime) -> int:
    """End the grants of a browser session that signs out, but for clients that may act offline; commits."""
    families = db.session.scalars(
        select(RefreshFamily).where(RefreshFamily.sid == sid, RefreshFamily.revoked_at.is_(None))
    )
    ids = [family.id for family in families if "offline_access" not in family.scopes]
    return _revoke_with_tokens(RefreshFamily.id.in_(ids), now, "signed-out") if ids else 0


def revoke_families_of_service(account_id: str, client_id: str, now: datetime) -> int:
    """End every grant of a person at one client, as after a withdrawn consent; commits."""
    condition = (RefreshFamily.account_id == account_id) & (RefreshFamily.client_id == client_id)
    return _revoke_with_tokens(condition, now, "disconnected")


def living_families_of(account_id: str, now: datetime) -> list[RefreshFamily]:
    """Return a person's families whose tokens are still good, the latest used first."""
    query = select(RefreshFamily).outerjoin(SessionRecord, SessionRecord.sid == RefreshFamily.sid)
    query = query.where(
        RefreshFamily.account_id == account_id,
        RefreshFamily.revoked_at.is_(None),
        RefreshFamily.ends_at > now,
        RefreshFamily.rotated_at > now - settings.lifetimes.refresh_idle,
    )
    # JSON columns are not asked about in SQL: the two databases do not agree on how.
    rows = db.session.execute(query.add_columns(SessionRecord.ended_at).order_by(RefreshFamily.rotated_at.desc()))
    return [family for family, ended_at in rows if ended_at is None or "offline_access" in family.scopes]


def revoke_families_of_client(client_id: str, now: datetime) -> int:
    """End every grant of a client that is no more; commits."""
    return _revoke_with_tokens(RefreshFamily.client_id == client_id, now, "client-deleted")


def _narrow(granted: tuple[str, ...], scope: str | None) -> tuple[str, ...]:
    """Return the scopes of a refresh: those granted, or fewer (RFC 6749 §6)."""
    if scope is None:
        return granted
    asked = set(scope.split())
    if not asked <= set(granted):
        raise InvalidScope("More scope was asked for than was granted.")
    return tuple(one for one in granted if one in asked)


def _move(family_id: str, n: int, now: datetime) -> bool:
    """Take the family one token on: of many rivals, one does."""
    moved = db.session.execute(
        update(RefreshFamily)
        .where(RefreshFamily.id == family_id, RefreshFamily.n == n, RefreshFamily.revoked_at.is_(None))
        .values(n=n + 1, rotated_at=now)
        .returning(RefreshFamily.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    db.session.commit()
    return moved is not None


def _revoke(condition: ColumnElement[bool], now: datetime, reason: str) -> list[str]:
    ended = db.session.scalars(
        update(RefreshFamily)
        .where(condition, RefreshFamily.revoked_at.is_(None))
        .values(revoked_at=now, revoked_for=reason)
        .returning(RefreshFamily.id)
        .execution_options(synchronize_session=False)
    )
    return list(ended)


def _revoke_with_tokens(condition: ColumnElement[bool], now: datetime, reason: str) -> int:
    ended = _revoke(condition, now, reason)
    db.session.commit()
    for grant_id in ended:
        revoke_access_tokens(grant_id, now)
    return len(ended)


def parse_token(token: str) -> tuple[str, int] | None:
    """Return family and number of a token that we wrote, or ``None``."""
    found = _SHAPE.fullmatch(token)
    if found is None or not crypto.same(write_token(found[1], int(found[2])), token):
        return None
    return found[1], int(found[2])


def write_token(family_id: str, n: int) -> str:
    """Return the token of a family that has this number."""
    mac = base64.urlsafe_b64encode(crypto.keyed("refresh", family_id, str(n))).decode().rstrip("=")
    return f"{family_id}.{n}.{mac}"
