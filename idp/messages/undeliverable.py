"""Which e-mail addresses turned out not to receive: each by account and by a short keyed name, never in clear.

A row speaks of one address: when the person changes it, the new one has another name and the row fits no more. It
goes when a code that was mailed there is typed: whatever bounced before, the address works.
"""

from datetime import datetime

from sqlalchemy import String, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto, metrics
from idp.db import Base, Moment, db
from idp.messages import events

TAG_LENGTH = 8


class Undeliverable(Base):
    """An address of an account that refused a message for good."""

    __tablename__ = "undeliverable"

    account_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    address_index: Mapped[str] = mapped_column(String(32), primary_key=True)
    reason: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime] = mapped_column(Moment)


def tag_of(address: str) -> str:
    """Return the keyed name of an address: the beginning of the index under which its account keeps it."""
    return crypto.blind_index(address.casefold(), column="email")[:TAG_LENGTH]


def mark_undeliverable(account_id: str, tag: str, reason: str, now: datetime) -> None:
    """Remember that an address does not receive; the caller commits."""
    insert = sqlite.insert if db.session.get_bind().dialect.name == "sqlite" else postgresql.insert
    row = {"account_id": account_id, "address_index": tag, "reason": reason, "at": now}
    db.session.execute(insert(Undeliverable).values(row).on_conflict_do_nothing())
    metrics.MAIL_BOUNCES.labels(reason).inc()
    events.mail_bounced(reason, account_id=account_id)


def is_undeliverable(account_id: str, email: str | None) -> bool:
    """Tell whether the address that the account has now refused a message."""
    if email is None:
        return False
    wanted = select(Undeliverable.at).where(
        Undeliverable.account_id == account_id, Undeliverable.address_index == tag_of(email)
    )
    return db.session.execute(wanted).first() is not None


def forget_undeliverable(account_id: str) -> None:
    """An address of the account has just received; the caller commits."""
    db.session.execute(delete(Undeliverable).where(Undeliverable.account_id == account_id))
