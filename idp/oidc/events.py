"""The audit events of the protocol: clients' proofs, codes and tokens, consents, devices, sign-outs."""

from collections.abc import Iterable
from typing import Literal

from idp.audit import record


def client_refused(*, client_id: str | None, reason: Literal["network"] | None = None) -> None:
    """A client could not prove itself, or did so from a network that is not among its own."""
    record("client-authentication", outcome="refused", client_id=client_id, reason=reason)


def pushed_request_refused(*, client_id: str, reason: str) -> None:
    """A pushed authorization request was refused (RFC 9126)."""
    record("request-pushed", outcome="refused", client_id=client_id, reason=reason)


def code_reused() -> None:
    """An authorization code came a second time: what the first use issued is revoked."""
    record("code-reuse", outcome="refused")


def code_exchange_refused(*, client_id: str, reason: str) -> None:
    """An authorization code was not exchanged."""
    record("code-exchange", outcome="refused", client_id=client_id, reason=reason)


def refresh_token_reused(*, account_id: str | None, client_id: str) -> None:
    """A refresh token came a second time: its family is revoked."""
    record("refresh-reuse", outcome="refused", account_id=account_id, client_id=client_id)


def machine_token_issued(*, client_id: str, scopes: Iterable[str]) -> None:
    """A client got a token for itself."""
    record("machine-token", client_id=client_id, scopes=" ".join(scopes))


def token_exchanged(*, account_id: str | None, client_id: str, of: str) -> None:
    """A client exchanged a token of another client, ``of`` (RFC 8693)."""
    record("token-exchanged", account_id=account_id, client_id=client_id, of=of)


def token_revoked(*, client_id: str, kind: Literal["access", "refresh"]) -> None:
    """A client revoked a token of its own (RFC 7009)."""
    record("token-revoked", client_id=client_id, kind=kind)


def consent_given(*, account_id: str, client_id: str, scopes: Iterable[str]) -> None:
    """An account holder let a service have what stands in ``scopes``."""
    record("consent-given", account_id=account_id, client_id=client_id, scopes=" ".join(scopes))


def consent_withdrawn(*, account_id: str, client_id: str) -> None:
    """An account holder took a consent back."""
    record("consent-withdrawn", account_id=account_id, client_id=client_id)


def service_disconnected(*, account_id: str, client_id: str, grants: int) -> None:
    """An account holder disconnected a service, and its grants ended."""
    record("service-disconnected", account_id=account_id, client_id=client_id, grants=grants)


def grant_disconnected(*, account_id: str, client_id: str, grant_id: str) -> None:
    """An account holder disconnected one device of a service."""
    record("grant-disconnected", account_id=account_id, client_id=client_id, grant=grant_id)


def device_asked(*, client_id: str) -> None:
    """A device without a keyboard asked to be connected (RFC 8628)."""
    record("device-request", client_id=client_id)


def device_allowed(*, account_id: str, client_id: str, grant_id: str, same_network: bool | None, by_link: bool) -> None:
    """An account holder allowed a device."""
    record(
        "device-allowed", account_id=account_id, client_id=client_id, grant=grant_id, same_network=same_network,
        by_link=by_link,
    )  # fmt: skip


def device_refused(*, account_id: str | None, client_id: str, reason: str) -> None:
    """A device was not allowed."""
    record("device-refused", outcome="refused", reason=reason, account_id=account_id, client_id=client_id)


def device_undone(*, account_id: str | None, grant_id: str) -> None:
    """An account holder took back what a device had been allowed a moment before."""
    record("device-undone", account_id=account_id, grant=grant_id)


def signed_out(*, account_id: str | None, reason: str | None = None, clients: int | None = None) -> None:
    """A session ended, in this browser or by one that is elsewhere or idle."""
    record("sign-out", account_id=account_id, reason=reason, clients=clients)


def signed_out_everywhere(*, account_id: str, reason: str, sessions: int) -> None:
    """Every session of a person ended."""
    record("sign-out-everywhere", account_id=account_id, reason=reason, sessions=sessions)


def security_event_told(outcome: str, *, account_id: str, client_id: str, kind: str, reason: str) -> None:
    """A service was told what happened to an account, or could not be (RFC 8935)."""
    record("security-event-told", outcome=outcome, account_id=account_id, client_id=client_id, reason=reason, kind=kind)


def logout_told(outcome: str, *, account_id: str, client_id: str, reason: str) -> None:
    """A service was told that a session ended, or could not be (Back-Channel Logout)."""
    record("logout-told", outcome=outcome, account_id=account_id, client_id=client_id, reason=reason)


def in_app_session_refused(*, client_id: str) -> None:
    """An `auth_session` of a sign-in inside an app came with another key or from another client."""
    record("in-app", outcome="refused", client_id=client_id, reason="another-key")


def in_app_left(*, account_id: str | None, client_id: str) -> None:
    """A sign-in inside an app went on in the browser."""
    record("in-app", outcome="web", account_id=account_id, client_id=client_id)


def in_app_ended(*, account_id: str | None, client_id: str, grant_id: str) -> None:
    """A sign-in inside an app came to its end with an authorization code."""
    record("in-app", account_id=account_id, client_id=client_id, grant=grant_id)
