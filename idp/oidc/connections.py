"""What a person is connected to: services with a consent or a session, apps and devices with tokens that live on."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import select

from idp import session_clients
from idp.db import db
from idp.i18n import _
from idp.oidc import events
from idp.oidc.clients import find_client
from idp.oidc.consents import Consent, consent_texts, withdraw_consent
from idp.oidc.refresh import RefreshFamily, living_families_of, revoke_families_of_service, revoke_grant


@dataclass(frozen=True, slots=True)
class Connection:
    """One app or device that may renew its access by itself."""

    grant_id: str
    since: datetime
    used_at: datetime


@dataclass(frozen=True)
class Service:
    """One relying party as its user knows it; a third party's consent can be withdrawn."""

    client_id: str
    name: str
    is_device: bool
    is_ours: bool
    agreed_at: datetime | None = None
    receives: tuple[str, ...] = ()
    connections: tuple[Connection, ...] = ()
    is_open: bool = False


def list_connections(account_id: str, locale: str, now: datetime) -> list[Service]:
    """Return the services of a person, by name."""
    found: dict[str, Service] = {}

    def of(client_id: str) -> Service:
        client = find_client(client_id)
        name = client.name_in(locale) if client else client_id
        is_device, is_ours = client is not None and client.kind == "device", client is None or client.first_party
        return found.get(client_id) or Service(client_id, name, is_device, is_ours)

    for consent in db.session.scalars(select(Consent).where(Consent.account_id == account_id)):
        texts = tuple(_(text) for text in consent_texts(consent.scopes))
        found[consent.client_id] = replace(of(consent.client_id), agreed_at=consent.granted_at, receives=texts)
    for family in living_families_of(account_id, now):
        known = of(family.client_id)
        connection = Connection(family.id, family.created_at, family.rotated_at)
        found[family.client_id] = replace(known, connections=(*known.connections, connection))
    for client_id in session_clients.open_clients_of(account_id):
        found[client_id] = replace(of(client_id), is_open=True)
    return sorted(found.values(), key=lambda service: service.name.casefold())


def disconnect_service(account_id: str, client_id: str, now: datetime) -> bool:
    """Withdraw a person's consent and end every grant of this client; false when there is neither. Commits.

    An access token without a refresh token lives out its ten minutes: nothing lists those.
    """
    had_consent = withdraw_consent(account_id=account_id, client_id=client_id)
    db.session.commit()
    ended = revoke_families_of_service(account_id, client_id, now)
    if had_consent or ended:
        events.service_disconnected(account_id=account_id, client_id=client_id, grants=ended)
    return had_consent or ended > 0


def disconnect_grant(account_id: str, grant_id: str, now: datetime) -> bool:
    """End one grant of a person; false when it is not theirs, or over. Commits."""
    family = db.session.get(RefreshFamily, grant_id) if len(grant_id) <= 22 else None
    if family is None or family.account_id != account_id or family.revoked_at is not None:
        return False
    client_id = family.client_id
    revoke_grant(grant_id, now, reason="disconnected")
    events.grant_disconnected(account_id=account_id, client_id=client_id, grant_id=grant_id)
    return True
