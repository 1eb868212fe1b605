"""Telling account holders what changed, on every channel that they have (ASVS 6.3.7)."""

from datetime import datetime

from flask import request

from idp.accounts.models import Account
from idp.messages.alerts import alert
from idp.messages.compose import label_device


def tell(account: Account, kind: str, *, now: datetime, name: str = "") -> None:
    """Write the alert in the caller's transaction: nothing changes without a message. ``name`` is what changed."""
    detail = {"name": name, "device": label_device(request.user_agent.string)}
    alert(account, kind, now=now, detail={fact: text for fact, text in detail.items() if text})
