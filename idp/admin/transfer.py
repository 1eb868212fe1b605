"""A client handed over to another team: who looks after it from now on, told to those who did and to those who will."""

from datetime import datetime, timedelta
from typing import Any

from pydantic import Field

from idp import entropy
from idp.admin.changes import AdminChange
from idp.admin.client_acts import Plan, bump, get_client, get_row
from idp.admin.faults import Conflict, Invalid
from idp.admin.schema import Line, Lines, Strict
from idp.admin.secret_warnings import addresses_in
from idp.i18n import _, force_locale
from idp.messages import outbox
from idp.messages.compose import compose_note
from idp.settings import settings

_WORTH_SENDING = timedelta(days=3)


class TransferAsked(Strict):
    """Whose a client is from now on."""

    team: Line = Field(min_length=1, max_length=80, description="whose it is from now on")
    contacts: Lines = Field(min_length=1, description="whom to call; at least one e-mail address")


def plan_transfer(client_id: str, given: TransferAsked) -> Plan:
    """Other people: nobody can be without an address, or nobody would hear of the next secret that ends."""
    row, client = get_row(client_id), get_client(client_id)
    if row.archived_at is not None:
        raise Conflict("the client is archived; restore it first")
    if not addresses_in(given.contacts):
        raise Invalid("nobody could be written to", (("contacts", "has no e-mail address"),))
    before = {"team": client.team, "contacts": list(client.contacts)}
    return Plan(before, {"team": given.team, "contacts": given.contacts}, row.version)


def transfer(client_id: str, change: AdminChange, now: datetime) -> dict[str, Any]:
    """Write the new people down, and tell both sides."""
    metadata = {**get_row(client_id).client_metadata, **change.after}
    bump(client_id, change.base_version, now, client_metadata=metadata)
    concerned = [*change.before["contacts"], *change.after["contacts"]]
    for number, address in enumerate(addresses_in(concerned)):
        outbox.enqueue(
            channel="email", to=address, message=_compose(client_id, change), purpose="client-transferred",
            subject_ref=f"{change.id}-{number}:transfer", account_id=None, deadline=now + _WORTH_SENDING, now=now,
        )  # fmt: skip
    return {}


def _compose(client_id: str, change: AdminChange) -> Any:
    locale = settings.locales[0]
    name = get_client(client_id).name_in(locale)
    with force_locale(locale):
        facts = [
            _("mail.secret.service", service=name, client_id=client_id),
            _("mail.transfer.before", team=change.before["team"] or _("mail.transfer.nobody")),
            _("mail.transfer.after", team=change.after["team"]),
        ]
        return compose_note(
            locale=locale, subject=_("mail.transfer.subject", service=name), what=_("mail.transfer.what"), facts=facts,
            act=_("mail.transfer.act"), reference=entropy.reference(),
        )  # fmt: skip
