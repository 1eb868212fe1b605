"""Which browsers an account has been used on.

A recognised device has a password counter of its own, so that a stranger who keeps guessing cannot shut the owner
out (R7). It never replaces a proof. The cookie holds one random value for the browser; which accounts it stands for
is in the table, so it says nothing by itself, gives credit to its own accounts only (AC-09) and can be revoked.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select, update

from idp import clock, crypto, entropy
from idp.accounts.models import KnownDevice
from idp.db import db
from idp.prepared import Prepared
from idp.settings import settings

_LONGEST_COOKIE: Final = 200
_LONGEST_LABEL: Final = 80
_FIND = Prepared(
    select(KnownDevice.created_at).where(
        KnownDevice.device_hash == bindparam("device_hash", type_=KnownDevice.device_hash.type),
        KnownDevice.account_id == bindparam("account_id", type_=KnownDevice.account_id.type),
        KnownDevice.revoked_at.is_(None),
        KnownDevice.last_seen_at > bindparam("seen_after", type_=KnownDevice.last_seen_at.type),
    )
)


def remember_device(cookie: str | None, account_id: str, label: str, now: datetime) -> str:
    """Recognise this browser for the account after a complete sign-in; the cookie value to set. Callers commit.

    Each sign-in draws a new value and moves the browser's other accounts to it: a cookie that was copied, or planted
    in this browser by someone else, is worth nothing from here on.
    """
    value = entropy.token()
    device_hash = crypto.fingerprint(value)
    if (old_hash := _read_cookie(cookie)) is not None:
        db.session.execute(
            update(KnownDevice)
            .where(KnownDevice.device_hash == old_hash)
            .values(device_hash=device_hash)
            .execution_options(synchronize_session=False)
        )
    _keep(device_hash, account_id, label, now, is_new=old_hash is None)
    return f"{value}.{_sign(value)}"


def cookie_of_key(jkt: str) -> str:
    """Return what stands for a cookie where an app proves, with every request, that it holds the key ``jkt``."""
    value = f"key {jkt}"
    return f"{value}.{_sign(value)}"


def remember_key(jkt: str, account_id: str, label: str, now: datetime) -> None:
    """Recognise an app by its key after a complete sign-in; callers commit.

    Nothing is drawn anew: the key is never sent, so that it cannot be copied from a request.
    """
    _keep(crypto.fingerprint(f"key {jkt}"), account_id, label, now)


def is_recognised(cookie: str | None, account_id: str) -> bool:
    return find_device(cookie, account_id, now=clock.now()) is not None


def find_device(cookie: str | None, account_id: str | None, *, now: datetime) -> str | None:
    """The device's name in our tables if it is recognised for this account; asks the database for no account too."""
    return _read_cookie(cookie) if _recognised_since(cookie, account_id, now) else None


def find_lane(cookie: str | None, account_id: str | None, *, now: datetime) -> str | None:
    """The lane in which a recognised device's failures are counted, or None for a device that is not recognised.

    Named by when the device was first recognised, not by its cookie: every sign-in in that browser, also another
    person's, draws a new cookie, and must not wipe the count. Asks the database for no account too.
    """
    since = _recognised_since(cookie, account_id, now)
    return _lane_of(since) if since else None


def _recognised_since(cookie: str | None, account_id: str | None, now: datetime) -> datetime | None:
    device_hash = _read_cookie(cookie)
    if device_hash is None:
        return None
    seen_after = now - settings.lifetimes.known_device
    row = _FIND.run({"device_hash": device_hash, "account_id": account_id or "", "seen_after": seen_after})
    return row.created_at if row else None


def lanes_of(account_id: str) -> list[str]:
    """Return the lanes of every device that is recognised for an account."""
    return [_lane_of(device.created_at) for device in list_devices(account_id)]


def list_devices(account_id: str) -> list[KnownDevice]:
    """The devices that are recognised for an account, last used first."""
    query = select(KnownDevice).where(KnownDevice.account_id == account_id, KnownDevice.revoked_at.is_(None))
    return list(db.session.scalars(query.order_by(KnownDevice.last_seen_at.desc())))


def revoke_devices(account_id: str, *, now: datetime, device_hash: str | None = None) -> int:
    """Recognise one device of the account no longer, or none of them (after a stolen password); how many ended."""
    query = update(KnownDevice).where(KnownDevice.account_id == account_id, KnownDevice.revoked_at.is_(None))
    if device_hash is not None:
        query = query.where(KnownDevice.device_hash == device_hash)
    ended = db.session.scalars(query.values(revoked_at=now).returning(KnownDevice.device_hash))
    return len(ended.all())


def _keep(device_hash: str, account_id: str, label: str, now: datetime, *, is_new: bool = False) -> None:
    device = None if is_new else db.session.get(KnownDevice, (device_hash, account_id))
    if device is None:
        device = KnownDevice(device_hash=device_hash, account_id=account_id, created_at=now)
        db.session.add(device)
    device.label, device.last_seen_at, device.revoked_at = label[:_LONGEST_LABEL], now, None
    db.session.flush()


def _lane_of(since: datetime) -> str:
    return f"device-{since:%Y%m%dT%H%M%S.%f}"


def _read_cookie(cookie: str | None) -> str | None:
    """The stored name of the device whose cookie we made, or None: forged and edited ones end here (AC-175)."""
    if cookie is None or len(cookie) > _LONGEST_COOKIE or not cookie.isascii():
        return None
    value, _, signature = cookie.partition(".")
    return crypto.fingerprint(value) if crypto.same(_sign(value), signature) else None


def _sign(value: str) -> str:
    return crypto.keyed("device", value).hex()
