"""Sample contexts for the pages of « Gérer mon compte »."""

from datetime import UTC, datetime, timedelta
from typing import Any

from idp.oidc.connections import Connection, Service
from idp.selfservice.home import SECTIONS
from idp.session import OpenSession

NOW = datetime(2026, 3, 2, 13, 20, tzinfo=UTC)
FRAME: dict[str, Any] = {"errors": [], "confirmed": False}
HERE, THERE = "aGVyZWhlcmVoZXJlaGVyZQ", "dGhlcmV0aGVyZXRoZXJlMQ"
SESSIONS = [
    OpenSession(HERE, "Firefox (Windows)", "urn:sesame:acr:2sv", NOW - timedelta(hours=1), NOW),
    OpenSession(THERE, "", "urn:sesame:acr:mfa", NOW - timedelta(days=1), NOW - timedelta(minutes=7)),
]
TV = (Connection("Z3JhbnQx", NOW, NOW), Connection("Z3JhbnQy", NOW, NOW))
SERVICES = [
    Service("shop", "Prime d’activité <&> Démonstration", False, False, NOW, ("votre nom", "votre adresse e-mail")),
    Service("tv", "Caf TV", True, True, connections=TV),
    Service("web", "Mes droits", False, True, is_open=True),
]

ACCOUNT: dict[str, dict[str, dict[str, Any]]] = {
    "account/home.html": {"": {**FRAME, "sections": SECTIONS}},
    "account/stopped.html": {"": FRAME},
    "account/signed_out.html": {"": FRAME},
    "account/sessions.html": {
        "two": {**FRAME, "sessions": SESSIONS, "here": HERE},
        "confirmed": {**FRAME, "confirmed": True, "sessions": SESSIONS[:1], "here": HERE},
    },
    "account/services.html": {
        "some": {**FRAME, "services": SERVICES},
        "none": {**FRAME, "services": []},
    },
}
