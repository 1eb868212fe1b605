"""The one account whose code is known beforehand: the official conformance suite types it, and cannot read mail.

The settings refuse it wherever a person could come (`Settings._nothing_real_has_a_fixed_code`). Only the digits are
fixed: the code is sent for and sent, counted, timed, and used once like any other.
"""

from idp.accounts import directory
from idp.accounts.models import index_nir
from idp.settings import settings


def find_fixed_code(account_id: str) -> str | None:
    """Return the code of the suite's own account, ``None`` for every other."""
    fixed = settings.conformance
    # First, and without a query: so it is everywhere but under test.
    if not fixed.account:
        return None
    account = directory.find_account(account_id)
    return fixed.fixed_code if account is not None and account.nir_index == index_nir(fixed.account) else None
