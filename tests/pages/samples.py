"""One or several sample contexts for each template, as the views give them: the contract of the pages."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from markupsafe import Markup

from idp.accounts.contacts import Masked
from idp.selfservice.home import SECTIONS
from idp.signin.forms import FieldError
from tests.pages.account_samples import ACCOUNT
from tests.pages.admin_samples import ADMIN

NOW = datetime(2026, 3, 2, 13, 20, tzinfo=UTC)
TEMPLATES = Path(__file__).parents[2] / "idp" / "templates"
EMAIL = {"name": "email", "masked": "j•••••n@orange.fr", "spoken": "adresse qui commence par j", "checked": True}
SMS = {"name": "sms", "masked": "•• •• •• •• 47", "spoken": "numéro qui finit par 47", "checked": False}
CODE: dict[str, Any] = {
    "errors": [],
    "words": "piano olive",
    "channel": "email",
    "masked": EMAIL["masked"],
    "spoken": EMAIL["spoken"],
    "sent_at": NOW,
    "delivery": "accepted",
    "delivered_at": NOW,
    "resent": None,
    "expires_at": NOW + timedelta(minutes=15),
    "expired": False,
    "resend_in": 30,
    "sends_left": 4,
    "other_channels": [SMS],
    "sender": "ne-pas-repondre@connexion.exemple.fr",
}
IDENTIFY: dict[str, Any] = {"nir": "", "errors": [], "tries_left": None, "pause": None, "passkey": False}
FORGOT_CODE: dict[str, Any] = {
    "errors": [],
    "again": False,
    "words": "piano olive",
    "expires_at": NOW + timedelta(minutes=15),
    "expires_in": 900,
    "expired": False,
    "resend_in": 30,
    "code_minutes": 15,
}
ERROR: dict[str, Any] = {"code": "redirect", "restart_url": None}
ABOUT = {"logo": "/logos/0a1b", "policy": "https://rp.example/données?a=1&b=<2>", "terms": "https://rp.example/terms"}
SERVICE = "Prime d’activité <&> Démonstration"


NEAR: dict[str, Any] = {"service": SERVICE, "minutes": 0, "is_near": True}
CONFIRM: dict[str, Any] = {
    "facts": NEAR,
    "code": "WDJB-MJHT",
    "asks_for_last_letters": False,
    "items": [],
    "details": (),
    "third_party": False,
    "origin": "",
    "errors": [],
}


def _signin(**context: Any) -> dict[str, Any]:
    return {"interaction": "Zm9vYmFyYmF6cXV4cXV1eA", "service": SERVICE, "passkey": False, **context}


def _account(**context: Any) -> dict[str, Any]:
    return {"confirmed": False, "errors": [], **context}


PASSKEY: dict[str, Any] = {
    "id": "a", "name": 'iPhone <de> "Julie"', "created_at": NOW, "last_used_at": NOW, "suspect_at": None,
    "backed_up": True,
}  # fmt: skip

SIGNALS = {"rp": "idp.test", "user": "dXNlcg", "name": "Alice <Martin>", "accepted": "YQ Yg"}
# What a plug-in says of its factor, at the length that its contract allows.
PLUGGED = {
    "fr": {
        "factor.token.title": "Lisez le code de votre boîtier",
        "factor.token.label": "Code du boîtier",
        "factor.token.hint": "6 chiffres, qui changent chaque minute.",
        "u05.with.token": "Utiliser le boîtier à codes de votre organisme, si vous l’avez",
        "u05.have.token": "Vous avez le boîtier à codes ?",
    },
    "en": {
        "factor.token.title": "Read the code on your token",
        "factor.token.label": "Code of the token",
        "factor.token.hint": "6 digits, which change every minute.",
        "u05.with.token": "Use the code token",
        "u05.have.token": "Do you have the code token?",
    },
}

BANNER = SimpleNamespace(
    texts={"fr": "Mardi de 22 h à 23 h, les SMS <peuvent> tarder.", "en": "Text messages may be late <tonight>."}
)
QR = Markup('<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><path d="M0 0h10v10z"/></svg>')
# Template -> name of the case -> what the view gives.
LOGOUT: dict[str, Any] = {"services": [], "others": [], "frames": [], "frame_wait": 5, "return_url": None}
SAMPLES: dict[str, dict[str, dict[str, Any]]] = {
    "signin/identify.html": {
        "first": _signin(**IDENTIFY),
        "passkey": _signin(**{**IDENTIFY, "passkey": True}),
        "switched off, and a banner": _signin(**IDENTIFY, switched_off=("passkey",), banner=BANNER),
        "a service that says more": _signin(**IDENTIFY, about=ABOUT),
        "after a reset": _signin(**IDENTIFY, changed=True),
        "after a wait": _signin(**{**IDENTIFY, "nir": "1991399999001"}, waited=True),
        "two errors": _signin(
            nir="1 99 13",
            errors=[
                FieldError("nir", "Votre numéro doit avoir 13 caractères. Vous en avez écrit 5."),
                FieldError("password", "Écrivez votre mot de passe."),
            ],
            tries_left=None,
            pause=None,
        ),
        "wrong": _signin(
            nir="1991399999001",
            errors=[FieldError("nir", "Le numéro et le mot de passe ne vont pas ensemble.")],
            tries_left=1,
            pause=timedelta(minutes=5),
        ),
    },
    "signin/forgot.html": {
        "two": _signin(nir="", channels=[EMAIL, SMS], errors=[]),
        "one": _signin(nir="", channels=[EMAIL], errors=[]),
        "errors": _signin(
            nir="1 99",
            channels=[EMAIL, SMS],
            errors=[
                FieldError("nir", "Votre numéro doit avoir 13 caractères. Vous en avez écrit 3."),
                FieldError("channel", "Choisissez où recevoir le code."),
            ],
        ),
    },
    "signin/forgot_code.html": {
        "sent": _signin(**FORGOT_CODE),
        "again": _signin(**{**FORGOT_CODE, "again": True}),
        "expired": _signin(**{**FORGOT_CODE, "expired": True, "expires_in": 0, "resend_in": 0}),
        "wrong": _signin(**{**FORGOT_CODE, "errors": [FieldError("code", "Ce n’est pas le bon code.")]}),
    },
    "signin/forgot_password.html": {
        "first": _signin(minimum=12, errors=[]),
        "wrong": _signin(minimum=12, errors=[FieldError("new-password", "Ce mot de passe est trop court.")]),
    },
    "signin/reset_pause.html": {"": _signin(until=NOW + timedelta(minutes=15), minutes=15)},
    "signin/lost.html": {"": _signin()},
    "signin/authenticator.html": {
        "first": _signin(errors=[], others=True),
        "wrong": _signin(errors=[FieldError("code", "Ce n’est pas le bon code.")], others=False),
    },
    "signin/factor.html": {
        "first": _signin(name="token", errors=[], others=True),
        "wrong": _signin(name="token", errors=[FieldError("code", "Attendez le suivant.")], others=False),
    },
    "signin/recovery.html": {
        "first": _signin(errors=[], others=False),
        "wrong": _signin(errors=[FieldError("recovery-code", "Ce code ne marche pas.")], others=True),
    },
    "signin/send.html": {
        "two": _signin(channels=[EMAIL, SMS], errors=[]),
        "passkey": _signin(channels=[EMAIL, SMS], errors=[], passkey=True),
        "one": _signin(channels=[SMS], errors=[]),
        "late": _signin(channels=[EMAIL, SMS], errors=[], late=["sms"]),
        "at hand": _signin(channels=[SMS], errors=[], at_hand=["totp", "recovery", "token"]),
        "error": _signin(channels=[EMAIL, SMS], errors=[FieldError("channel", "Choisissez où recevoir le code.")]),
    },
    "stop/enter.html": {
        "first": {"errors": [], "typed": ""},
        "wrong": {"errors": [FieldError("stop-key", "Nous ne trouvons pas cette clé.")], "typed": "7KQ-4MX-CDF"},
    },
    "stop/done.html": {"": {}},
    "signin/address.html": {"": _signin(masked=Masked("j•••••n@orange.fr", "j", "n", "orange.fr"))},
    "signin/forgot_elsewhere.html": {
        "first": _signin(url="https://password.example.fr/"),
        "nowhere to go": _signin(url=None),
    },
    "signin/renew_elsewhere.html": {
        "first": _signin(url="https://password.example.fr/"),
        "nowhere to go": _signin(url=None),
    },
    "signin/renew.html": {
        "first": _signin(errors=[], minimum=12),
        "short": _signin(errors=[FieldError("new-password", "Il est trop court.")], minimum=12),
    },
    "signin/promote.html": {
        "offered": _signin(enrolled=None, failure=None),
        "failed": _signin(enrolled=None, failure="failed"),
        "late": _signin(enrolled=None, failure="late"),
        "on": _signin(enrolled='Téléphone <de> "Julie"', failure=None),
    },
    "signin/code.html": {
        "sent": _signin(**CODE),
        "queued": _signin(**{**CODE, "delivery": "queued", "resend_in": 0}),
        "refused": _signin(**{**CODE, "delivery": "refused", "sends_left": 1}),
        "same": _signin(**{**CODE, "resent": "same", "channel": "sms", **_signin(masked=SMS["masked"])}),
        "new": _signin(**{**CODE, "resent": "new", "sends_left": 0, "other_channels": []}),
        "expired": _signin(**{**CODE, "expired": True, "resend_in": 0}),
        "refused, one way": _signin(**{**CODE, "delivery": "refused", "other_channels": [], "resend_in": 0}),
        "wrong": _signin(
            **{
                **CODE,
                "errors": [FieldError("code", "Ce n’est pas le bon code."), FieldError("code", "Il reste 1 essai.")],
            }
        ),
    },
    "signin/no_access.html": {
        "others": _signin(other_channels=[EMAIL, SMS]),
        "passkey": _signin(other_channels=[EMAIL], passkey=True),
        "none": _signin(other_channels=[]),
        "at hand": _signin(other_channels=[EMAIL], at_hand=["totp", "recovery"]),
    },
    "signin/switched_off.html": {"": _signin(switched_off=("sms", "passkey", "token"))},
    "signin/no_channel.html": {"": _signin()},
    "signin/code_pause.html": {
        "many": _signin(until=NOW + timedelta(minutes=15), minutes=15),
        "passkey": _signin(until=NOW + timedelta(minutes=15), minutes=15, passkey=True),
        "one": _signin(until=NOW + timedelta(minutes=1), minutes=1),
    },
    "signin/send_limit.html": {
        "live": _signin(retry_at=NOW, code_until=NOW + timedelta(minutes=9), other_channels=[SMS]),
        "passkey": _signin(retry_at=NOW, code_until=None, other_channels=[], passkey=True),
        "dead": _signin(retry_at=NOW, code_until=None, other_channels=[]),
    },
    "signin/password_pause.html": {
        "bare": {"until": NOW + timedelta(minutes=5), "minutes": 5, "service": SERVICE, "passkey": False},
        "passkey": _signin(until=NOW + timedelta(minutes=5), minutes=5, passkey=True),
        "whole": _signin(until=NOW + timedelta(minutes=1), minutes=1),
    },
    "signin/waiting.html": {
        "": _signin(seconds=6, passkey=False, back="/signin/x/identify", kept="number"),
        "passkey": _signin(seconds=1, passkey=True, back="/signin/x/identify", kept="number"),
        "account": {
            "seconds": 6,
            "passkey": False,
            "interaction": "",
            "back": "/account/password",
            "kept": "passwords",
        },
        "console": {"seconds": 8, "passkey": False, "interaction": "", "back": "/admin/again/x", "kept": "form"},
    },
    "signin/restricted.html": {"": _signin(), "passkey": _signin(passkey=True)},
    "signin/passkey.html": {
        "asked": _signin(failure=None, unknown=None),
        "failed": _signin(failure="failed", unknown=None),
        "late": _signin(failure="late", unknown=None),
        "suspect": _signin(failure="suspect", unknown=None),
        "unknown": _signin(failure="unknown", unknown={"rp": "idp.test", "id": "bm9ib2R5"}),
    },
    "signin/send_failed.html": {
        "email": _signin(**EMAIL, channel="email", other_channels=[SMS], all_down=False),
        "sms": _signin(**SMS, channel="sms", other_channels=[], all_down=False),
        "down": _signin(**EMAIL, channel="email", other_channels=[], all_down=True),
        "passkey": _signin(**EMAIL, channel="email", other_channels=[], all_down=True, passkey=True),
    },
    "signin/consent.html": {
        "some": _signin(
            items=[("votre nom", None), ("votre adresse e-mail", ("fr", "Pour vous écrire <b>"))], details=[]
        ),
        "nothing": _signin(items=[], details=[]),
        "a service that says more": _signin(items=[("votre nom", None)], details=[], about=ABOUT),
        "details": _signin(items=[], details=[("Payer <une fois>", ["Montant : 12 €", "Vers : <b>"])]),
    },
    "signin/already.html": {"": _signin(continue_url="/signin/x/restart"), "bare": _signin()},
    "signin/loop.html": {"": {"service": SERVICE, "retry_url": "/authorize?a=b", "logout_url": "/logout"}},
    "device/enter.html": {
        "first": {"errors": [], "typed": ""},
        "wrong": {"errors": [FieldError("user-code", "Aucun appareil n’attend avec ce code.")], "typed": "wdjb mjht"},
    },
    "device/link.html": {
        "near": {"request_id": "cmVxdWVzdHJlcXVlc3RyZQ", "facts": NEAR},
        "far": {"request_id": "cmVxdWVzdHJlcXVlc3RyZQ", "facts": {**NEAR, "minutes": 3, "is_near": False}},
    },
    "device/confirm.html": {
        "near": _signin(**CONFIRM),
        "far": _signin(**{**CONFIRM, "facts": {**NEAR, "minutes": 3, "is_near": False}, "asks_for_last_letters": True}),
        "third party": _signin(
            **{
                **CONFIRM,
                "third_party": True,
                "items": [("votre nom", ("fr", "Vous nommer")), ("votre adresse e-mail", None)],
            }
        ),
        "third party, nothing": _signin(**{**CONFIRM, "third_party": True, "facts": {**NEAR, "minutes": 1}}),
        "details": _signin(**{**CONFIRM, "details": (("Payer une facture", ("Somme : 12 €", "À : Mairie")),)}),
        "wrong": _signin(
            **{
                **CONFIRM,
                "asks_for_last_letters": True,
                "errors": [
                    FieldError("origin", "Dites d’où vient ce code."),
                    FieldError("user-code", "Ce ne sont pas les 4 dernières lettres."),
                ],
            }
        ),
    },
    "device/connected.html": {"": _signin()},
    "device/ended.html": {
        ending: {"ending": ending} for ending in ("given", "denied", "tries", "undone", "stopped", "over")
    },
    "device/pause.html": {"": {"until": NOW + timedelta(minutes=15), "minutes": 15}},
    "account/home.html": {
        "": {"sections": SECTIONS, "signals": None},
        "signals": {
            "sections": SECTIONS,
            "signals": {"rp": "idp.test", "user": "dXNlcg", "name": "Alice", "accepted": "YQ Yg"},
        },
    },
    "account/stopped.html": {"": {}},
    "account/passkeys.html": {
        "none": _account(passkeys=[], signals=None, failed=None, removed=False, may_add=True),
        "some": _account(
            passkeys=[PASSKEY, {**PASSKEY, "id": "b", "backed_up": False, "last_used_at": None, "suspect_at": NOW}],
            signals=SIGNALS,
            failed=None,
            removed=True,
            may_add=True,
        ),
        "failed": _account(passkeys=[PASSKEY], signals=None, failed="failed", removed=False, may_add=False),
        "model": _account(passkeys=[], signals=None, failed="model", removed=False, may_add=True),
    },
    "account/passkey_add.html": {"": _account()},
    "account/passkey_name.html": {"": _account(passkey=PASSKEY, longest=60)},
    "account/passkey_remove.html": {"": _account(passkey=PASSKEY)},
    "account/recovery.html": {
        "none": _account(left=0, made_at=None, how_many=10),
        "one": _account(left=1, made_at=NOW, how_many=10),
        "some": _account(left=9, made_at=NOW, how_many=10),
    },
    "account/recovery_codes.html": {"": _account(codes=["3479-CDFH-JKMN-PQRT"] * 10, made_at=NOW)},
    "account/authenticator.html": {
        "none": _account(totp=None),
        "new": _account(totp={"created_at": NOW, "last_used_at": None}),
        "used": _account(totp={"created_at": NOW, "last_used_at": NOW}),
    },
    "account/authenticator_add.html": {
        "first": _account(secret="ABCD EFGH", picture=QR),
        "wrong": _account(secret="ABCD EFGH", picture=QR, errors=[FieldError("code", "Ce n’est pas le bon code.")]),
    },
    "logout/confirm.html": {"": {"logout_token": "abc"}},
    "logout/done.html": {
        "some": {**LOGOUT, "services": [SERVICE, "Autre"]},
        "not all": {**LOGOUT, "services": [SERVICE], "others": ["Autre", SERVICE]},
        "none": LOGOUT,
    },
    "form_post.html": {
        "": {"redirect_uri": "https://rp.example/cb?a=1&b=2", "fields": {"code": "abc", "state": '"><script>'}}
    },
    "errors/bad_link.html": {"": ERROR},
    "errors/not_found.html": {"": ERROR},
    "errors/server.html": {"": ERROR},
    "errors/unavailable.html": {"": ERROR},
    "errors/switched_off.html": {"": ERROR},
    "errors/cookies.html": {"": ERROR},
    "errors/suspended.html": {"": ERROR, "named": {**ERROR, "service": SERVICE}},
    "errors/expired.html": {"": ERROR, "restart": {**ERROR, "restart_url": "/signin/x/restart", "service": SERVICE}},
    "errors/other_browser.html": {"": ERROR},
    "errors/stale_form.html": {"": {**ERROR, "restart_url": "/signin/x/send"}},
    "errors/too_large.html": {"": ERROR},
    "errors/bad_request.html": {"": ERROR},
    "help/accessibility.html": {"": {}},
    "help/privacy.html": {"": {}},
    "help/status.html": {
        "well": {"health": "ok", "channels": {"email": "ok", "sms": "off"}},
        "late": {"health": "slow", "channels": {"email": "ok", "sms": "slow"}},
        "broken": {"health": "down", "channels": {}},
    },
    "help/false_messages.html": {"": {"sender": CODE["sender"]}},
    "help/easy.html": {"": {}},
    **ACCOUNT,
    **ADMIN,
}
MAIL: dict[str, Any] = {
    "asked_at": NOW,
    "zone": "Paris",
    "code": "482915",
    "service": SERVICE,
    "device": "Firefox (Windows)",
    "reference": "7KQ-4MX",
    "purpose": "sign-in",
    "site": "caf.fr",
    "host": "connexion.exemple.fr",
    "minutes": 15,
    "words": "piano olive",
    "stop": "7KQ-4MX-CDF",
    "stop_at": "connexion.exemple.fr/stop",
}
CASES = [(template, case) for template, cases in SAMPLES.items() for case in cases]
