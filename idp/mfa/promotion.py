"""Whether somebody who signed in with a code is asked to turn their face or fingerprint on, and how often (U13).

People do it best where they see to their account; in the middle of a sign-in it may be asked seldom, and never blocks
(ux.md §2.7). « Plus tard » and « ne plus demander » are kept on the account, so that every device knows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto, metrics
from idp.db import Base, Moment, db
from idp.mfa import events
from idp.mfa.methods import takes_passkeys
from idp.mfa.overview import Overview
from idp.settings import PromotionSettings, settings

Outcome = Literal["shown", "later", "never", "enrolled", "refused", "late"]
# Proofs beside the password that a passkey would spare the person. A code over the channel of a reset is not among
# them: whoever holds a mailbox and nothing else shall not be led to a way in that stays.
CODES = frozenset({"email", "sms", "totp", "recovery"})


class PasskeyPromotion(Base):
    """How often an account was asked, last when, and whether it wants to be asked again."""

    __tablename__ = "passkey_promotions"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    times: Mapped[int] = mapped_column(default=0)
    shown_at: Mapped[datetime] = mapped_column(Moment)
    declined_at: Mapped[datetime | None] = mapped_column(Moment, default=None)


@dataclass(frozen=True, slots=True)
class PromotionFacts:
    """What decides whether to ask; ``share`` is the account's place among a hundred, always the same."""

    service_id: str
    share: int
    times: int
    shown_at: datetime | None
    has_declined: bool
    now: datetime


# Every one must hold.
RULES: tuple[Callable[[PromotionSettings, PromotionFacts], bool], ...] = (
    lambda s, f: s.enabled,
    lambda s, f: not s.services or f.service_id in s.services,
    lambda s, f: f.service_id not in s.except_services,
    lambda s, f: f.share < s.percentage,
    lambda s, f: not f.has_declined,
    lambda s, f: f.times < s.times,
    lambda s, f: f.shown_at is None or f.now - f.shown_at >= s.every,
)


def may_promote(rules: PromotionSettings, facts: PromotionFacts) -> bool:
    """Tell whether the rules let the person be asked now."""
    return all(rule(rules, facts) for rule in RULES)


def is_due(account: Overview, *, service_id: str, now: datetime) -> bool:
    """Tell whether an account is asked after this sign-in."""
    allowed = settings.policy.methods
    if settings.passkeys.attestation.require:
        # The passkeys of phones prove no model.
        return False
    if not takes_passkeys() or (allowed and "passkey" not in allowed) or account.has_passkeys:
        return False
    kept = db.session.get(PasskeyPromotion, account.id)
    facts = PromotionFacts(
        service_id=service_id,
        share=int.from_bytes(crypto.keyed("rollout", "passkey-promotion", account.id)[:8]) % 100,
        times=kept.times if kept else 0,
        shown_at=kept.shown_at if kept else None,
        has_declined=kept is not None and kept.declined_at is not None,
        now=now,
    )
    return may_promote(settings.promotion, facts)


def note_shown(account_id: str, now: datetime) -> None:
    """Count one asking; the caller commits."""
    kept = _ensure(account_id, now)
    kept.times, kept.shown_at = kept.times + 1, now
    record("shown", account_id)


def note_declined(account_id: str, now: datetime) -> None:
    """Never ask this account again; the caller commits."""
    _ensure(account_id, now).declined_at = now
    record("never", account_id)


def record(outcome: Outcome, account_id: str) -> None:
    """Count and keep what became of an asking."""
    metrics.PROMOTION.labels(outcome).inc()
    events.passkey_offered(outcome, account_id=account_id)


def _ensure(account_id: str, now: datetime) -> PasskeyPromotion:
    kept = db.session.get(PasskeyPromotion, account_id)
    if kept is None:
        kept = PasskeyPromotion(account_id=account_id, times=0, shown_at=now)
        db.session.add(kept)
    return kept
