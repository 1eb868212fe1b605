"""Which addresses a client may register to be told of sign-outs and security events (Back-Channel §2.2, RFC 8935)."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from idp.oidc.redirect_uris import fault_of
from idp.security_events import EVENT_TYPES

# The origin stands in the Content-Security-Policy of the signed-out page: nothing in it may end a directive.
_ORIGIN = re.compile(r"https?://([a-z0-9-]+\.)*[a-z0-9-]+(:\d{1,5})?", re.IGNORECASE)
_FLAGS = ("backchannel_logout_session_required", "frontchannel_logout_session_required")


def logout_uri_faults(metadata: Mapping[str, Any], *, is_production: bool) -> list[str]:
    """Return what is wrong with a client's logout addresses: those of a website, whatever kind of client it is.

    An address by number is refused, private or not, as in redirect URIs; what a name leads to is judged when it is
    called (`fetch.py`), every time, for a name may lead elsewhere tomorrow (AC-168).
    """
    faults = [f"{name}: must be true or false" for name in _FLAGS if not isinstance(metadata.get(name, True), bool)]
    for field in ("backchannel_logout_uri", "frontchannel_logout_uri"):
        uri = metadata.get(field)
        if uri is None:
            continue
        if not isinstance(uri, str):
            faults.append(f"{field}: must be a text")
            continue
        fault = fault_of(uri, kind="website", is_production=is_production)
        if fault is None and field == "frontchannel_logout_uri":
            fault = _frame_fault(uri, metadata.get("redirect_uris", ()))
        if fault is not None:
            faults.append(f"{field}: {uri!r} {fault}")
    return faults


def event_faults(metadata: Mapping[str, Any], *, is_production: bool) -> list[str]:
    """Return what is wrong with where security events are pushed, and with which of them are asked for."""
    uri, kinds = metadata.get("security_events_uri"), metadata.get("security_event_types") or ()
    unknown = sorted({str(kind) for kind in kinds} - set(EVENT_TYPES))
    faults = [f"security_event_types: not offered: {', '.join(unknown)}"] if unknown else []
    if bool(uri) != bool(kinds):
        faults.append("security_events_uri: goes together with security_event_types")
    if uri is not None:
        fault = fault_of(uri, kind="website", is_production=is_production) if isinstance(uri, str) else "must be a text"
        if fault is not None:
            faults.append(f"security_events_uri: {uri!r} {fault}")
    return faults


def _frame_fault(uri: str, redirect_uris: Iterable[str]) -> str | None:
    if not _ORIGIN.fullmatch(origin_of(uri)):
        return "has a host with odd characters"
    # Front-Channel Logout §2: "The domain, port, and scheme of this URL MUST be the same as that of a registered
    # Redirection URI value."
    if origin_of(uri) not in {origin_of(one) for one in redirect_uris}:
        return "is of another origin than every redirect URI (Front-Channel Logout 2)"
    return None


def origin_of(uri: str) -> str:
    """Return scheme, host and port of ``uri``, the way browsers compare them."""
    parts = urlsplit(uri)
    usual = {"https": 443, "http": 80}.get(parts.scheme)
    port = "" if parts.port in {None, usual} else f":{parts.port}"
    return f"{parts.scheme}://{(parts.hostname or '')}{port}"
