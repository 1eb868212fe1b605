"""What the desk may ask of an account as a whole: let nobody sign in with it, or give it back.

A shut account is « restricted »: with the right password or passkey its holder reads that they must call (U10), and
services hear RISC's `account-disabled`; everybody else learns nothing (AC-14). Both ways are risky: shutting takes a
person's benefits away, giving back may give a thief the key. The change names the account by its id alone.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from idp.accounts.directory import NoSuchAccount, get_account, set_status
from idp.accounts.models import Account
from idp.admin.administrators import Administrator
from idp.admin.client_acts import Nothing, Plan
from idp.admin.faults import Conflict, NotFound, Stale
from idp.db import db
from idp.messages import outbox
from idp.messages.alerts import alert
from idp.oidc.sign_out import sign_out_everywhere


def plan_disable(account_id: str, _given: Nothing) -> Plan:
    """Nobody may sign in with it; what it granted is dead at once."""
    account = _get_holders(account_id)
    if account.status != "active":
        raise Conflict("the account is not active")
    return Plan({"status": account.status}, {"status": "restricted"}, 0, is_risky=True)


def plan_enable(account_id: str, _given: Nothing) -> Plan:
    """Its holder may sign in again, with the factors that they had; what had ended stays ended."""
    account = _get_holders(account_id)
    if account.status == "active":
        raise Conflict("the account is active")
    if account.left_directory_at is not None:
        raise Conflict("the directory knows this person no more; it gives the account back itself")
    return Plan({"status": account.status}, {"status": "active"}, 0, is_risky=True)


def change_status(account_id: str, change: Any, now: datetime) -> dict[str, Any]:
    """Set the status that was planned, and tell the holder and the services in the same transaction."""
    account = _get_holders(account_id)
    if account.status != change.before["status"]:
        raise Stale("the account was changed meanwhile")
    status = change.after["status"]
    set_status(account_id, status, now=now)
    alert(account, "account-enabled" if status == "active" else "account-disabled", now=now)
    return {}


def end_grants(account_id: str, now: datetime) -> None:
    """End sessions, refresh families and codes of an account that was shut. Commits."""
    sign_out_everywhere(account_id, now, reason="account-disabled")
    outbox.wake()


def send_alerts(_account_id: str, _now: datetime) -> None:
    """Have what was written to the holder leave at once."""
    outbox.wake()


def _get_holders(account_id: str) -> Account:
    try:
        account = get_account(account_id)
    except NoSuchAccount:
        raise NotFound("no such account") from None
    if db.session.scalar(select(Administrator.name).where(Administrator.account_id == account_id)) is not None:
        raise Conflict("the account of an administrator: disable the administrator instead")
    return account
