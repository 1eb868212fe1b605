"""Which apps belong to our own services, as registered: the documents for Apple and Google name them too.

Only services of ours: an app that is named there may use the passkeys of this host.
"""

from dataclasses import dataclass
from datetime import datetime

from idp import clock, well_known
from idp.oidc.clients import FORGET, list_clients
from idp.settings import settings
from idp.well_known import Apps


@dataclass(frozen=True, slots=True)
class _Known:
    apps: Apps
    until: datetime


_known: dict[str, _Known] = {}
FORGET.append(_known.clear)


def registered_apps() -> Apps:
    """Return the apps of active first-party clients, from memory if they were read in the last few seconds."""
    now = clock.now()
    known = _known.get(settings.issuer)
    if known is None or now >= known.until:
        ours = [one for one in list_clients() if one.first_party and not one.is_suspended]
        android: dict[str, list[str]] = {}
        for client in ours:
            for package, prints in client.android_apps.items():
                android[package] = sorted({*android.get(package, ()), *prints})
        apple = sorted({app for client in ours for app in client.apple_apps})
        known = _known[settings.issuer] = _Known(Apps(tuple(apple), android), now + settings.lifetimes.client_cache)
    return known.apps


well_known.REGISTERED.append(registered_apps)
