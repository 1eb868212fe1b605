"""What a device that cannot show a page has asked for, from its first request to its tokens (RFC 8628 §3).

One entry of short-lived state per request. Every move is one atomic act: a request is answered once, by whoever
answers first, and redeemed once, by whoever polls first.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from idp import crypto, entropy
from idp.oidc.errors import AccessDenied, AuthorizationPending, ExpiredToken, InvalidGrant, SlowDown
from idp.oidc.grant import Grant
from idp.oidc.user_codes import draw_user_code
from idp.settings import settings
from idp.state import Space, state

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
_HANDLE = 22
_LENGTH = _HANDLE + 43
# §3.5: "the interval MUST be increased by 5 seconds for this and all subsequent requests".
_SLOWER = timedelta(seconds=5)
# An expired request is remembered so long, to tell its device so.
_REMEMBERED = timedelta(minutes=10)
# Allowed at the last moment, a device still has the time to come once more.
_COLLECT_WITHIN = timedelta(seconds=60)


@dataclass(frozen=True)
class DeviceRequest:
    """One request; ``device_code`` is its id and 256 bits of which only the fingerprint is kept."""

    id: str
    fingerprint: str
    user_code: str
    client_id: str
    scopes: tuple[str, ...]
    wished_levels: tuple[str, ...]
    nonce: str | None
    resources: tuple[str, ...]
    authorization_details: tuple[dict[str, Any], ...]
    network: str
    asked_at: datetime
    ends_at: datetime
    interval: timedelta
    polled_at: datetime | None = None
    was_hasty: bool = False
    outcome: Literal["allowed", "denied"] | None = None
    grant: Grant | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether the account holder can still answer."""
        return self.outcome is None and now < self.ends_at


@dataclass(frozen=True)
class NamedBy:
    """Which request a user code stands for."""

    request_id: str


DEVICE_REQUESTS = Space("device-request", DeviceRequest, once=True)
USER_CODES = Space("device-user-code", NamedBy)


def issue_device_request(
    *,
    client_id: str,
    scopes: tuple[str, ...],
    wished_levels: tuple[str, ...],
    nonce: str | None = None,
    resources: tuple[str, ...] = (),
    authorization_details: tuple[dict[str, Any], ...] = (),
    address: str,
    now: datetime,
) -> tuple[DeviceRequest, str]:
    """Keep a new request under a user code that no other living one has; return it with its device code."""
    request_id, lifetime = entropy.identifier(), settings.device.lifetime
    device_code = request_id + entropy.token()
    user_code = draw_user_code()
    while not state.add(USER_CODES, user_code, NamedBy(request_id), ttl=lifetime):
        user_code = draw_user_code()
    asked = DeviceRequest(
        id=request_id,
        fingerprint=crypto.fingerprint(device_code),
        user_code=user_code,
        client_id=client_id,
        scopes=scopes,
        wished_levels=wished_levels,
        nonce=nonce,
        resources=resources,
        authorization_details=authorization_details,
        network=network_of(address),
        asked_at=now,
        ends_at=now + lifetime,
        interval=settings.device.interval,
    )
    state.put(DEVICE_REQUESTS, request_id, asked, ttl=lifetime + _REMEMBERED)
    return asked, device_code


def find_device_request(request_id: str) -> DeviceRequest | None:
    """Return a request, open or not."""
    return state.get(DEVICE_REQUESTS, request_id) if len(request_id) == _HANDLE else None


def find_by_user_code(user_code: str) -> DeviceRequest | None:
    """Return the request that a typed code names, open or not."""
    named = state.get(USER_CODES, user_code)
    return find_device_request(named.request_id) if named else None


def allow_device(asked: DeviceRequest, grant: Grant, now: datetime) -> bool:
    """Let the device have ``grant``; true for the one answer that came first, and in time."""
    ends_at = max(asked.ends_at, now + _COLLECT_WITHIN)
    return _answer(asked, now, outcome="allowed", grant=grant, ends_at=ends_at)


def deny_device(asked: DeviceRequest, now: datetime) -> bool:
    """Tell the device no; true for the one answer that came first."""
    return _answer(asked, now, outcome="denied")


def take_back(request_id: str) -> bool:
    """Undo an `allow_device` whose tokens have not been collected; false when they have."""

    def _unsay(old: DeviceRequest) -> DeviceRequest | None:
        return replace(old, outcome="denied", grant=None) if old.outcome == "allowed" else None

    return state.change(DEVICE_REQUESTS, request_id, _unsay) is not None


def redeem_device_code(value: str, *, client_id: str, now: datetime) -> tuple[Grant, str | None]:
    """Use an allowed device code up and return its grant and nonce, or raise what §3.5 says.

    The errors in its order of need: nothing is told to who does not hold the code or is another client.
    """
    asked = find_device_request(value[:_HANDLE]) if len(value) == _LENGTH else None
    if asked is None or not crypto.same(asked.fingerprint, crypto.fingerprint(value)):
        raise InvalidGrant("device code unknown or used")
    if asked.client_id != client_id:
        raise InvalidGrant("device code of another client")
    if asked.outcome == "denied":
        raise AccessDenied("The account holder did not allow this device.")
    if now >= asked.ends_at:
        raise ExpiredToken("The device code has expired; begin again.")
    if asked.outcome is None:
        raise _still_pending(asked, now)
    taken = state.take(DEVICE_REQUESTS, asked.id)
    if taken is None or taken.grant is None:
        # A rival poll was faster, or the account holder took it back.
        raise InvalidGrant("device code used")
    return taken.grant, taken.nonce


def network_of(address: str) -> str:
    """Return a name for an address that can be compared and not read; an unknown address is nobody's neighbour."""
    return crypto.keyed("device", "network", address).hex()[:32] if address != "unknown" else entropy.identifier()


def _answer(asked: DeviceRequest, now: datetime, **changes: object) -> bool:
    def _once(old: DeviceRequest) -> DeviceRequest | None:
        return replace(old, **changes) if old.is_open(now) else None  # type: ignore[arg-type]

    answered = state.change(DEVICE_REQUESTS, asked.id, _once) is not None
    if answered:
        # BCP 247 (RFC 10027) §6.1: a user code is good once.
        state.delete(USER_CODES, asked.user_code)
    return answered


def _still_pending(asked: DeviceRequest, now: datetime) -> AuthorizationPending | SlowDown:
    def _count(old: DeviceRequest) -> DeviceRequest | None:
        if old.outcome is not None:
            return None
        hasty = old.polled_at is not None and now < old.polled_at + old.interval
        return replace(old, polled_at=now, was_hasty=hasty, interval=old.interval + (_SLOWER if hasty else timedelta()))

    counted = state.change(DEVICE_REQUESTS, asked.id, _count)
    if counted is not None and counted.was_hasty:
        return SlowDown(f"Wait {counted.interval.total_seconds():g} seconds between two polls.")
    return AuthorizationPending("The account holder has not answered yet.")
