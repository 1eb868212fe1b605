"""What SMS may cost in a day: a cap on the whole spend, and budgets for prefixes, so that pumping stays small (AC-40).

The worker alone takes from the budget, once for each message; a page asks before it offers to send.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from typing import Final

from idp import logs, metrics
from idp.messages.gsm7 import count_parts
from idp.messages.numbers import find_prefix
from idp.settings import SmsSettings, settings
from idp.state import Space, state

_KEPT: Final = timedelta(hours=30)
# Money is counted in millionths: a sum of floats drifts.
_MILLIONTHS: Final = 1_000_000
log = logs.get_logger()


@dataclass(frozen=True)
class Spent:
    """What one day's SMS cost so far."""

    millionths: int


SPENT = Space("sms-spent", Spent)


def price_of(to: str, text: str, sms: SmsSettings) -> float:
    """Return what a message costs, in the currency of `sms.costs`; nothing if its prefix has no price."""
    prefix = find_prefix(to, sms.costs)
    return sms.costs[prefix] * count_parts(text) if prefix else 0.0


def take(to: str, text: str, now: datetime) -> bool:
    """Take one message from the day's budgets; say whether it may be sent."""
    sms, day = settings.sms, _day(now)
    prefix = find_prefix(to, sms.prefix_budgets)
    if prefix and state.bump("sms-prefix", f"{day}:{prefix}", ttl=_KEPT) > sms.prefix_budgets[prefix]:
        return _refuse("prefix", prefix)
    if not sms.daily_spend:
        return True
    cap, price = _millionths(sms.daily_spend), _millionths(price_of(to, text, sms))
    return _spend(day, price, cap) or _refuse("spend", "")


def is_open(to: str, now: datetime) -> bool:
    """Tell whether a message to this number would be sent now."""
    sms, day = settings.sms, _day(now)
    prefix = find_prefix(to, sms.prefix_budgets)
    if prefix and state.count("sms-prefix", f"{day}:{prefix}") >= sms.prefix_budgets[prefix]:
        return False
    if not sms.daily_spend:
        return True
    spent = state.get(SPENT, day)
    cheapest = _millionths(min(sms.costs.values(), default=0.0))
    return spent is None or spent.millionths + cheapest <= _millionths(sms.daily_spend)


def next_day(now: datetime) -> datetime:
    """Return when budgets begin anew: midnight UTC."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


def _spend(day: str, price: int, cap: int) -> bool:
    state.add(SPENT, day, Spent(0), ttl=_KEPT)

    def _more(old: Spent) -> Spent | None:
        return replace(old, millionths=old.millionths + price) if old.millionths + price <= cap else None

    return state.change(SPENT, day, _more) is not None


def _refuse(kind: str, prefix: str) -> bool:
    metrics.SMS_OVER_BUDGET.labels(kind).inc()
    log.error("sms-budget-reached", kind=kind, prefix=prefix)
    return False


def _day(now: datetime) -> str:
    return f"{now.astimezone(UTC):%Y%m%d}"


def _millionths(amount: float) -> int:
    return round(amount * _MILLIONTHS)
