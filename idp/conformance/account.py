"""The account with which the suite signs in: every standard claim, a known password, a fixed code, on test hosts."""

from typing import Final

from idp import clock
from idp.accounts import directory
from idp.demo.seed import PROFILE
from idp.settings import settings

PASSWORD: Final = "suite-motdepasse-1"  # noqa: S105 - typed by the suite, for an account that test hosts alone have
EMAIL: Final = "suite@example.org"
MOBILE: Final = "+33612345679"


class NoTestAccount(Exception):
    """The configuration names no account of the suite's, so this is no provider to test."""


def ensure_account() -> None:
    """Add the account that `conformance.account` names, unless it is there; the caller commits."""
    nir = settings.conformance.account
    # Nobody else may ever have this password: the settings have made sure that the issuer is a test host.
    if not nir:
        raise NoTestAccount("conformance.account and conformance.fixed_code are not set")
    account = directory.find_account_by_nir(nir)
    if account is None:
        directory.add_account(nir=nir, password=PASSWORD, email=EMAIL, mobile=MOBILE, claims=PROFILE)
    elif account.email != EMAIL:
        raise NoTestAccount("conformance.account is the NIR of an account that was not made for the suite")
    else:
        directory.set_password(account.id, PASSWORD, now=clock.now())
