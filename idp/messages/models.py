"""What waits to be sent: the outbox, one row per message, unreadable at rest and emptied once its fate is known."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Moment
from idp.leases import Leased

# "void" was written for nobody (`outbox.enqueue`): it was over before it began.
Status = Literal["queued", "sending", "accepted", "delivered", "refused", "expired", "void"]
FINISHED: tuple[Status, ...] = ("accepted", "delivered", "refused", "expired", "void")


@dataclass(frozen=True, slots=True)
class Message:
    """A text ready to be sent; an SMS has neither subject nor HTML."""

    subject: str
    text: str
    html: str = ""


class Outbox(Leased):
    """One message to one recipient."""

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_newest", "state", "channel", "id"),
        Index("ix_outbox_ending", "state", "deadline"),
        Index("ix_outbox_matter", "matter", "id"),
        Index("ix_outbox_relay_ref", "relay_ref"),
        Index("ix_outbox_account", "account_id", "id"),
    )

    # Asking twice for one message writes one row (RC-18). Also what the sealed columns are bound to.
    idempotency_key: Mapped[str] = mapped_column(String(160), unique=True)
    subject_ref: Mapped[str] = mapped_column(String(120), index=True)
    # The part of `subject_ref` before its colon: a newer message of one matter leaves older ones unsent.
    matter: Mapped[str] = mapped_column(String(120))
    channel: Mapped[str] = mapped_column(String(10))
    purpose: Mapped[str] = mapped_column(String(40))
    account_id: Mapped[str | None] = mapped_column(String(36))
    recipient: Mapped[bytes | None] = mapped_column(LargeBinary)
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment)
    deadline: Mapped[datetime] = mapped_column(Moment)
    relay: Mapped[str | None] = mapped_column(String(255))
    relay_ref: Mapped[str | None] = mapped_column(String(80))
