"""Imported hashes: whether refusals take long enough that nobody tells by the time which numbers have an account (R8).

`passwords.refuse_after` is 0 unless there is a need: a refusal that waits holds a thread, and whoever sends wrong
passwords by the hundred would hold them all.
"""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from idp import crypto
from idp.accounts.legacy_timing import least_refusal, measure_hashes
from idp.accounts.models import Account
from idp.accounts.passwords import open_legacy
from idp.commands.checks import Finding, failure, ok
from idp.db import db
from idp.settings import settings

_LOOKED_AT = 200


def check_imported_hashes() -> list[Finding]:
    """Compare with some of the hashes that remain, and say how long a refusal has to take on this machine."""
    kept = select(Account.password_hash).where(Account.password_hash.startswith("$legacy$", autoescape=True))
    try:
        opened = [open_legacy(one) for one in db.session.scalars(kept.limit(_LOOKED_AT))]
    except crypto.Unreadable:
        return [failure("an imported hash cannot be opened", "give back the secrets.field_keys of the import")]
    except SQLAlchemyError as fault:
        return [failure(f"accounts cannot be read ({type(fault).__name__})", "see the database")]
    finally:
        db.session.rollback()
    now = settings.passwords.refuse_after
    if not opened:
        rest = "; passwords.refuse_after can be 0 again" if now else ""
        return [ok(f"no imported hash is left{rest}")]
    needed = least_refusal(measure_hashes(filter(None, opened)))
    if now < needed:
        return [
            failure(
                "the time of a refusal tells which numbers have an account: imported hashes are left",
                f"set passwords.refuse_after = {needed / timedelta(seconds=1):g} on every node",
            )
        ]
    return [ok(f"imported hashes are left, and refusals take {now / timedelta(seconds=1):g} s")]
