"""What an adviser is shown of an open case: masked, counted, and in the words of the glossary."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from idp import session
from idp.accounts import devices, directory, throttle
from idp.accounts.models import Account
from idp.admin.changes import list_changes
from idp.admin.support import Case
from idp.audit.search import Wanted, search
from idp.db import db
from idp.messages.models import Outbox
from idp.messages.undeliverable import is_undeliverable
from idp.mfa import guard
from idp.mfa.passkeys import count_passkeys
from idp.mfa.recovery_codes import count_recovery_codes
from idp.mfa.totp import find_totp

# What of the trail helps an adviser; the rest is for auditors.
GLOSSARY: Final = frozenset(
    {
        "password", "code-send", "code", "message", "message-receipt", "bounce", "sign-in", "passkey", "totp",
        "recovery-code", "password-reset", "password-changed", "email-changed", "mobile-changed", "stop", "not-me",
        "support-viewed", "support-unlocked", "support-change-advised", "account.disable", "account.enable",
    }
)  # fmt: skip
# The outcomes that have words of their own.
OUTCOMES: Final = frozenset(
    {
        "ok", "done", "wrong", "burnt", "expired", "paused", "throttled", "void", "accepted", "delivered", "refused",
        "found", "bounced", "cancelled", "applied", "waiting", "withdrawn", "outdated",
    }
)  # fmt: skip
_SENDS, _EVENTS, _LOOKED_AT = 10, 20, 200


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause of one account: of what, for which devices, and until when (``None``: until it is lifted)."""

    of: str
    on_known_device: bool
    until: datetime | None


def view_case(case: Case, now: datetime) -> dict[str, Any]:
    """Return everything that the page, the command line and an interface may show of a case."""
    account = directory.get_account(case.account_id)
    return {
        "account": directory.describe_account(account),
        "email_refuses": is_undeliverable(account.id, account.email),
        "must_choose_password": account.stopped_at is not None,
        "asked": [one.act for one in list_changes(state="waiting", target=account.id, acts="account")],
        "pauses": list_pauses(account, now),
        "sends": list_sends(account.id),
        "passkeys": count_passkeys(account.id),
        "devices": len(devices.list_devices(account.id)),
        "authenticator": find_totp(account.id) is not None,
        "recovery_codes": count_recovery_codes(account.id),
        "sign_ins": [one.created_at for one in session.last_records(account.id, 3)],
        "events": list_events(Wanted(account_id=account.id)),
        "timeline": list_events(Wanted(reference=case.reference)) if case.reference else [],
    }


def list_pauses(account: Account, now: datetime) -> list[Pause]:
    """Return the pauses of passwords and of codes that hold now."""
    lanes = devices.lanes_of(account.id)
    tries = [(lane, throttle.find_pause(nir_index=account.nir_index, device=lane, now=now)) for lane in (None, *lanes)]
    found = [Pause("password", lane is not None, until) for lane, until in tries if until is not None]
    codes = [(lane, guard.find_pause(account.id, lane or guard.UNKNOWN_DEVICES, now)) for lane in (None, *lanes)]
    return found + [Pause("code", lane is not None, pause.until) for lane, pause in codes if pause is not None]


def list_sends(account_id: str) -> list[dict[str, Any]]:
    """Return the last messages and what became of them; neither where they went nor what they said."""
    last = select(
        Outbox.channel, Outbox.purpose, Outbox.state, Outbox.answer_class, Outbox.created_at, Outbox.changed_at
    ).where(Outbox.account_id == account_id)
    rows = db.session.execute(last.order_by(Outbox.id.desc()).limit(_SENDS))
    return [dict(row._mapping) for row in rows]


def list_events(wanted: Wanted) -> list[dict[str, Any]]:
    """Return the last events that the glossary has words for, the latest first."""
    found = [event for event in search(wanted, limit=_LOOKED_AT) if event.event in GLOSSARY]
    return [
        {"at": event.at, "event": event.event, "outcome": event.outcome, "service": event.client_id}
        for event in found[:_EVENTS]
    ]


def plain(view: Mapping[str, Any]) -> dict[str, Any]:
    """Return a view as JSON has it."""

    def one(value: Any) -> Any:
        if isinstance(value, Pause):
            return {"of": value.of, "on_known_device": value.on_known_device, "until": one(value.until)}
        if isinstance(value, datetime):
            return value.isoformat(timespec="seconds")
        if isinstance(value, timedelta):
            return value.total_seconds()
        if isinstance(value, Mapping):
            return {name: one(part) for name, part in value.items()}
        return [one(part) for part in value] if isinstance(value, list) else value

    return {name: one(value) for name, value in view.items()}
