"""Sample contexts for the pages of « Gérer mon compte »."""

from datetime import UTC, datetime, timedelta
from typing import Any

from idp.oidc.connections import Connection, Service
from idp.selfservice.history import Entry
from idp.selfservice.home import SECTIONS
from idp.session import OpenSession
from idp.signin.forms import FieldError

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

PASSWORD: dict[str, Any] = {**FRAME, "stolen": False, "minimum_length": 12}
CHANGES = [
    {"masked": "c•••••e@orange.fr", "applied_at": None, "due_at": NOW, "undo_until": NOW + timedelta(days=7)},
    {"masked": "b•••••b@orange.fr", "applied_at": NOW, "due_at": NOW, "undo_until": NOW + timedelta(days=6)},
]
CONTACT: dict[str, Any] = {
    **FRAME, "kind": "email", "typed": "", "present": "a•••••n@e•••.fr", "changes": [], "said": None, "hours": 24,
}  # fmt: skip
CONTACT_CODE: dict[str, Any] = {
    **FRAME, "kind": "email", "masked": "c•••••e@orange.fr", "minutes": 15, "sent": False, "sent_at": NOW,
}  # fmt: skip

DEVICES = [
    {"device_hash": "aa", "label": "Firefox (Windows)", "created_at": NOW, "last_seen_at": NOW},
    {"device_hash": "bb", "label": "", "created_at": NOW, "last_seen_at": NOW},
]
ENTRIES = [
    Entry(NOW, "account.history.2sv", "Firefox (Windows)", is_here=True),
    Entry(NOW - timedelta(minutes=5), "account.history.wrong_password", is_good=False),
    Entry(NOW - timedelta(days=1), "account.history.mfa"),
]

ACCOUNT: dict[str, dict[str, dict[str, Any]]] = {
    "account/home.html": {"": {**FRAME, "sections": SECTIONS, "signals": None}},
    "account/stopped.html": {"": FRAME},
    "account/signed_out.html": {"": FRAME},
    "account/sessions.html": {
        "two": {**FRAME, "sessions": SESSIONS, "here": HERE},
        "confirmed": {**FRAME, "confirmed": True, "sessions": SESSIONS[:1], "here": HERE},
    },
    "account/password.html": {
        "first": PASSWORD,
        "stolen": {**PASSWORD, "stolen": True},
        "wrong": {
            **PASSWORD,
            "errors": [
                FieldError("password", "Écrivez-le."),
                FieldError("new-password", "Trop court."),
            ],
        },
    },
    "account/password_done.html": {"": FRAME},
    "account/password_elsewhere.html": {
        "first": {"confirmed": False, "errors": [], "url": "https://password.example.fr/"},
        "nowhere to go": {"confirmed": False, "errors": [], "url": None},
    },
    "account/contact_elsewhere.html": {
        "first": {"confirmed": False, "errors": [], "kind": "email", "present": "j•••••n@orange.fr"},
        "none": {"confirmed": False, "errors": [], "kind": "mobile", "present": None},
    },
    "account/contact.html": {
        "first": CONTACT,
        "a mobile, none yet": {**CONTACT, "kind": "mobile", "present": None, "hours": 1},
        "changed": {**CONTACT, "changes": CHANGES, "said": "changed", "hours": 0},
        "undone": {**CONTACT, "said": "undone"},
        "wrong": {**CONTACT, "typed": "alice@", "errors": [FieldError("contact", "Cette adresse n’est pas complète.")]},
    },
    "account/contact_code.html": {
        "sent": CONTACT_CODE,
        "wrong": {**CONTACT_CODE, "sent": True, "errors": [FieldError("code", "Ce n’est pas le bon code.")]},
    },
    "account/devices.html": {
        "two": {**FRAME, "devices": DEVICES, "here": "aa"},
        "none": {**FRAME, "devices": [], "here": None},
    },
    "account/history.html": {"": {**FRAME, "entries": ENTRIES}},
    "account/data.html": {"": FRAME},
    "account/language.html": {"": {**FRAME, "languages": [("fr", "Français"), ("en", "English")], "chosen": "fr"}},
    "account/services.html": {
        "some": {**FRAME, "services": SERVICES},
        "none": {**FRAME, "services": []},
    },
}
