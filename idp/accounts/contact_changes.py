"""How an e-mail address or a mobile number becomes another one: asked for, confirmed there, in force after a delay.

Until then codes go where they went before (AC-13), and for days afterwards its owner can take it back: whoever holds
a stolen session must not be able to cut the owner off while they sleep. Callers commit.
"""

from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import ForeignKey, LargeBinary, String, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto, entropy, security_events
from idp.accounts import events
from idp.accounts.contacts import mask_email, mask_mobile
from idp.accounts.models import Account
from idp.db import Base, Moment, db
from idp.messages.alerts import alert
from idp.settings import settings

Kind = Literal["email", "mobile"]
KINDS: Final[tuple[Kind, ...]] = ("email", "mobile")
Ending = Literal["replaced", "undone", "restored"]
# A backup that was restored may not know that its owner took it back.
RESTORED: Final = "restored"
# A new address that is not confirmed within this time is asked for again.
_ASKED_FOR: Final = timedelta(hours=1)
_AT_ONCE: Final = 200


class ContactChange(Base):
    """One change of one account's address or number, until it cannot be taken back any more."""

    __tablename__ = "contact_changes"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    kind: Mapped[Kind] = mapped_column(String(10))
    new_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    # What the account had when the change came into force; nothing if it had nothing.
    old_sealed: Mapped[bytes | None] = mapped_column(LargeBinary, default=None)
    old_verified_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    # The session that asked, which alone may confirm, and the code that it waits for.
    sid: Mapped[str] = mapped_column(String(22))
    challenge_id: Mapped[str | None] = mapped_column(String(22), default=None)
    asked_at: Mapped[datetime] = mapped_column(Moment, index=True)
    confirmed_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    due_at: Mapped[datetime | None] = mapped_column(Moment, index=True, default=None)
    applied_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    ended_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    ending: Mapped[Ending | None] = mapped_column(String(10), default=None)

    @property
    def new(self) -> str:
        """The address or number that is asked for."""
        return crypto.unseal(self.new_sealed, context=self._context("new"))

    @property
    def old(self) -> str | None:
        """What it took the place of."""
        return None if self.old_sealed is None else crypto.unseal(self.old_sealed, context=self._context("old"))

    @property
    def masked(self) -> str:
        """What pages and messages show of the new address or number."""
        return mask_email(self.new).text if self.kind == "email" else mask_mobile(self.new).text

    @property
    def undo_until(self) -> datetime:
        """Until when it can be taken back; only once confirmed."""
        return (self.confirmed_at or self.asked_at) + settings.contacts.undo_for

    def keep_new(self, value: str) -> None:
        self.new_sealed = crypto.seal(value, context=self._context("new"))

    def keep_old(self, value: str | None, verified_at: datetime | None) -> None:
        self.old_sealed = None if value is None else crypto.seal(value, context=self._context("old"))
        self.old_verified_at = verified_at

    def _context(self, part: str) -> str:
        return f"contact-change:{part}:{self.id}"


def ask_change(account_id: str, kind: Kind, value: str, *, sid: str, now: datetime) -> ContactChange:
    """Keep a parsed address or number that is to be confirmed; one that was asked for before is forgotten."""
    for other in _living(account_id, kind):
        if other.confirmed_at is None:
            other.ended_at, other.ending = now, "replaced"
    change = ContactChange(id=entropy.identifier(), account_id=account_id, kind=kind, sid=sid, asked_at=now)
    change.keep_new(value)
    db.session.add(change)
    return change


def find_asked(account_id: str, kind: Kind, *, sid: str, now: datetime) -> ContactChange | None:
    """Return the change that this session has asked for and not confirmed."""
    changes = [change for change in _living(account_id, kind) if change.confirmed_at is None and change.sid == sid]
    return changes[0] if changes and now < changes[0].asked_at + _ASKED_FOR else None


def list_confirmed(account_id: str, kind: Kind, now: datetime) -> list[ContactChange]:
    """Return the changes that wait for their hour or can still be taken back, the latest first."""
    return [one for one in _living(account_id, kind) if one.confirmed_at is not None and now < one.undo_until]


def confirm_change(change: ContactChange, account: Account, *, delay: timedelta, now: datetime) -> None:
    """Let a change come into force after ``delay``, and tell its owner on every channel that they have."""
    for other in list_confirmed(change.account_id, change.kind, now):
        if other.applied_at is None:
            other.ended_at, other.ending = now, "replaced"
    change.confirmed_at, change.due_at = now, now + delay
    events.contact_change_confirmed(change.kind, account_id=account.id, delay=delay)
    if delay:
        alert(account, f"{change.kind}-change-asked", now=now, detail={"name": change.masked})
    else:
        _apply(change, account, now)


def apply_due(now: datetime) -> int:
    """Bring the changes into force whose hour has come; return how many. Commits: a chore of the worker."""
    due = select(ContactChange).where(
        ContactChange.due_at <= now, ContactChange.applied_at.is_(None), ContactChange.ended_at.is_(None)
    )
    # Locked, so that of two workers one applies it and one finds nothing; SQLite has one writer anyway.
    changes = db.session.scalars(due.limit(_AT_ONCE).with_for_update(skip_locked=True)).all()
    for change in changes:
        _apply(change, db.session.get_one(Account, change.account_id), now)
    db.session.commit()
    return len(changes)


def undo_changes(account_id: str, now: datetime, *, kinds: tuple[Kind, ...] = KINDS) -> tuple[Kind, ...]:
    """Take back every change that still can be, also those in force; return of which kinds there were any."""
    undone: list[Kind] = []
    for kind in kinds:
        changes = list_confirmed(account_id, kind, now)
        # The latest first: what remains is what was there before the first of them.
        for change in changes:
            if change.applied_at is not None:
                _set(db.session.get_one(Account, account_id), kind, change.old, change.old_verified_at, now)
            change.ended_at, change.ending = now, "undone"
        if changes:
            undone.append(kind)
            events.contact_change_undone(kind, account_id=account_id, changes=len(changes))
    return tuple(undone)


def purge_changes(now: datetime) -> int:
    """Forget what cannot be taken back any more: old addresses are nobody's to keep. Commits: a chore."""
    longest = settings.contacts.undo_for + settings.contacts.change_delay + _ASKED_FOR
    over = select(ContactChange.id).where(ContactChange.asked_at <= now - longest).limit(_AT_ONCE)
    gone = delete(ContactChange).where(ContactChange.id.in_(over)).returning(ContactChange.id)
    count = len(db.session.execute(gone.execution_options(synchronize_session=False)).all())
    db.session.commit()
    return count


def _apply(change: ContactChange, account: Account, now: datetime) -> None:
    old = account.email if change.kind == "email" else account.mobile
    change.keep_old(old, account.email_verified_at if change.kind == "email" else account.mobile_verified_at)
    change.applied_at = now
    _set(account, change.kind, change.new, change.confirmed_at, now)
    # ASVS 6.3.7: the old and the new one, each by name.
    alert(
        account, f"{change.kind}-changed", now=now, detail={"name": change.masked},
        old_email=old if change.kind == "email" and change.old_verified_at else None,
        old_mobile=old if change.kind == "mobile" and change.old_verified_at else None,
    )  # fmt: skip
    events.contact_changed(change.kind, account_id=account.id)
    # CAEP §3.3 has no word for a mailbox, and allows "any other credential type supported mutually".
    security_events.note(
        account.id, "credential-change", now=now, change_type="create" if old is None else "update",
        credential_type="phone-sms" if change.kind == "mobile" else "email",
    )  # fmt: skip


def _set(account: Account, kind: Kind, value: str | None, verified_at: datetime | None, now: datetime) -> None:
    set_value = account.set_email if kind == "email" else account.set_mobile
    set_value(value, verified_at=verified_at)
    account.updated_at = now


def _living(account_id: str, kind: Kind) -> list[ContactChange]:
    query = select(ContactChange).where(
        ContactChange.account_id == account_id, ContactChange.kind == kind, ContactChange.ended_at.is_(None)
    )
    return list(db.session.scalars(query.order_by(ContactChange.asked_at.desc(), ContactChange.id)))
