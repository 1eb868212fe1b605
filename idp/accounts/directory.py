"""How accounts are found, added and changed; callers commit."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

from idp import clock, crypto, entropy, security_events
from idp.accounts.contacts import email_key, mask_email, mask_mobile, parse_email, parse_mobile
from idp.accounts.models import Account, Status, index_nir
from idp.accounts.new_passwords import check_new_password
from idp.accounts.nir import parse_nir
from idp.accounts.passwords import hash_password
from idp.db import db
from idp.prepared import Prepared

# Where nobody is: RFC 2606 §2, and the numbers that ARCEP keeps for works of fiction.
_NOWHERE = "nobody.invalid"
_NO_NUMBER = "+3363998"
_FIND_CREDENTIALS = Prepared(
    select(Account.id, Account.password_hash, Account.status).where(
        Account.nir_index == bindparam("nir_index", type_=Account.nir_index.type)
    )
)


class DuplicateAccount(Exception):
    """This NIR already has an account. For administrators and imports only: never shown to a visitor."""

    def __init__(self) -> None:
        super().__init__("this NIR already has an account")


class NoSuchAccount(LookupError):
    """No account has this id."""


@dataclass(frozen=True, repr=False)
class Credentials:
    """What the password step needs of an account, as plain values that outlive the transaction."""

    account_id: str
    password_hash: str | None
    status: Status


def find_account(account_id: str) -> Account | None:
    return db.session.get(Account, account_id)


def get_account(account_id: str) -> Account:
    account = find_account(account_id)
    if account is None:
        raise NoSuchAccount(account_id)
    return account


def find_account_by_nir(nir: str) -> Account | None:
    """The account of a canonical NIR (`parse_nir`)."""
    return db.session.scalars(select(Account).where(Account.nir_index == index_nir(nir))).one_or_none()


def find_accounts_by_email(email: str) -> Sequence[Account]:
    """Every account that has exactly this address (`parse_email`); people share mailboxes."""
    index = crypto.blind_index(email_key(email), column="email")
    return db.session.scalars(select(Account).where(Account.email_index == index)).all()


def find_accounts_by_mobile(mobile: str) -> Sequence[Account]:
    """Every account that has exactly this number (`parse_mobile`)."""
    index = crypto.blind_index(mobile, column="mobile")
    return db.session.scalars(select(Account).where(Account.mobile_index == index)).all()


def find_credentials(nir: str) -> Credentials | None:
    row = _FIND_CREDENTIALS.run({"nir_index": index_nir(nir)})
    return None if row is None else Credentials(row.id, row.password_hash, row.status)


def stand_in(nir_index: str, *, now: datetime) -> Account:
    """Return nobody, for a NIR that may not be told apart from others: never stored, always the same for one NIR.

    What is done for a person can be done for it, with the same work and the same counters, and nothing comes of it.
    """
    name = crypto.keyed("stand-in", nir_index)
    account = Account(id=base64.urlsafe_b64encode(name[:16]).decode().rstrip("="), locale="fr", created_at=now)
    account.status, account.password_hash, account.updated_at = "active", None, now
    account.nir_index, account.password_changed_at = nir_index, None
    account.set_email(f"{name.hex()[:12]}@{_NOWHERE}", verified_at=now)
    account.set_mobile(f"{_NO_NUMBER}{int.from_bytes(name[16:20]) % 10_000:04d}", verified_at=now)
    return account


def add_account(
    *,
    nir: str,
    password: str | None,
    email: str | None = None,
    mobile: str | None = None,
    verified: bool = True,
    claims: Mapping[str, Any] | None = None,
    locale: str = "fr",
    status: Status = "active",
    now: datetime | None = None,
) -> Account:
    """Add an account of typed values; without a password it cannot sign in yet.

    Raises NirFault, ContactFault, PasswordFault for what is wrong with them, DuplicateAccount when there is one.
    `verified` says that the organisation has already checked that the contact points are the person's.
    """
    now = now or clock.now()
    nir, claims = parse_nir(nir), claims or {}
    email = None if email is None else parse_email(email)
    mobile = None if mobile is None else parse_mobile(mobile)
    if password is not None:
        known = (nir, email, mobile, *claims.values())
        check_new_password(password, context=[value for value in known if isinstance(value, str)])
    account = Account(id=entropy.identifier(), status=status, locale=locale, created_at=now, updated_at=now)
    account.set_nir(nir)
    account.set_email(email, verified_at=now if verified else None)
    account.set_mobile(mobile, verified_at=now if verified else None)
    account.set_profile(claims)
    account.password_hash = None if password is None else hash_password(password)
    account.password_changed_at = None if password is None else now
    try:
        # The unique index decides, not a look before: two imports of one person at the same moment are one account.
        with db.session.begin_nested():
            db.session.add(account)
    except IntegrityError:
        if find_account_by_nir(nir) is None:
            raise
        # `from None`: the database's message quotes the values.
        raise DuplicateAccount from None
    return account


def add_staff_account(*, now: datetime) -> Account:
    """Add an account for somebody who works here: without a NIR, so that no number typed by anybody leads to it."""
    account = Account(id=entropy.identifier(), locale="fr", created_at=now, updated_at=now)
    account.status, account.password_hash, account.password_changed_at = "active", None, None
    account.set_nir("")
    # An index of a NIR is hexadecimal; this one cannot be one.
    account.nir_index = f"staff:{account.id}"
    db.session.add(account)
    db.session.flush()
    return account


def describe_account(account: Account) -> dict[str, str | None]:
    """What an administrator is shown: contact points masked, never the NIR (security.md F-09) or the hash."""
    email, mobile = account.email, account.mobile
    return {
        "id": account.id,
        "status": account.status,
        "email": mask_email(email).text if email else None,
        "email_verified_at": _iso(account.email_verified_at),
        "mobile": mask_mobile(mobile).text if mobile else None,
        "mobile_verified_at": _iso(account.mobile_verified_at),
        "locale": account.locale,
        "created_at": _iso(account.created_at),
        "password_changed_at": _iso(account.password_changed_at),
    }


def words_about(account: Account) -> list[str]:
    """Return what others know of a person; none of it makes a good password (`check_new_password`)."""
    known = (account.nir, account.email, account.mobile, *account.profile.values())
    return [value for value in known if isinstance(value, str)]


def set_password(account_id: str, password: str, *, now: datetime, address: str = "") -> None:
    """Give the account another password; hash first, so that no lock is held meanwhile.

    Raises `HashingBusy`, with nothing changed. Who has come this far has proved who they are: they go before newcomers.
    """
    stored = hash_password(password, whose=address, patient=True)
    account = get_account(account_id)
    account.password_hash, account.password_changed_at, account.updated_at = stored, now, now
    account.stopped_at = None
    security_events.note(account_id, "credential-change", now=now, credential_type="password", change_type="update")


def strengthen_hash(account_id: str, *, old: str, new: str) -> None:
    """Replace the hash of the same password by one of today's strength, unless the password changed meanwhile."""
    db.session.execute(
        update(Account)
        .where(Account.id == account_id, Account.password_hash == old)
        .values(password_hash=new)
        .execution_options(synchronize_session="fetch")
    )


def set_status(account_id: str, status: Status, *, now: datetime) -> None:
    """Let the account sign in, or not; « restricted » passes the password and is told to contact its Caf (U10)."""
    account = get_account(account_id)
    # For services one is as the other: either way nobody signs in with it.
    was_active, is_active = account.status == "active", status == "active"
    account.status, account.updated_at = status, now
    if is_active and not was_active:
        account.enabled_at = now
    if was_active != is_active:
        security_events.note(account_id, "account-enabled" if is_active else "account-disabled", now=now)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
