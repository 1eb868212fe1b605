"""Ten codes on paper, each good once in place of a code that is sent: how they are made, kept, and used.

Each holds 68 random bits (NIST SP 800-63B-4 §4.2.1.1 asks for 64) and is kept only as an HMAC under a key outside the
database. New ones replace the old: a sheet that was lost is made worthless by printing another.
"""

from datetime import datetime
from typing import Final, Literal

from sqlalchemy import ForeignKey, String, delete, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto, entropy, metrics, security_events
from idp.accounts.models import Person
from idp.db import Base, Moment, db
from idp.messages.alerts import alert
from idp.mfa import events
from idp.mfa.tries import TryOutcome, try_once

HOW_MANY: Final = 10
LENGTH: Final = 16
_GROUP: Final = 4
_LONGEST_TYPED: Final = 64
RecoveryOutcome = TryOutcome | Literal["form"]


class RecoveryCode(Base):
    """One code of an account's sheet."""

    __tablename__ = "recovery_codes"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    code_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    made_at: Mapped[datetime] = mapped_column(Moment)
    used_at: Mapped[datetime | None] = mapped_column(Moment, default=None)


def make_recovery_codes(account_id: str, now: datetime) -> tuple[str, ...]:
    """Replace an account's sheet by a new one and return its codes, readable for this once. The caller commits."""
    drawn = [entropy.letters(entropy.SPOKEN, LENGTH) for _ in range(HOW_MANY)]
    forget_recovery_codes(account_id)
    db.session.add_all(RecoveryCode(account_id=account_id, code_hash=_hash(account_id, c), made_at=now) for c in drawn)
    return tuple("-".join(code[at : at + _GROUP] for at in range(0, LENGTH, _GROUP)) for code in drawn)


def forget_recovery_codes(account_id: str) -> None:
    """Make an account's sheet worthless; the caller commits."""
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == account_id))


def count_recovery_codes(account_id: str) -> int:
    """Return how many codes of the sheet are still good."""
    query = select(func.count()).where(RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None))
    return int(db.session.execute(query).scalar_one())


def made_at(account_id: str) -> datetime | None:
    """Return when the sheet was made."""
    return db.session.scalar(select(func.max(RecoveryCode.made_at)).where(RecoveryCode.account_id == account_id))


def parse_recovery_code(typed: str) -> str | None:
    """Return the sixteen letters of a typed code, however they are spaced, or ``None`` for anything else."""
    letters = "".join(character for character in typed[:_LONGEST_TYPED].upper() if character.isalnum())
    return letters if len(letters) == LENGTH and set(letters) <= set(entropy.SPOKEN) else None


def use_recovery_code(account: Person, typed: str, *, lane: str, device: str, now: datetime) -> RecoveryOutcome:
    """Use a code up and tell every channel; of many that type it one hears ``ok``. Commits."""
    account_id, letters = account.id, parse_recovery_code(typed)
    if letters is None:
        # What cannot be a code is no guess.
        return "form"

    def _is_right() -> bool:
        if not _use(account_id, letters, now):
            return False
        # CAEP §3.3 leaves the names of kinds open; the sheet holds one code less, and is as good as before.
        security_events.note(
            account_id, "credential-change", now=now, credential_type="recovery-code", change_type="update"
        )
        alert(account, "recovery-used", now=now, detail={"device": device} if device else None)
        return True

    outcome = try_once(account_id, lane=lane, now=now, is_right=_is_right)
    metrics.FACTOR.labels("recovery", outcome).inc()
    events.recovery_code_tried(outcome, account_id=account_id)
    return outcome


def _use(account_id: str, letters: str, now: datetime) -> bool:
    used = (
        update(RecoveryCode)
        .where(
            RecoveryCode.account_id == account_id,
            RecoveryCode.code_hash == _hash(account_id, letters),
            RecoveryCode.used_at.is_(None),
        )
        .values(used_at=now)
        .returning(RecoveryCode.code_hash)
        .execution_options(synchronize_session=False)
    )
    return db.session.execute(used).one_or_none() is not None


def _hash(account_id: str, letters: str) -> str:
    # Bound to the account: a row that is copied to another one opens nothing there.
    return crypto.keyed("recovery", account_id, letters).hex()
