"""The whole answer to a NIR and a password, the same for everyone who may not pass (R8).

An unknown NIR, a wrong password, an account that is disabled or was never activated: the same look-ups, one Argon2
comparison, the same counters, the same answer.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from idp import metrics
from idp.accounts import devices, directory, events, provision, throttle
from idp.accounts.directories import current_directory
from idp.accounts.directory import Credentials
from idp.accounts.models import index_nir
from idp.accounts.outside import Directory, DirectoryAway
from idp.accounts.passwords import HashingBusy, check_password, check_room, hash_password, usable_form
from idp.db import db, release


@dataclass(frozen=True)
class Authenticated:
    """The password is right. A « restricted » account comes this far too and is shown U10."""

    account_id: str


@dataclass(frozen=True)
class Refused:
    """NIR and password do not go together; `tries_left` before a pause of `pause` on this device."""

    tries_left: int
    pause: timedelta


@dataclass(frozen=True)
class Paused:
    """Not before `until`; whether this password was right is not said, and was not looked at."""

    until: datetime


def authenticate(
    *, nir: str, password: str, device_cookie: str | None, address: str, now: datetime, patient: bool = False
) -> Authenticated | Refused | Paused:
    """Answer a canonical NIR (`parse_nir`) and a password.

    HashingBusy and DirectoryAway mean try again in a moment, nothing counted. Ends the transaction that is open and
    commits the small ones of its own. One that is ``patient`` was told before that too many sign in at once.
    """
    asked = current_directory()
    if asked is None:
        _check_room(address, patient)
    found = directory.find_credentials(nir)
    account_id = found.account_id if found else None
    device = devices.find_lane(device_cookie, account_id, now=now)
    # On SQLite an open transaction holds the write lock; nobody shall wait for our hash.
    release()
    nir_index = index_nir(nir)
    attempt = throttle.spend_attempt(nir_index=nir_index, device=device, address=address, password=password, now=now)
    if isinstance(attempt, throttle.Pause):
        _record("paused", account_id, device, reason=attempt.reason)
        return Paused(attempt.until)
    try:
        if asked:
            entitled = _ask_directory(asked, nir, password, now)
        else:
            entitled = _check_here(nir, found, password, whose=address, patient=patient)
    except (HashingBusy, DirectoryAway):
        throttle.give_back_attempt(nir_index=nir_index, device=device)
        metrics.PASSWORD.labels(outcome="busy").inc()
        raise
    if entitled is None:
        throttle.count_wrong_password(nir_index=nir_index, device=device, address=address, password=password, now=now)
        _record("wrong", account_id, device)
        if attempt.pause_until is None:
            return Refused(attempt.tries_left, attempt.pause)
        metrics.PAUSES.labels(kind="password").inc()
        return Paused(attempt.pause_until)
    throttle.clear_wrong_passwords(nir_index=nir_index, device=device)
    _record("ok", entitled, device)
    return Authenticated(entitled)


def _check_room(address: str, patient: bool) -> None:
    """Send away before anything is looked up: what is refused must be cheap, or refusing is no relief."""
    try:
        check_room(address, patient=patient)
    except HashingBusy:
        metrics.PASSWORD.labels(outcome="busy").inc()
        raise


def _check_here(nir: str, found: Credentials | None, password: str, *, whose: str, patient: bool) -> str | None:
    """Compare with the hash that is kept here; return the id of the account that may go on."""
    check = check_password(found.password_hash if found else None, password, whose=whose, patient=patient)
    if found is None or not check.ok or found.status == "disabled":
        return None
    # Read again: the password may have been changed, or the account disabled, while the hash was computed.
    again = directory.find_credentials(nir)
    if again is None or again.status == "disabled":
        return None
    if (again.account_id, again.password_hash) != (found.account_id, found.password_hash):
        return None
    if check.needs_rehash and found.password_hash is not None:
        _strengthen(found.account_id, old=found.password_hash, password=password)
    return found.account_id


def _ask_directory(asked: Directory, nir: str, password: str, now: datetime) -> str | None:
    """Let an outside directory judge the password; its person's account is made if there is none."""
    typed = usable_form(password)
    # Such a password can be nobody's: refused alike for all, before any work (AC-59, AC-61).
    if not typed:
        return None
    person = asked.authenticate(nir, typed)
    account = provision.admit(person, asked, now=now) if person is not None else None
    return account.id if account is not None else None


def _strengthen(account_id: str, *, old: str, password: str) -> None:
    """Replace the hash of an older system, or of an older cost, where that keeps nobody waiting."""
    try:
        directory.strengthen_hash(account_id, old=old, new=hash_password(password, can_wait=False))
        db.session.commit()
    except HashingBusy:
        # The next sign-in will do it.
        release()


def _record(
    outcome: Literal["ok", "wrong", "paused"],
    account_id: str | None,
    device: str | None,
    *,
    reason: str | None = None,
) -> None:
    metrics.PASSWORD.labels(outcome=outcome).inc()
    events.password_tried(outcome, account_id=account_id, reason=reason, recognised=device is not None)
