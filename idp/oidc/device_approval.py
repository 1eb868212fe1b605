"""What saying yes to a device does: it gets a grant of its own, its owner is told, and it can be undone.

Saying yes hands out long-lived access to something that nobody here can see. So it takes proofs of the last minutes,
an account that may sign in at this very moment, and it never happens without a message to the account holder.
"""

from dataclasses import dataclass
from datetime import datetime

from idp import entropy, metrics
from idp.accounts import directory
from idp.accounts.models import Account
from idp.db import db
from idp.messages import outbox
from idp.messages.compose import compose_device_alert
from idp.mfa.methods import available_methods
from idp.oidc import events
from idp.oidc.clients import Client
from idp.oidc.consents import record_consent
from idp.oidc.device_requests import DeviceRequest, allow_device, deny_device, take_back
from idp.oidc.grant import Grant
from idp.oidc.refresh import revoke_grant
from idp.session import Session
from idp.settings import settings

PURPOSE = "device"


class NotEntitled(Exception):
    """Whoever said yes may not do so any more: signed out, suspended, or the password is another one by now."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How a yes came about, for the message to the account holder and the records."""

    service: str
    browser: str
    reference: str
    same_network: bool
    by_link: bool


def connect_device(
    asked: DeviceRequest, client: Client, session: Session, how: Circumstances, now: datetime
) -> Grant | None:
    """Allow the device; ``None`` when somebody else answered first or it was too late. Commits."""
    account = _get_entitled(session)
    grant = _grant(asked, session)
    # Written before the device is let in, committed after: nobody is let in without a message.
    _alert(account, grant, how, now)
    if not client.first_party:
        record_consent(account_id=account.id, client_id=client.client_id, scopes=asked.scopes, now=now)
    if not allow_device(asked, grant, now):
        db.session.rollback()
        return None
    db.session.commit()
    outbox.wake()
    metrics.DEVICE.labels("allowed").inc()
    events.device_allowed(
        account_id=account.id,
        client_id=client.client_id,
        grant_id=grant.id,
        same_network=how.same_network,
        by_link=how.by_link,
    )
    return grant


def refuse_device(asked: DeviceRequest, account_id: str | None, reason: str, now: datetime) -> bool:
    """Tell the device no, and remember why; false when it had its answer already."""
    refused = deny_device(asked, now)
    if refused:
        metrics.DEVICE.labels(reason).inc()
        events.device_refused(account_id=account_id, client_id=asked.client_id, reason=reason)
    return refused


def disconnect_device(request_id: str, grant_id: str, account_id: str | None, now: datetime) -> None:
    """Undo a yes, whether or not the device has collected its tokens; commits."""
    take_back(request_id)
    # Also when they have not been: a poll that is under way finds its grant revoked.
    revoke_grant(grant_id, now, reason="device-undone")
    metrics.DEVICE.labels("undone").inc()
    events.device_undone(account_id=account_id, grant_id=grant_id)


def _get_entitled(session: Session) -> Account:
    account = directory.find_account(session.account_id or "")
    if account is None or account.status != "active" or session.auth_time is None:
        raise NotEntitled("account not active")
    changed = account.password_changed_at
    if changed is not None and changed > session.auth_time:
        raise NotEntitled("password changed since")
    return account


def _grant(asked: DeviceRequest, session: Session) -> Grant:
    if not (session.account_id and session.acr and session.auth_time):
        raise NotEntitled("only a complete sign-in connects a device")
    return Grant(
        id=entropy.identifier(),
        client_id=asked.client_id,
        account_id=session.account_id,
        # Not the browser's: signing out here must not switch off a television that others are watching.
        sid=entropy.identifier(),
        scopes=asked.scopes,
        auth_time=session.auth_time,
        acr=session.acr,
        amr=session.amr,
        resources=asked.resources,
        authorization_details=asked.authorization_details,
    )


def _alert(account: Account, grant: Grant, how: Circumstances, now: datetime) -> None:
    for method in available_methods(account)[:1]:
        message = compose_device_alert(
            method.channel,
            locale=account.locale if account.locale in settings.locales else settings.locales[0],
            service=how.service,
            browser=how.browser,
            reference=how.reference,
            site=settings.site_address,
            at=now,
        )
        outbox.enqueue(
            channel=method.channel,
            to=method.find_destination(account) or "",
            message=message,
            subject_ref=f"device-{grant.id}:alert",
            purpose=PURPOSE,
            account_id=account.id,
            deadline=None,
            now=now,
        )
