"""The audit events of clients: registered, changed, deleted, and the tokens to register with."""

from datetime import datetime

from idp.audit import record


def client_added(*, client_id: str, kind: str) -> None:
    """An administrator registered a client."""
    record("client-added", client_id=client_id, kind=kind)


def client_registered(*, client_id: str, token_id: str) -> None:
    """A client registered itself with an initial access token (RFC 7591)."""
    record("client-registered", client_id=client_id, token=token_id)


def client_updated(*, client_id: str, new_secret: bool) -> None:
    """A client changed its own registration (RFC 7592)."""
    record("client-updated", client_id=client_id, secret=new_secret)


def client_deleted(*, client_id: str) -> None:
    """A client deleted its own registration (RFC 7592)."""
    record("client-deleted", client_id=client_id)


def registration_refused(*, client_id: str | None, reason: str) -> None:
    """A request to `/register` was refused."""
    record("client-registration", outcome="refused", reason=reason, client_id=client_id)


def initial_token_issued(*, token_id: str, uses: int, expires_at: datetime) -> None:
    """An initial access token was made."""
    record("initial-token-issued", token=token_id, uses=uses, expires_at=expires_at.isoformat())


def initial_token_revoked(*, token_id: str) -> None:
    """An initial access token ended before its time."""
    record("initial-token-revoked", token=token_id)
