"""What account holders are told when something of theirs changed: at once, on every channel, with a way to object.

ASVS 6.3.7: "notified after updates to authentication details". The new and the old address both hear of a change,
so that whoever took over one of them cannot hide it from the other.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from flask import has_request_context

from idp import entropy, metrics, web
from idp.messages import outbox
from idp.messages.compose import compose_alert
from idp.messages.stops import Stop, issue_stop
from idp.settings import settings

# Longer than a code's: someone who looks at the mailbox after the week-end must still be able to object.
_WORTH_SENDING = timedelta(days=3)
_KEY_LIFETIME = timedelta(days=7)

KINDS = (
    "password-changed",
    "email-changed",
    "mobile-changed",
    "email-change-asked",
    "mobile-change-asked",
    "factor-added",
    "factor-removed",
    "new-device",
    "recovery-used",
    "recovery-codes-made",
    "codes-unused",
    "stopped",
    "support-unlocked",
    "account-disabled",
    "account-enabled",
    "email-change-advised",
    "mobile-change-advised",
)


class Addressee(Protocol):
    """What an alert must know of an account; `accounts.models.Account` is one."""

    @property
    def id(self) -> str: ...
    @property
    def email(self) -> str | None: ...
    @property
    def mobile(self) -> str | None: ...
    @property
    def email_verified_at(self) -> datetime | None: ...
    @property
    def mobile_verified_at(self) -> datetime | None: ...
    @property
    def locale(self) -> str: ...


def alert(
    account: Addressee,
    kind: str,
    *,
    now: datetime,
    detail: Mapping[str, str] | None = None,
    old_email: str | None = None,
    old_mobile: str | None = None,
    sids: tuple[str, ...] | None = None,
) -> None:
    """Write an alert to every confirmed channel into the outbox, in the caller's transaction.

    ``detail`` may hold `name` (what was added or changed, masked) and `device` (the browser it was done with).
    ``sids`` are the sessions that its stop key ends; without them it ends all.
    """
    if kind not in KINDS:
        raise ValueError(f"no such alert: {kind}")
    destinations = [
        ("email", account.email if account.email_verified_at else None),
        ("sms", account.mobile if account.mobile_verified_at else None),
        ("email", old_email),
        ("sms", old_mobile),
    ]
    wanted = {
        (channel, to): None for channel, to in destinations if to and (channel == "email" or settings.sms.transport)
    }
    ours = entropy.identifier()
    for number, (channel, to) in enumerate(wanted):
        message = compose_alert(
            channel,
            kind=kind,
            detail=detail or {},
            locale=locale_of(account),
            reference=web.reference() if has_request_context() else entropy.reference(),
            stop=issue_stop(Stop(account.id, sids=sids), ttl=_KEY_LIFETIME),
            at=now,
        )
        outbox.enqueue(
            channel=channel,
            to=to,
            message=message,
            subject_ref=f"{ours}-{number}:alert",
            purpose=f"alert-{kind}",
            account_id=account.id,
            deadline=now + _WORTH_SENDING,
            now=now,
        )
        metrics.ALERTS.labels(kind, channel).inc()


def locale_of(account: Addressee) -> str:
    """Return the language in which this person is written to."""
    return account.locale if account.locale in settings.locales else settings.locales[0]
