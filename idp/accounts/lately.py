"""Accounts as this process has lately read them, for answers that may be seconds old: UserInfo and introspection.

What issues anything reads the account itself. A token of a session that was ended is refused by the state, whatever is
remembered here; what is remembered is the row, its values sealed as they are at rest.
"""

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import event, select

from idp import clock
from idp.accounts.models import Account
from idp.db import db
from idp.per_app import PerApp
from idp.settings import settings

_MOST_KEPT = 5_000


@dataclass
class _Memory:
    kept: dict[str, tuple[Account | None, datetime]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_memory: PerApp[_Memory] = PerApp(_Memory)


def find_account_lately(account_id: str) -> Account | None:
    """Return an account for reading only, as it was at most `lifetimes.account_cache` ago."""
    memory, now = _memory(), clock.now()
    kept = memory.kept.get(account_id)
    if kept is not None and now < kept[1]:
        return kept[0]
    row = db.session.execute(select(*Account.__table__.columns).where(Account.id == account_id)).one_or_none()
    # Not the session's own object: that one ends with the request, and may be changed in it.
    account = None if row is None else Account(**row._mapping)
    with memory.lock:
        if len(memory.kept) >= _MOST_KEPT:
            memory.kept.clear()
        memory.kept[account_id] = (account, now + settings.lifetimes.account_cache)
    return account


def _forget(_mapper: Any, _connection: Any, account: Account) -> None:
    """What this process changes it does not remember otherwise, not even until the commit."""
    _memory().kept.pop(account.id, None)


event.listen(Account, "after_update", _forget)
event.listen(Account, "after_delete", _forget)
