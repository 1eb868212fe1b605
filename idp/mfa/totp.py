"""Codes of an authenticator app (RFC 6238): the secret sealed at rest, each step of the clock good once.

"The verifier MUST NOT accept the second attempt of the OTP after the successful validation has been issued for the
first OTP" (§5.2): the last step that was used is kept, and only a later one is taken, by one statement.
"""

import base64
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyotp
from sqlalchemy import BigInteger, ForeignKey, LargeBinary, delete, update
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto, entropy, metrics, security_events
from idp.db import Base, Moment, db
from idp.mfa import events
from idp.mfa.tries import TryOutcome, try_once

# RFC 4226 §4 R6: "RECOMMEND a shared secret length of 160 bits".
_SECRET_BYTES: Final = 20
# "We RECOMMEND that at most one time step is allowed as the network delay" (RFC 6238 §5.2); one early for fast clocks.
_WINDOW: Final = (0, -1, 1)


class TotpSecret(Base):
    """The secret that an account shares with an app, and the last step of the clock that was used."""

    __tablename__ = "totp_secrets"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    secret_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    last_step: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment, default=None)


@dataclass(frozen=True, repr=False)
class Enrolment:
    """A secret that an app is to take over: as text to type, and as the address behind the QR code."""

    secret: str
    uri: str


def new_secret() -> str:
    """Return a new secret in base 32."""
    return base64.b32encode(entropy.random_bytes(_SECRET_BYTES)).decode()


def describe_secret(secret: str, *, name: str, issuer: str) -> Enrolment:
    """Return what an app needs of a secret; ``name`` is shown in it, and never the NIR."""
    return Enrolment(secret, pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name=issuer))


def find_step(secret: str, digits: str, now: datetime, *, after: int = -1) -> int | None:
    """Return the step of the clock whose code ``digits`` are, near ``now`` and later than ``after``."""
    totp = pyotp.TOTP(secret)
    around = totp.timecode(now)
    found = None
    for offset in _WINDOW:
        step = around + offset
        # Every code of the window is made and compared, whichever is right.
        if crypto.same(totp.generate_otp(step), digits) and step > after and found is None:
            found = step
    return found


def find_totp(account_id: str) -> TotpSecret | None:
    """Return what is kept of an account's app."""
    return db.session.get(TotpSecret, account_id)


def enrol_totp(account_id: str, secret: str, *, step: int, now: datetime) -> None:
    """Keep a secret whose code of ``step`` was typed; it replaces the one before. The caller commits."""
    remove_totp(account_id)
    sealed = crypto.seal(secret, context=_context(account_id))
    db.session.add(TotpSecret(account_id=account_id, secret_sealed=sealed, last_step=step, created_at=now))
    security_events.note(account_id, "credential-change", now=now, credential_type="app", change_type="create")


def remove_totp(account_id: str) -> bool:
    """Forget an account's app; the caller commits."""
    gone = delete(TotpSecret).where(TotpSecret.account_id == account_id).returning(TotpSecret.account_id)
    return db.session.execute(gone).one_or_none() is not None


def check_totp(account_id: str, digits: str, *, lane: str, now: datetime) -> TryOutcome:
    """Say what became of six typed digits; of many that type the same ones, one hears ``ok``. Commits."""

    def _is_right() -> bool:
        kept = find_totp(account_id)
        if kept is None:
            return False
        secret = crypto.unseal(kept.secret_sealed, context=_context(account_id))
        step = find_step(secret, digits, now, after=kept.last_step)
        return step is not None and _use(account_id, step, now)

    outcome = try_once(account_id, lane=lane, now=now, is_right=_is_right)
    metrics.FACTOR.labels("totp", outcome).inc()
    events.totp_tried(outcome, account_id=account_id)
    return outcome


def _use(account_id: str, step: int, now: datetime) -> bool:
    used = (
        update(TotpSecret)
        .where(TotpSecret.account_id == account_id, TotpSecret.last_step < step)
        .values(last_step=step, last_used_at=now)
        .returning(TotpSecret.account_id)
        .execution_options(synchronize_session="fetch")
    )
    return db.session.execute(used).one_or_none() is not None


def _context(account_id: str) -> str:
    return f"totp_secrets:secret:{account_id}"
