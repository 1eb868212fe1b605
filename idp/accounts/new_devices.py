"""Telling people of sign-ins on devices that were not known: some time after, all of that time in one message.

Not at once: who is just signing in on a new phone, and perhaps on a tablet after it, would be frightened by a warning
about themselves. Half an hour later the message reaches whoever did not expect it just as well (ASVS 6.3.5).
"""

from datetime import datetime

from sqlalchemy import BigInteger, Integer, String, delete, func, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.accounts import directory
from idp.db import Base, Moment, db
from idp.i18n import _, clock_time, day, force_locale
from idp.messages.alerts import alert, locale_of
from idp.messages.compose import zone_name
from idp.settings import settings

# In one transaction: codes wait for its end. The worker goes on while there are more.
ACCOUNTS_AT_ONCE = 50
# What one message lists; whoever has more than that has one thing to do, and the key ends them all.
_LISTED = 10


class NewDevice(Base):
    """A sign-in on a device that was not recognised, until its owner is told."""

    __tablename__ = "new_devices"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    account_id: Mapped[str] = mapped_column(String(36), index=True)
    sid: Mapped[str] = mapped_column(String(22))
    label: Mapped[str] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(Moment, index=True)


def note_new_device(account_id: str, *, sid: str, label: str, now: datetime) -> None:
    """Remember to tell of this sign-in; the caller commits."""
    db.session.add(NewDevice(account_id=account_id, sid=sid, label=label[:80], at=now))


def tell_new_devices(now: datetime) -> int:
    """Write the messages that are due, one for each account; return how many. The caller commits."""
    due = select(NewDevice.account_id).group_by(NewDevice.account_id)
    due = due.having(func.min(NewDevice.at) <= now - settings.messages.new_device_delay).limit(ACCOUNTS_AT_ONCE)
    return sum(_tell(account_id, now) for account_id in db.session.scalars(due).all())


def _tell(account_id: str, now: datetime) -> bool:
    # Of many workers one gets the rows: the others wait for its transaction and find nothing left.
    ours = delete(NewDevice).where(NewDevice.account_id == account_id)
    taken = ours.returning(NewDevice.sid, NewDevice.label, NewDevice.at)
    rows = db.session.execute(taken.execution_options(synchronize_session=False)).all()
    account = directory.find_account(account_id)
    if not rows or account is None:
        return False
    with force_locale(locale_of(account)):
        lines = [
            _(
                "mail.alert.moment",
                device=row.label or _("mail.alert.unknown"),
                day=day(row.at),
                time=clock_time(row.at),
                zone=zone_name(),
            )
            for row in sorted(rows, key=lambda row: row.at)
        ]
    alert(
        account,
        "new-device",
        now=now,
        detail={"name": "\n".join(lines[-_LISTED:])},
        sids=tuple(row.sid for row in rows),
    )
    return True
