"""Signing keys: that they can be used, and how old they are."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from idp import clock
from idp.commands.checks import Finding, failure, first_bad_or, ok, warning
from idp.db import db
from idp.oidc.key_service import KeyUnusable
from idp.oidc.keys import SigningKeyRow, key_ring
from idp.settings import settings

# NIST SP 800-57 part 1, table 1: a private signature key signs for one to three years.
_OLD = timedelta(days=730)


def check_signing_keys() -> list[Finding]:
    """Open every signing key, and look at the age of those that sign."""
    try:
        ring = key_ring()
        rows = db.session.scalars(select(SigningKeyRow).where(SigningKeyRow.state == "active")).all()
    except KeyUnusable as fault:
        return [failure(f"a signing key cannot be used: {fault}", "give back secrets.field_keys, or the token's PIN")]
    except SQLAlchemyError as fault:
        return [failure(f"signing keys cannot be read ({type(fault).__name__})", "see the database")]
    finally:
        db.session.rollback()
    if not ring.active:
        return [failure("there is no signing key", "run: idp db upgrade")]
    oldest = settings.keys.rotate_every * 2 or _OLD
    ages = {row.alg: clock.now() - (row.activated_at or row.created_at) for row in rows}
    late = (
        warning(f"the {alg} key has signed for {age.days} days", "run: idp keys rotate (docs/howto/rotate-keys.md)")
        for alg, age in ages.items()
        if age > oldest
    )
    return first_bad_or(late, ok(", ".join(f"{alg} signs for {age.days} days" for alg, age in sorted(ages.items()))))
