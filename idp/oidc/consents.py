"""What a person has agreed that a third-party service may learn, kept until it is withdrawn."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import JSON, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from idp.db import Base, Moment, db
from idp.oidc import events
from idp.oidc.claims import CONSENT_TEXTS, SCOPES
from idp.oidc.clients import Client
from idp.oidc.request import AuthorizationRequest


class Consent(Base):
    """One person's agreement with one client; its scopes only grow, until it is withdrawn as a whole."""

    __tablename__ = "consents"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.client_id", ondelete="CASCADE"), primary_key=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    granted_at: Mapped[datetime] = mapped_column(Moment)

    def covers(self, scopes: Iterable[str]) -> bool:
        """Tell whether everything in ``scopes`` was agreed to."""
        return set(scopes) <= set(self.scopes)


def granted_scopes(request: AuthorizationRequest, client: Client) -> tuple[str, ...]:
    """Return the scopes that the code will carry: unknown and unregistered ones are dropped (AC-115, P-47)."""
    return tuple(scope for scope in request.scopes if scope in SCOPES and scope in client.scopes)


def wanted_scopes(request: AuthorizationRequest, client: Client) -> frozenset[str]:
    """Return what must be agreed to: the scopes, and those to which claims belong that are asked for by name."""
    named = set(allowed_claims((*request.claims.userinfo, *request.claims.id_token), client))
    return frozenset(granted_scopes(request, client)) | {scope for scope in SCOPES if named & set(SCOPES[scope])}


def allowed_claims(named: Iterable[str], client: Client) -> tuple[str, ...]:
    """Return the claims asked for by name that belong to scopes which the client may have (P-55)."""
    allowed = {claim for scope in client.scopes for claim in SCOPES.get(scope, ())}
    return tuple(claim for claim in named if claim in allowed)


def consent_texts(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return the catalogue ids of what the consent page names."""
    wanted = set(scopes)
    return tuple(text for scope, text in CONSENT_TEXTS.items() if scope in wanted)


def consent_purposes(scopes: Iterable[str], client: Client) -> dict[str, dict[str, str]]:
    """Return why a client needs what the consent page names, by the catalogue id that stands there and language."""
    wanted = set(scopes)
    return {
        text: client.purposes[scope] for scope, text in CONSENT_TEXTS.items() if scope in wanted & set(client.purposes)
    }


def find_consent(account_id: str, client_id: str) -> Consent | None:
    """Return what a person has agreed to with a client."""
    return db.session.get(Consent, (account_id, client_id), populate_existing=True)


def record_consent(*, account_id: str, client_id: str, scopes: Iterable[str], now: datetime) -> None:
    """Remember an agreement beside earlier ones; the caller commits."""
    known = find_consent(account_id, client_id)
    whole = sorted(set(scopes) | set(known.scopes if known else ()))
    db.session.merge(Consent(account_id=account_id, client_id=client_id, scopes=whole, granted_at=now))
    events.consent_given(account_id=account_id, client_id=client_id, scopes=whole)


def withdraw_consent(*, account_id: str, client_id: str) -> bool:
    """Forget an agreement: the next visit asks again; tell whether there was one. The caller commits."""
    known = find_consent(account_id, client_id)
    if known is None:
        return False
    db.session.delete(known)
    events.consent_withdrawn(account_id=account_id, client_id=client_id)
    return True
