"""The outbox table: messages that wait, were taken, or are finished; readable only while they wait."""

from datetime import datetime

from sqlalchemy import Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Moment


class OutboxMessage(Base):
    """One message on its way; recipient and content are sealed, and wiped when it is finished."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_waiting", "state", "not_before"),)

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    channel: Mapped[str] = mapped_column(String(10))
    recipient_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    content_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    purpose: Mapped[str] = mapped_column(String(30))
    subject_ref: Mapped[str] = mapped_column(String(60), unique=True)
    account_id: Mapped[str | None] = mapped_column(String(36), index=True)
    state: Mapped[str] = mapped_column(String(10), default="queued")
    attempts: Mapped[int] = mapped_column(default=0)
    not_before: Mapped[datetime] = mapped_column(Moment)
    deadline: Mapped[datetime | None] = mapped_column(Moment)
    locked_until: Mapped[datetime | None] = mapped_column(Moment)
    claimed_by: Mapped[str | None] = mapped_column(String(60))
    relay: Mapped[str | None] = mapped_column(String(120))
    answer_class: Mapped[str | None] = mapped_column(String(60))
    created_at: Mapped[datetime] = mapped_column(Moment)
    finished_at: Mapped[datetime | None] = mapped_column(Moment, index=True)
