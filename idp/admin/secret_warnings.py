"""Secrets of clients that end soon: when that is worth a warning, and the mail that gives it ahead of time.

A secret that nobody would miss is not worth one: where a newer one has taken over and the old one was not used since,
it ends in silence.
"""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import or_, select, update

from idp import entropy, metrics
from idp.accounts.contacts import ContactFault, parse_email
from idp.admin.client_events import secret_ends
from idp.db import db
from idp.i18n import _, day, force_locale
from idp.leases import BLIND
from idp.messages import outbox
from idp.messages.compose import compose_note
from idp.messages.models import Message
from idp.oidc.clients import Client, ClientRow, ClientSecret, read_client
from idp.oidc.registration import SECRETLESS
from idp.oidc.secret_use import AGAIN
from idp.settings import settings

# Days before its end at which the contacts of a client are written to, once each.
AHEAD = (30, 7, 1)
_WORTH_SENDING = timedelta(days=3)
_ADDRESS = re.compile(r"[^\s<>,;\"()]+@[^\s<>,;\"()]+")

Standing = Literal["good", "soon", "ended"]


def standing_of(expires_at: datetime | None, now: datetime) -> Standing:
    """Tell whether a secret has ended, or does within the first warning's time."""
    if expires_at is None or expires_at > now + timedelta(days=AHEAD[0]):
        return "good"
    return "soon" if expires_at > now else "ended"


def describe_secret(secret: ClientSecret, now: datetime) -> dict[str, Any]:
    """Return what every surface tells of a secret; its value is nowhere (AC-198)."""
    return {
        "id": secret.id, "label": secret.label, "created_at": secret.created_at, "expires_at": secret.expires_at,
        "last_used_at": secret.last_used_at, "standing": standing_of(secret.expires_at, now),
    }  # fmt: skip


def warning_due(secret: ClientSecret, others: Iterable[ClientSecret], now: datetime) -> int | None:
    """Return of how many days ahead the contacts are to be warned now, or ``None``."""
    if standing_of(secret.expires_at, now) != "soon" or secret.expires_at is None:
        return None
    left, whole = secret.expires_at - now, secret.expires_at - secret.created_at
    # Of a secret made to live for a week, nobody is told at its birth that it ends within a month.
    due = [days for days in AHEAD if left <= timedelta(days=days) < whole]
    if not due or (secret.warned_days is not None and secret.warned_days <= due[-1]):
        return None
    successors = [one for one in others if one.created_at > secret.created_at and _outlives(one, secret.expires_at)]
    if successors:
        # A use is known to the day: one on the day of the change is none that counts.
        took_over = min(one.created_at for one in successors) + AGAIN
        if secret.last_used_at is None or secret.last_used_at < took_over:
            return None
    return due[-1]


def warn(now: datetime) -> int:
    """Write the mails that are due; return how many secrets they were about. The caller commits."""
    soon = select(ClientSecret).where(ClientSecret.expires_at > now, ClientSecret.expires_at <= now + _first())
    return sum(_warn(secret, now) for secret in db.session.scalars(soon).all())


def addresses_in(contacts: Sequence[str]) -> list[str]:
    """Return the e-mail addresses in lines that administrators wrote for people, each once."""
    found: dict[str, None] = {}
    for match in (match for line in contacts for match in _ADDRESS.findall(line)):
        with suppress(ContactFault):
            found[parse_email(match)] = None
    return list(found)


def _first() -> timedelta:
    return timedelta(days=AHEAD[0])


def _outlives(other: ClientSecret, end: datetime) -> bool:
    return other.expires_at is None or other.expires_at > end


def _warn(secret: ClientSecret, now: datetime) -> bool:
    client, row = read_client(secret.client_id), db.session.get(ClientRow, secret.client_id)
    if client is None or row is None or row.archived_at or client.token_endpoint_auth_method in SECRETLESS:
        return False
    siblings = select(ClientSecret).where(ClientSecret.client_id == client.client_id, ClientSecret.id != secret.id)
    days = warning_due(secret, db.session.scalars(siblings), now)
    if days is None or not _claim(secret.id, days):
        return False
    to = addresses_in(client.contacts)
    for number, address in enumerate(to):
        message = _compose(client, secret, now)
        outbox.enqueue(
            channel="email", to=address, message=message, subject_ref=f"secret-{secret.id}-{number}:{days}",
            purpose="secret-ends", account_id=None, deadline=now + _WORTH_SENDING, now=now,
        )  # fmt: skip
    metrics.SECRET_WARNINGS.labels(str(days)).inc()
    secret_ends(client_id=client.client_id, days=days, told=len(to))
    return True


def _claim(secret_id: int, days: int) -> bool:
    """Of many workers one warns."""
    mine = update(ClientSecret).where(
        ClientSecret.id == secret_id, or_(ClientSecret.warned_days.is_(None), ClientSecret.warned_days > days)
    )
    return db.session.execute(
        mine.values(warned_days=days).returning(ClientSecret.id).execution_options(**BLIND)
    ).one_or_none() is not None  # fmt: skip


def _compose(client: Client, secret: ClientSecret, now: datetime) -> Message:
    locale = settings.locales[0]
    ends = secret.expires_at or now
    left = max(1, (ends - now) // timedelta(days=1))
    with force_locale(locale):
        name = client.name_in(locale)
        used = _("mail.secret.used", day=day(secret.last_used_at)) if secret.last_used_at else _("mail.secret.not_used")
        facts = [
            _("mail.secret.service", service=name, client_id=client.client_id),
            _("mail.secret.label", label=secret.label or _("admin.secret.unnamed"), day=day(secret.created_at)),
            used,
        ]
        one, many = _("mail.secret.subject1", service=name), _("mail.secret.subject", n=left, service=name)
        return compose_note(
            locale=locale, subject=one if left == 1 else many, what=_("mail.secret.what", day=day(ends)), facts=facts,
            act=_("mail.secret.act", client_id=client.client_id), reference=entropy.reference(),
        )  # fmt: skip
