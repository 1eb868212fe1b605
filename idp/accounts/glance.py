"""What UserInfo and introspection read of an account: one prepared statement, at every request.

Nothing is remembered: whoever was disabled a moment ago, on whichever node, is dead to the next question (AC-138), and
what they had been granted stays dead when the account is given back.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, select

from idp.accounts.models import Account, Person, Status
from idp.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Glance(Person):
    """An account, for reading only; its values are opened when they are asked for."""

    id: str
    status: Status
    enabled_at: datetime | None
    locale: str
    updated_at: datetime
    email_sealed: bytes | None
    email_verified_at: datetime | None
    mobile_sealed: bytes | None
    mobile_verified_at: datetime | None
    profile_sealed: bytes | None


_FIND = Prepared(
    select(
        Account.id, Account.status, Account.enabled_at, Account.locale, Account.updated_at, Account.email_sealed,
        Account.email_verified_at, Account.mobile_sealed, Account.mobile_verified_at, Account.profile_sealed,
    ).where(Account.id == bindparam("account_id", type_=Account.id.type))
)  # fmt: skip


def find_active(account_id: str, *, issued_at: datetime) -> Glance | None:
    """Return an account that may sign in, as the database has it now, for a token that was issued at ``issued_at``.

    ``None`` for any other account, and for a token from before the account was last given back.
    """
    row = _FIND.run({"account_id": account_id})
    if row is None or row.status != "active" or (row.enabled_at is not None and issued_at <= row.enabled_at):
        return None
    return Glance(*row)
