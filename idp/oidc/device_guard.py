"""How often codes of devices may be typed: counted before anything is looked up (RFC 8628 §5.1).

Per browser, per account where one is known, and per address: a new cookie does not begin anew, nor does a new account.
"""

from datetime import datetime

from idp import crypto, metrics, ratelimit
from idp.oidc.device_requests import DeviceRequest
from idp.ratelimit import Window
from idp.session import Session
from idp.settings import settings
from idp.state import state


def spend_try(session: Session, address: str, now: datetime) -> datetime | None:
    """Count one typed code; return until when none is taken, or ``None`` when this one may be looked up."""
    limits = settings.device
    lanes = [("address", address, limits.address_tries), ("browser", crypto.fingerprint(session.csrf), limits.tries)]
    if session.account_id is not None:
        lanes.append(("account", session.account_id, limits.tries))
    for lane, key, limit in lanes:
        windows = (Window(limit, limits.tries_window),)
        spent = ratelimit.spend(f"device-{lane}", key, windows=windows, now=now)
        if spent.retry_at is not None:
            metrics.PAUSES.labels("device-code").inc()
            return spent.retry_at
    return None


def spend_last_letters(asked: DeviceRequest) -> bool:
    """Count one try at the last letters of a known request; false when there were too many."""
    tries = state.bump("device-last-letters", asked.id, ttl=settings.device.lifetime)
    return tries <= settings.device.last_letters_tries
