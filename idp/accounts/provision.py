"""How the account here follows its person in an outside directory: made at the first sign-in, kept in step, ended.

Pauses, counters, passkeys, devices and consents hang on this row as on any other; the password never gets here.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import or_, select

from idp import logs, metrics, session
from idp.accounts import directory, events
from idp.accounts.contacts import ContactFault, parse_email, parse_mobile
from idp.accounts.directories import current_directory
from idp.accounts.directory import DuplicateAccount
from idp.accounts.models import Account
from idp.accounts.outside import Directory, DirectoryAway, Person
from idp.db import db, release
from idp.messages.alerts import alert
from idp.settings import settings

_AT_ONCE: Final = 50

log = logs.get_logger()


def admit(person: Person, asked: Directory, *, now: datetime) -> Account | None:
    """Return the account of a person whose password was right, made if it is their first time; commits.

    ``None`` if the account was disabled here: the administrator's word counts whatever the directory says.
    """
    account, is_new = directory.find_account_by_nir(person.nir), False
    if account is None:
        try:
            account, is_new = _make(person, now), True
        except DuplicateAccount:
            # Two first sign-ins of one person at once.
            account = directory.find_account_by_nir(person.nir)
    if account is None or not _is_welcome(account):
        release()
        return None
    _follow(account, person, asked, now, is_new=is_new)
    db.session.commit()
    return account


def confirm(account_id: str, *, now: datetime) -> bool:
    """Tell whether an account's person may still sign in, asking the directory if it was not asked for a while.

    Commits; ends everything of a person who left. Raises `DirectoryAway`.
    """
    asked, account = current_directory(), directory.find_account(account_id)
    if asked is None or account is None or account.directory_checked_at is None:
        return account is not None and account.status != "disabled"
    if now - account.directory_checked_at < settings.directory_check_every and account.left_directory_at is None:
        return account.status != "disabled"
    nir = account.nir
    # No lock or connection is held while the directory thinks.
    release()
    person = asked.find(nir)
    return admit(person, asked, now=now) is not None if person else _leave(account_id, now)


def check_who_left(now: datetime) -> None:
    """Ask the directory after the accounts that were not looked at for longest; a chore of the worker."""
    due = now - settings.directory_check_every
    if current_directory() is None:
        return
    unseen = (
        select(Account.id)
        .where(Account.directory_checked_at < due, Account.left_directory_at.is_(None))
        .where(or_(Account.status == "active", Account.status == "restricted"))
        .order_by(Account.directory_checked_at)
        .limit(_AT_ONCE)
    )
    ids = list(db.session.scalars(unseen))
    try:
        for account_id in ids:
            confirm(account_id, now=now)
    except DirectoryAway:
        # Nobody is put out by a cable; the next round asks again.
        release()


def _make(person: Person, now: datetime) -> Account:
    account = directory.add_account(nir=person.nir, password=None, locale=settings.locales[0], now=now)
    account.directory_checked_at = now
    events.account_provisioned(account_id=account.id, directory=settings.directory)
    metrics.PROVISIONED.labels("made").inc()
    return account


def _is_welcome(account: Account) -> bool:
    # Disabled because its person had left: they are back.
    return account.status != "disabled" or account.left_directory_at is not None


def _follow(account: Account, person: Person, asked: Directory, now: datetime, *, is_new: bool) -> None:
    """Bring an account in step with its person, in what the directory keeps and nothing else."""
    if account.left_directory_at is not None:
        account.status, account.left_directory_at, account.enabled_at = "active", None, now
        events.account_followed("back", account_id=account.id)
    account.directory_checked_at = now
    old_email, old_mobile = account.email, account.mobile
    moved: list[Literal["email-changed", "mobile-changed"]] = []
    email, mobile = _read("email", parse_email, person.email), _read("mobile", parse_mobile, person.mobile)
    if "email" in asked.keeps and email != old_email:
        account.set_email(email, verified_at=now)
        moved.append("email-changed")
    if "mobile" in asked.keeps and mobile != old_mobile:
        account.set_mobile(mobile, verified_at=now)
        moved.append("mobile-changed")
    if "profile" in asked.keeps and dict(person.claims) != account.profile:
        account.set_profile(person.claims)
    if "profile" in asked.keeps and person.locale in settings.locales:
        account.locale = person.locale
    if person.password_changed_at is not None:
        _heed_password(account, person.password_changed_at, now)
    for kind in [] if is_new else moved:
        # Whoever changed it there may not have been its owner.
        alert(account, kind, now=now, old_email=old_email, old_mobile=old_mobile)
        metrics.PROVISIONED.labels(kind).inc()
        events.account_followed(kind, account_id=account.id)
    if moved:
        account.updated_at = now


def _heed_password(account: Account, changed_at: datetime, now: datetime) -> None:
    """Take over when the password was changed there: sessions from before end, and a stop key is answered by it."""
    # A clock that is ahead of ours would make every proof older than the password.
    changed_at = min(changed_at, now)
    if account.password_changed_at is not None and changed_at <= account.password_changed_at:
        return
    is_first = account.password_changed_at is None
    account.password_changed_at = changed_at
    if account.stopped_at is not None and changed_at > account.stopped_at:
        account.stopped_at = None
    if not is_first:
        session.end_sessions_of(account.id, now)
        alert(account, "password-changed", now=now)


def _leave(account_id: str, now: datetime) -> bool:
    account = directory.get_account(account_id)
    if account.status != "disabled":
        account.status, account.left_directory_at, account.updated_at = "disabled", now, now
        ended = session.end_sessions_of(account.id, now)
        metrics.PROVISIONED.labels("left").inc()
        events.account_left(account_id=account.id, sessions=ended)
    account.directory_checked_at = now
    db.session.commit()
    return False


def _read(kind: str, parse: Callable[[str], str], text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ContactFault as fault:
        log.warning("directory-contact-unusable", kind=kind, reason=fault.reason)
        return None
