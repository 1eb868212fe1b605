"""Who hears that one person did alone what takes two: whoever gives roles or approves, by mail.

They write their address down under « Gérer mon compte », where it is confirmed; `admin.emergency_to` names addresses
besides, such as a duty team's, so that a glass is never broken unheard. The mail names the act and its target by id.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from idp import entropy
from idp.accounts.directory import find_account
from idp.admin.administrators import list_administrators
from idp.admin.changes import AdminChange
from idp.db import db
from idp.i18n import _, force_locale
from idp.messages import outbox
from idp.messages.alerts import locale_of
from idp.messages.compose import compose_note
from idp.messages.models import Message
from idp.settings import settings

TOLD: Final = frozenset({"role-admin", "approver"})
# It waits for a review, and is worth a mail until somebody has looked.
_WORTH_SENDING: Final = timedelta(days=3)


def tell_of_emergency(change: AdminChange, now: datetime) -> int:
    """Write one mail to each of them; return how many. The caller commits, and wakes the outbox."""
    told: dict[str, tuple[str, str | None]] = {}
    for address, locale, account_id in _addresses():
        told.setdefault(address, (locale, account_id))
    for number, (address, (locale, account_id)) in enumerate(told.items()):
        outbox.enqueue(
            channel="email", to=address, message=_compose(change, locale), purpose="admin-emergency",
            subject_ref=f"{change.id}-{number}:emergency", account_id=account_id, deadline=now + _WORTH_SENDING,
            now=now,
        )  # fmt: skip
    db.session.flush()
    return len(told)


def _addresses() -> Iterator[tuple[str, str, str | None]]:
    for one in list_administrators():
        account = find_account(one.account_id or "") if one.disabled_at is None and TOLD & set(one.roles) else None
        if account is not None and account.email and account.email_verified_at:
            yield account.email, locale_of(account), account.id
    for address in settings.admin.emergency_to:
        yield address, settings.locales[0], None


def _compose(change: AdminChange, locale: str) -> Message:
    with force_locale(locale):
        facts = [
            _("mail.emergency.act", act=_(f"admin.act.{change.act}"), target=change.target),
            _("mail.emergency.by", who=change.created_by, surface=change.surface),
            _("mail.emergency.reason", reason=change.reason),
        ]
        return compose_note(
            locale=locale, subject=_("mail.emergency.subject"), what=_("mail.emergency.what"), facts=facts,
            act=_("mail.emergency.do"), reference=entropy.reference(),
        )  # fmt: skip
