"""What leaves with an export of all accounts: what an import reads, page by page, in the order of ids."""

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import func, select

from idp.accounts import events
from idp.accounts.models import Account
from idp.accounts.passwords import open_legacy
from idp.db import db

_PAGE: Final = 500
# Whoever works here has an account without a NIR (`directory.add_staff_account`).
_PEOPLE: Final = ~Account.nir_index.startswith("staff:")


def count_accounts() -> int:
    """Return how many there are."""
    count = int(db.session.scalar(select(func.count()).select_from(Account).where(_PEOPLE)) or 0)
    db.session.rollback()
    return count


def each_account(*, numbers: bool, hashes: bool) -> Iterator[dict[str, Any]]:
    """Yield the facts of every account; the transaction ends with each page, so that nothing is held up."""
    last = ""
    while True:
        page = list(
            db.session.scalars(select(Account).where(_PEOPLE, Account.id > last).order_by(Account.id).limit(_PAGE))
        )
        yield from (_facts(account, numbers=numbers, hashes=hashes) for account in page)
        if len(page) < _PAGE:
            db.session.rollback()
            return
        last = page[-1].id
        db.session.expunge_all()
        db.session.rollback()


def note_export(*, accounts: int, numbers: bool, hashes: bool) -> None:
    """Leave a trace of who could have read everybody's data from now on."""
    events.accounts_exported(accounts=accounts, numbers=numbers, hashes=hashes)


def _facts(account: Account, *, numbers: bool, hashes: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "nir": account.nir if numbers else None,
        "password_hash": open_legacy(account.password_hash) if hashes else None,
        "email": account.email,
        "mobile": account.mobile,
        **account.profile,
        "locale": account.locale,
        "status": account.status,
    }
    if account.email is not None:
        facts["email_verified"] = account.email_verified_at is not None
    if account.mobile is not None:
        facts["mobile_verified"] = account.mobile_verified_at is not None
    return {name: value for name, value in facts.items() if value is not None}
