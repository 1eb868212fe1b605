"""How a receipt finds its message, whichever of the two is written down first."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from idp import logs, metrics
from idp.messages import events, outbox
from idp.messages.outbox import Fate
from idp.messages.transport import Receipt
from idp.state import Space, state

# A phone may answer before the worker has written down that the network accepted.
_EARLY_FOR = timedelta(minutes=10)
log = logs.get_logger()


@dataclass(frozen=True)
class Early:
    """A receipt whose message is not known to be accepted yet."""

    outcome: str


EARLY = Space("early-receipt", Early)


def record(receipt: Receipt, now: datetime) -> None:
    """Write a receipt down, or keep it for `catch_up`; the caller commits."""
    if not _apply(receipt, now):
        # Kept before we look again: whoever writes « accepted » looks here after its commit, so one sees the other.
        state.put(EARLY, _key(receipt.relay, receipt.relay_ref), Early(receipt.outcome), ttl=_EARLY_FOR)
        _apply(receipt, now)


def catch_up(relay: str, relay_ref: str, now: datetime) -> None:
    """Apply a receipt that came before « accepted » was committed; the caller commits."""
    early = state.get(EARLY, _key(relay, relay_ref))
    if early is not None:
        _apply(Receipt(relay, relay_ref, "delivered" if early.outcome == "delivered" else "failed"), now)


def _apply(receipt: Receipt, now: datetime) -> bool:
    fate = outbox.record_receipt(receipt, now)
    if fate is None:
        return False
    metrics.SMS_RECEIPTS.labels(receipt.relay, receipt.outcome).inc()
    log.info("sms-receipt", relay=receipt.relay, outcome=receipt.outcome)
    _audit(fate)
    return True


def _audit(fate: Fate) -> None:
    events.receipt_came(
        fate.status,
        account_id=fate.account_id,
        answer_class=fate.answer_class,
        channel=fate.channel,
        purpose=fate.purpose,
    )


def _key(relay: str, relay_ref: str) -> str:
    return f"{relay}|{relay_ref}"
