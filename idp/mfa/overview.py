"""What an account is and has, as a sign-in sees it: one prepared statement for all of it, at every page."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, bindparam, exists, func, select

from idp.accounts.models import Account, Person, Status
from idp.messages.undeliverable import TAG_LENGTH, Undeliverable
from idp.mfa.guard import UNKNOWN_DEVICES, CodeGuard
from idp.mfa.passkeys import Passkey
from idp.mfa.recovery_codes import RecoveryCode
from idp.mfa.totp import TotpSecret
from idp.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Overview(Person):
    """An account, for reading only; its values are opened when they are asked for."""

    id: str
    status: Status
    locale: str
    updated_at: datetime
    password_changed_at: datetime | None
    reset_channel: str | None
    reset_at: datetime | None
    stopped_at: datetime | None
    email_sealed: bytes | None
    email_verified_at: datetime | None
    mobile_sealed: bytes | None
    mobile_verified_at: datetime | None
    profile_sealed: bytes | None
    # Of the lane that was asked about; nothing when no wrong code is counted there.
    failures: int | None
    paused_until: datetime | None
    has_passkeys: bool
    # What was proved by a passkey before one was removed counts no longer.
    passkey_removed_at: datetime | None
    has_totp: bool
    has_recovery_codes: bool
    # Whether the address that the account has now refused a message.
    email_is_undeliverable: bool


_OF_THIS = Passkey.account_id == Account.id
_FIND = Prepared(
    select(
        Account.id, Account.status, Account.locale, Account.updated_at, Account.password_changed_at,
        Account.reset_channel, Account.reset_at, Account.stopped_at, Account.email_sealed, Account.email_verified_at,
        Account.mobile_sealed, Account.mobile_verified_at, Account.profile_sealed,
        CodeGuard.failures, CodeGuard.paused_until,
        exists().where(_OF_THIS, Passkey.revoked_at.is_(None)).label("has_passkeys"),
        select(func.max(Passkey.revoked_at)).where(_OF_THIS).scalar_subquery().label("passkey_removed_at"),
        exists().where(TotpSecret.account_id == Account.id).label("has_totp"),
        exists()
        .where(RecoveryCode.account_id == Account.id, RecoveryCode.used_at.is_(None))
        .label("has_recovery_codes"),
        exists().where(
            Undeliverable.account_id == Account.id,
            Undeliverable.address_index == func.substr(Account.email_index, 1, TAG_LENGTH),
        ).label("email_is_undeliverable"),
    )
    .outerjoin(
        CodeGuard,
        and_(CodeGuard.account_id == Account.id, CodeGuard.lane == bindparam("lane", type_=CodeGuard.lane.type)),
    )
    .where(Account.id == bindparam("account_id", type_=Account.id.type))
)  # fmt: skip


def find_overview(account_id: str, lane: str = UNKNOWN_DEVICES) -> Overview | None:
    """Return an account as the database has it now, with the wrong codes that were counted in ``lane``."""
    row = _FIND.run({"account_id": account_id, "lane": lane})
    return None if row is None else Overview(*row)
