"""A copy of one's own data, to keep or to take elsewhere (GDPR articles 15 and 20): JSON, the NIR masked."""

import json
from datetime import datetime
from typing import Any

from flask import Response, make_response

from idp import clock, metrics, session
from idp.accounts import contact_changes, devices
from idp.accounts.models import Account
from idp.i18n import _, current_locale
from idp.oidc.connections import list_connections
from idp.selfservice import events
from idp.selfservice.entry import blueprint, current_holder, show
from idp.selfservice.fresh import require_fresh
from idp.selfservice.history import list_entries

_SHOWN = 3


@blueprint.get("/data")
def data_page() -> Response:
    """Say what the copy holds."""
    return show("data")


@blueprint.post("/data")
def data_download() -> Response:
    """Hand the copy out."""
    holder, now = current_holder(), clock.now()
    require_fresh(now)
    text = json.dumps(collect(holder.account, holder.sid, now), ensure_ascii=False, indent=2)
    metrics.ACCOUNT.labels("data-downloaded").inc()
    events.data_downloaded(account_id=holder.account_id)
    answer = make_response(text + "\n")
    answer.mimetype = "application/json"
    answer.headers["Content-Disposition"] = f'attachment; filename="mon-compte-{now:%Y-%m-%d}.json"'
    return answer


def collect(account: Account, sid: str, now: datetime) -> dict[str, Any]:
    """Return what we hold of a person, in their own words; no hash, no key, no id that opens anything."""
    changes = [one for kind in contact_changes.KINDS for one in contact_changes.list_confirmed(account.id, kind, now)]
    return {
        "made_at": _iso(now),
        "account": {
            # Whoever finds the file on a shared computer must not find the number in it (R9).
            "social_security_number": account.nir[:_SHOWN] + "•" * (len(account.nir) - _SHOWN),
            "status": account.status,
            "created_at": _iso(account.created_at),
            "password_changed_at": _iso(account.password_changed_at),
            "email_verified_at": _iso(account.email_verified_at),
            "mobile_verified_at": _iso(account.mobile_verified_at),
            **account.claims,
        },
        "changes_of_address": [
            {"kind": one.kind, "new": one.new, "confirmed_at": _iso(one.confirmed_at), "used_at": _iso(one.applied_at)}
            for one in changes
        ],
        "sessions": [
            {"device": one.device_label, "since": _iso(one.created_at), "last_seen_at": _iso(one.last_seen_at)}
            for one in session.list_sessions(account.id, now)
        ],
        "recognised_devices": [
            {"device": one.label, "since": _iso(one.created_at), "last_seen_at": _iso(one.last_seen_at)}
            for one in devices.list_devices(account.id)
        ],
        "services": [
            {
                "name": one.name,
                "agreed_at": _iso(one.agreed_at),
                "receives": list(one.receives),
                "connected_since": [_iso(connection.since) for connection in one.connections],
            }
            for one in list_connections(account.id, current_locale(), now)
        ],
        "last_sign_ins": [
            {"at": _iso(one.at), "what": _(one.text), "device": one.device} for one in list_entries(account.id, sid)
        ],
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
