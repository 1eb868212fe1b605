"""Who may administer: people of the organisation, apart from account holders, with passwords of their own."""

from datetime import datetime

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, mapped_column

from idp import audit, entropy
from idp.accounts.passwords import hash_password
from idp.db import Base, Moment, db


class Administrator(Base):
    """An administrator; what they may do is not here."""

    __tablename__ = "administrators"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    password_hash: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(Moment)


def add_administrator(name: str, now: datetime) -> str | None:
    """Add an administrator and return a random password, told this once; ``None`` if there is one of this name.

    The caller commits.
    """
    if db.session.scalar(select(Administrator.name).where(Administrator.name == name)) is not None:
        return None
    # Hashing takes a while: hold no lock meanwhile.
    db.session.rollback()
    password = entropy.identifier()
    db.session.add(Administrator(name=name, password_hash=hash_password(password), created_at=now))
    audit.record("administrator-added")
    return password
