"""What names an account exactly: a NIR, a whole e-mail address or a whole mobile number; never a part of one."""

from typing import Literal

from idp.accounts import directory, nir
from idp.accounts.contacts import ContactFault, parse_email, parse_mobile

Named = Literal["nir", "email", "mobile"]


def parse_identifier(typed: str) -> tuple[Named, str] | None:
    """Return what kind of identifier ``typed`` is and its one spelling, or ``None`` when it is none."""
    try:
        return "nir", nir.parse_nir(typed)
    except nir.NirFault:
        pass
    try:
        return ("email", parse_email(typed)) if "@" in typed else ("mobile", parse_mobile(typed))
    except ContactFault:
        return None


def accounts_named(named: Named, value: str) -> list[str]:
    """Return the ids of the accounts that have an identifier: addresses and numbers may be shared."""
    if named == "nir":
        account = directory.find_account_by_nir(value)
        return [account.id] if account else []
    find = directory.find_accounts_by_email if named == "email" else directory.find_accounts_by_mobile
    return [account.id for account in find(value)]
