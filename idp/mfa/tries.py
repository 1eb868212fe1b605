"""One try at a secret that an account holder has at hand, counted as a typed code is: same account, same lanes (§4).

Whatever is guessed at, ten wrong tries pause the account's codes on devices that it does not know (`guard.py`).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from idp import metrics
from idp.mfa import guard

TryOutcome = Literal["ok", "wrong", "paused", "busy"]


def try_once(account_id: str, *, lane: str, now: datetime, is_right: Callable[[], bool]) -> TryOutcome:
    """Count a try, compare, and say what became of it; commits, and with it whatever ``is_right`` used up."""
    counted = guard.count_try(account_id, lane, now)
    if isinstance(counted, guard.Busy):
        return "busy"
    if isinstance(counted, guard.CodePause):
        return "paused"
    if is_right():
        guard.give_back_try(account_id, lane)
        return "ok"
    if counted.is_last:
        metrics.PAUSES.labels("code").inc()
        guard.begin_pause(account_id, lane, counted.pauses, now)
        return "paused"
    return "wrong"
