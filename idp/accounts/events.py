"""The audit events of account holders: passwords tried, contact points changed, accounts led by a directory."""

from datetime import timedelta
from typing import Literal

from idp.audit import record


def password_tried(
    outcome: Literal["ok", "wrong", "paused"], *, account_id: str | None, reason: str | None, recognised: bool
) -> None:
    """Somebody gave a NIR and a password; ``reason`` says what pauses, ``recognised`` whether the device is known."""
    record("password", outcome=outcome, account_id=account_id, reason=reason, recognised=recognised)


def contact_change_asked(kind: str, *, account_id: str) -> None:
    """A new e-mail address or mobile was asked for, and a code sent to it."""
    record(f"{kind}-change-asked", account_id=account_id)


def contact_change_confirmed(kind: str, *, account_id: str, delay: timedelta) -> None:
    """The code of a new address or mobile was typed; the change takes effect after ``delay``."""
    record(f"{kind}-change-confirmed", account_id=account_id, delay=int(delay.total_seconds()))


def contact_change_undone(kind: str, *, account_id: str, changes: int) -> None:
    """Changes of an address or mobile were taken back by the owner of the old one."""
    record(f"{kind}-change-undone", account_id=account_id, changes=changes)


def contact_changed(kind: str, *, account_id: str) -> None:
    """An e-mail address or mobile was replaced."""
    record(f"{kind}-changed", account_id=account_id)


def nir_changed(*, account_id: str, reason: Literal["import", "correction"]) -> None:
    """The organisation gave an account holder another NIR; everything else of the account stayed."""
    record("nir-changed", account_id=account_id, reason=reason)


def accounts_imported(*, added: int, present: int, changed: int, refused: int) -> None:
    """A file of people was taken to its end."""
    record("accounts-imported", added=added, present=present, changed=changed, refused=refused)


def accounts_exported(*, accounts: int, numbers: bool, hashes: bool) -> None:
    """Every account was written to a file; with NIRs, with password hashes, or without."""
    record("accounts-exported", accounts=accounts, numbers=numbers, hashes=hashes)


def account_provisioned(*, account_id: str, directory: str) -> None:
    """An account was made for a person of an outside directory, who had given the right password."""
    record("account-provisioned", account_id=account_id, directory=directory)


def account_followed(change: Literal["back", "email-changed", "mobile-changed"], *, account_id: str) -> None:
    """An account was brought in step with its person in an outside directory."""
    record("account-followed", outcome=change, account_id=account_id)


def account_left(*, account_id: str, sessions: int) -> None:
    """An outside directory knows an account's person no more: it was disabled, and its sessions ended."""
    record("account-left", account_id=account_id, sessions=sessions)
