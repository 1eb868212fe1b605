"""How an administrator gets a first passkey: once, with a password that was printed once and opens nothing else.

It fails closed. The password is refused when it is too old, when the administrator has a living passkey, when somebody
disabled them; it is worth nothing any more with the first passkey, so that whoever finds it later finds nothing, and
whoever used it before its owner is noticed by its owner, who cannot enrol.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update

from idp import audit, metrics, ratelimit
from idp.accounts.passwords import check_password
from idp.admin.administrators import Administrator, find_administrator
from idp.db import db, release
from idp.mfa.passkeys import CannotAdd, NewPasskey, add_passkey, count_passkeys
from idp.ratelimit import Window
from idp.settings import settings
from idp.state import Space, state

TICKET_LIFE = timedelta(minutes=10)
_WINDOW = timedelta(minutes=15)


@dataclass(frozen=True)
class Ticket:
    """That this browser showed a good enrolment password."""

    name: str
    account_id: str


TICKETS = Space("admin-enrolment", Ticket, once=True)


def check_enrolment(name: str, password: str, *, address: str, now: datetime) -> Ticket | None:
    """Return whom the password may enrol a passkey for; the same answer and work for every no.

    Raises `HashingBusy`.
    """
    windows = (Window(settings.admin.enrolment_tries, _WINDOW),)
    for key in (f"address:{address}", f"name:{name[:60]}"):
        if not ratelimit.spend("admin-enrolment", key, windows=windows, now=now).allowed:
            _refuse(name, "paused")
            return None
    one = find_administrator(name) if len(name) <= 60 and name.isascii() and name.isprintable() else None
    stored = one.password_hash if one is not None else None
    may = one is not None and may_enrol(one, now)
    account_id = one.account_id if one is not None else None
    release()
    # Compared whoever it is, and whatever else is wrong.
    if not check_password(stored, password, whose=address).ok or not may or account_id is None:
        _refuse(name, "wrong")
        return None
    return Ticket(name, account_id)


def open_enrolment(ticket: Ticket, *, place: str) -> None:
    """Let this browser enrol."""
    state.put(TICKETS, place, ticket, ttl=TICKET_LIFE)
    metrics.ADMIN_ENROLMENT.labels("opened").inc()


def may_enrol(one: Administrator, now: datetime) -> bool:
    """Tell whether an administrator has a first passkey still to come."""
    return (
        one.disabled_at is None
        and one.password_hash is not None
        and one.account_id is not None
        and one.password_until is not None
        and now < one.password_until
        and count_passkeys(one.account_id) == 0
    )


def find_ticket(place: str, now: datetime) -> Ticket | None:
    """Return what this browser may enrol; a ticket ends as soon as its administrator has a passkey."""
    ticket = state.get(TICKETS, place)
    one = find_administrator(ticket.name) if ticket else None
    return ticket if ticket is not None and one is not None and may_enrol(one, now) else None


def enrol(ticket: Ticket, new: NewPasskey, *, name: str, place: str, now: datetime) -> bool:
    """Keep the first passkey and end the password, in one transaction; of two at once, one does. Commits."""
    spent = db.session.execute(
        update(Administrator)
        .where(Administrator.name == ticket.name, Administrator.password_hash.is_not(None))
        .values(password_hash=None, password_until=None, version=Administrator.version + 1)
        .returning(Administrator.name)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    try:
        if spent is None:
            raise CannotAdd("the password was used meanwhile")
        add_passkey(ticket.account_id, new, name=name, now=now)
    except CannotAdd:
        db.session.rollback()
        return _refuse(ticket.name, "used")
    db.session.commit()
    state.delete(TICKETS, place)
    metrics.ADMIN_ENROLMENT.labels("ok").inc()
    audit.record("administrator-enrolled", administrator=ticket.name)
    return True


def _refuse(name: str, reason: str) -> bool:
    metrics.ADMIN_ENROLMENT.labels(reason).inc()
    known = find_administrator(name) if len(name) <= 60 and name.isascii() and name.isprintable() else None
    # What somebody typed for a name may be anything, a password too.
    audit.record(
        "administrator-enrolled", outcome="refused", reason=reason, administrator=known.name if known else None
    )
    return False
