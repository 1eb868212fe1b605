"""How a person is forgotten (GDPR article 17) and how wrong data are put right (article 16), by the operator.

Erased is every row that says something of the person. What is kept is kept under an opaque id that leads nowhere any
more: the audit trail, whose chain would break, and the notices of sign-outs, which services must still receive.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import delete, select

from idp import security_events
from idp.accounts.contacts import mask_email, mask_mobile, parse_email, parse_mobile
from idp.accounts.directory import DuplicateAccount, find_account_by_nir, get_account
from idp.accounts.models import PROFILE_CLAIMS, Account
from idp.accounts.new_devices import NewDevice
from idp.accounts.nir import parse_nir
from idp.admin import data_events as events
from idp.admin.administrators import Administrator
from idp.db import db
from idp.messages.alerts import alert
from idp.messages.models import Outbox
from idp.messages.undeliverable import Undeliverable
from idp.mfa.guard import CodeGuard
from idp.oidc.refresh import RefreshFamily
from idp.oidc.sign_out import sign_out_everywhere
from idp.session import SessionRecord

# Rows that hold an account's id without being the account's children in the database.
ERASED: Final[tuple[Any, ...]] = (CodeGuard, Undeliverable, NewDevice, Outbox, RefreshFamily, SessionRecord)
# What stays, and why.
KEPT: Final = {
    "audit_events": "the chain; `audit.keep` ends it",
    "session_clients": "services must still be told; `logout.keep_log` ends it",
    "security_events": "services must still be told; `logout.keep_log` ends it",
    "administrators": "an administrator is not erased here",
}


class NotErasable(Exception):
    """This account is not a person's who can ask for it."""


def erase(account_id: str, *, reason: str, ticket: str, by: str, now: datetime) -> int:
    """Sign the person out everywhere, then forget them; return how many rows went. Commits.

    Raises NoSuchAccount, or NotErasable for an administrator's.
    """
    account = get_account(account_id)
    if db.session.scalar(select(Administrator.name).where(Administrator.account_id == account_id)) is not None:
        raise NotErasable("the account of an administrator: disable the administrator instead")
    sign_out_everywhere(account_id, now, reason="erased")
    gone = 0
    for table in ERASED:
        done = delete(table).where(table.account_id == account_id).returning(table.account_id)
        gone += len(db.session.execute(done.execution_options(synchronize_session=False)).all())
    # RISC has no event that says « forgotten » and means it: services sign the person out and let nobody in.
    security_events.note(account_id, "account-disabled", now=now)
    # The children go with it: passkeys, apps, sheets, consents, recognised devices, changes of address.
    db.session.delete(account)
    db.session.flush()
    events.account_erased(account_id=account_id, administrator=by, reason=reason, ticket=ticket)
    db.session.commit()
    return gone + 1


def correct(
    account_id: str, changes: Mapping[str, str], *, verified: bool, reason: str, ticket: str, by: str, now: datetime
) -> tuple[str, ...]:
    """Put values of an account right; an empty text takes one away. Returns the names of what changed; commits.

    Raises NirFault, ContactFault, DuplicateAccount; an unknown name is a `ValueError`.
    """
    account = get_account(account_id)
    unknown = changes.keys() - {"nir", "email", "mobile", "locale"} - PROFILE_CLAIMS
    if unknown:
        raise ValueError(f"not a value of an account: {', '.join(sorted(unknown))}")
    before = {"email": account.email, "mobile": account.mobile}
    if "nir" in changes:
        _renumber(account, changes["nir"])
    if "email" in changes:
        account.set_email(parse_email(changes["email"]) if changes["email"] else None, verified_at=_at(verified, now))
    if "mobile" in changes:
        account.set_mobile(
            parse_mobile(changes["mobile"]) if changes["mobile"] else None, verified_at=_at(verified, now)
        )
    if changes.get("locale"):
        account.locale = changes["locale"]
    told = {name: text for name, text in changes.items() if name in PROFILE_CLAIMS}
    if told:
        account.set_profile({name: text for name, text in {**account.profile, **told}.items() if text})
    account.updated_at = now
    # ASVS 6.3.7: whoever had the old address hears that it is no longer the one.
    if account.email != before["email"]:
        alert(account, "email-changed", now=now, detail={"name": _masked(account, "email")}, old_email=before["email"])
    if account.mobile != before["mobile"]:
        alert(
            account, "mobile-changed", now=now, detail={"name": _masked(account, "mobile")}, old_mobile=before["mobile"]
        )
    events.account_corrected(
        account_id=account_id, administrator=by, reason=reason, ticket=ticket, values=" ".join(sorted(changes))
    )
    db.session.commit()
    return tuple(sorted(changes))


def _renumber(account: Account, typed: str) -> None:
    nir = parse_nir(typed)
    other = find_account_by_nir(nir)
    if other is not None and other.id != account.id:
        raise DuplicateAccount
    account.set_nir(nir)


def _at(verified: bool, now: datetime) -> datetime | None:
    return now if verified else None


def _masked(account: Account, kind: str) -> str:
    if kind == "email":
        return mask_email(account.email).text if account.email else "–"
    return mask_mobile(account.mobile).text if account.mobile else "–"
