"""Who may administer: people of the organisation, apart from account holders, who sign in with a passkey.

Each has an account of the provider that no NIR leads to: the passkey is its only way in. A password exists until the
first passkey is enrolled with it, opens nothing else, and is gone then (`enrolment.py`).
"""

import re
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column

from idp import audit, entropy
from idp.accounts.directory import add_staff_account
from idp.accounts.passwords import hash_password
from idp.admin.roles import permissions_of
from idp.db import Base, Moment, db
from idp.mfa.passkeys import count_passkeys
from idp.settings import settings

NAME = re.compile(r"[a-z][a-z0-9.-]{0,38}[a-z0-9]")


class Administrator(Base):
    """An administrator; what their roles allow stands in `roles.py`."""

    __tablename__ = "administrators"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    password_until: Mapped[datetime | None] = mapped_column(Moment, default=None)
    account_id: Mapped[str | None] = mapped_column(ForeignKey("accounts.id"), unique=True, default=None)
    roles: Mapped[list[str]] = mapped_column(JSON, default=list)
    created_at: Mapped[datetime] = mapped_column(Moment)
    disabled_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    version: Mapped[int] = mapped_column(default=1)

    @property
    def permissions(self) -> frozenset[str]:
        """What they may do now."""
        return permissions_of(self.roles) if self.disabled_at is None else frozenset()


def add_administrator(
    name: str, now: datetime, roles: tuple[str, ...], *, keep_transaction: bool = False
) -> str | None:
    """Add an administrator and return a random password, told this once; ``None`` if there is one of this name.

    The caller commits.
    """
    if find_administrator(name) is not None:
        return None
    # Hashing takes a while: hold no lock meanwhile, unless there is something in the transaction to be kept.
    if not keep_transaction:
        db.session.rollback()
    password = entropy.identifier()
    hashed = hash_password(password)
    account = add_staff_account(now=now)
    db.session.add(
        Administrator(
            name=name,
            password_hash=hashed,
            password_until=now + settings.admin.enrolment,
            account_id=account.id,
            roles=sorted(roles),
            created_at=now,
        )
    )
    db.session.flush()
    audit.record("administrator-added", administrator=name, roles=" ".join(sorted(roles)))
    return password


def find_administrator(name: str) -> Administrator | None:
    """Return the administrator of a name."""
    return db.session.get(Administrator, name, populate_existing=True)


def find_administrator_of(account_id: str) -> Administrator | None:
    """Return whose account this is."""
    query = select(Administrator).where(Administrator.account_id == account_id)
    return db.session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def list_administrators() -> list[Administrator]:
    """Return every administrator, by name."""
    return list(db.session.scalars(select(Administrator).order_by(Administrator.name)))


def describe_administrator(one: Administrator) -> dict[str, Any]:
    """Return what other administrators see."""
    return {
        "name": one.name,
        "roles": sorted(one.roles),
        "passkeys": count_passkeys(one.account_id) if one.account_id else 0,
        "created_at": one.created_at,
        "disabled_at": one.disabled_at,
        "enrolment_until": one.password_until if one.password_hash else None,
        "version": one.version,
    }
