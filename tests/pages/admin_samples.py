"""Sample contexts for the pages of the administration."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

from idp.admin.activity import sum_up
from idp.admin.actors import Actor
from idp.admin.changes import AdminChange
from idp.admin.console.again import Held
from idp.admin.console.asked import Asked
from idp.admin.console.fields import ALL_SECTIONS, fields_of
from idp.admin.console.register import KINDS
from idp.admin.console.trail import MOMENTS, WORDS
from idp.admin.dashboard import Expiring, make_dashboard, slots_of
from idp.admin.listing import STATES, Listed
from idp.admin.message_samples import Sample
from idp.admin.plots import lines, spark, stack
from idp.admin.redirect_lines import Line
from idp.admin.roles import PERMISSIONS, ROLES
from idp.admin.schema import ClientDocument, plain
from idp.admin.secret_warnings import describe_secret
from idp.admin.support import REASONS
from idp.admin.support_view import GLOSSARY, OUTCOMES
from idp.admin.trial import TOLD, Tried
from idp.figures import CLIENT_ERRORS, CLIENT_GRANTS
from idp.messages.models import Message
from idp.oidc.clients import Client, ClientSecret
from idp.signin.forms import FieldError

NOW = datetime(2026, 3, 2, 13, 20, tzinfo=UTC)
EVERYTHING = Actor("ada", frozenset(PERMISSIONS), "console")
READER = Actor("rita", ROLES["reader"], "console")
NAME = "Prime d’activité <&> Démonstration"
BACK = "https://service.example.fr/retour"


def _change(**more: Any) -> AdminChange:
    values: dict[str, Any] = {
        "id": "Y2hhbmdlY2hhbmdlY2hhbg", "act": "client.update", "target": "shop", "base_version": 3,
        "before": {"redirect_uris": [BACK], "names": {}, "first_party": True},
        "after": {"redirect_uris": [BACK, f"{BACK}/2"], "names": {"en": NAME}, "first_party": False},
        "reason": "Nouvelle adresse <b>", "state": "waiting", "emergency": False, "created_by": "eve", "surface": "api",
        "created_at": NOW, **more,
    }  # fmt: skip
    return AdminChange(**values)


APPLIED = _change(state="applied", decided_by="ada", decided_at=NOW)
EMERGENCY = _change(state="applied", emergency=True, act="client.create", before={})
FRAME: dict[str, Any] = {
    "who": EVERYTHING,
    "waiting": 2,
    "emergencies": [],
    "errors": [],
    "moment": datetime.fromisoformat,
}
DOCUMENT = plain(
    ClientDocument.model_validate(
        {"name": NAME, "redirect_uris": [BACK], "names": {"en": "Benefit"}, "purposes": {"email": {"fr": "écrire"}},
         "scopes": ["openid", "email"], "android_apps": {"fr.example.app": ["AA:BB"]}}
    )
)  # fmt: skip
CLIENT = Client(client_id="shop", name=NAME, description="Demandes", logo_digest="0a1b")
SECRET = describe_secret(
    ClientSecret(
        id=1, client_id="shop", label="2026", created_at=NOW, expires_at=NOW + timedelta(days=7), last_used_at=NOW
    ),
    NOW,
)  # fmt: skip
UNNAMED = describe_secret(ClientSecret(id=2, client_id="shop", label="", created_at=NOW), NOW)
DAYS = tuple(NOW.replace(hour=0) + timedelta(days=day - 13) for day in range(14))
ACTIVITY = sum_up(
    [(day, CLIENT_GRANTS, "authorization_code", 7 * number) for number, day in enumerate(DAYS)]
    + [(DAYS[3], CLIENT_ERRORS, "invalid_grant", 12)],
    DAYS,
)
TRIED = Tried(
    "shop", "s", NOW, header={"alg": "RS256", "kid": "k" * 43, "typ": "JWT"},
    claims={"iss": "https://idp.test", "sub": "s" * 43, "amr": ["hwk", "user"], "nonce": "n" * 43, "odd": "<b>"},
    checks={"iss": True, "aud": True, "nonce": False, "at_hash": True}, token_type="Bearer", expires_in=600,
    scopes=("openid", "email"), access_claims={"scope": "openid email"}, has_refresh=True, userinfo=("sub", "email"),
)  # fmt: skip
JUDGED = [
    Line(BACK, None, None, ("admin.uri.note.slash",)),
    Line("https://*.example.fr/<b>", "has a wildcard", "admin.uri.wildcard", ()),
]
LISTED = [
    Listed("shop", NAME, "website", "Web", "active", "oidc", (BACK,), NOW, NOW, "ended"),
    Listed("tv", "Télévision", "device", "", "suspended", "native", (), NOW, None, "good"),
]
PERSON = {"name": "eve", "roles": ["editor"], "passkeys": 1, "disabled_at": None}
TOKEN = {
    "id": "a", "label": "CI <b>", "service": True, "scopes": ["clients.read"], "networks": ["192.0.2.0/24"],
    "expires_at": NOW + timedelta(days=3), "last_used_at": NOW, "revoked_at": None,
}  # fmt: skip

CHANNELS = [
    {"name": "email", "off": False, "changed_at": None, "changed_by": None},
    {"name": "sms", "off": True, "changed_at": NOW, "changed_by": "olga <b>"},
    {"name": "token", "off": False, "changed_at": NOW, "changed_by": "olga"},
]
BANNER = {
    "texts": {"fr": "Les SMS tardent <b>.", "en": "Text messages are late."}, "begins_at": NOW.isoformat(),
    "ends_at": (NOW + timedelta(hours=3)).isoformat(), "shows": True, "changed_at": NOW, "changed_by": "olga",
}  # fmt: skip

KEY = {
    "kid": "k-2026-01", "alg": "RS256", "state": "active", "published_at": NOW.isoformat(),
    "active_from": NOW.isoformat(), "ended_at": None, "leaves_at": None, "reason": None,
}  # fmt: skip
CALENDAR: list[dict[str, Any]] = [
    {
        "alg": "RS256",
        "keys": [KEY, {**KEY, "kid": "k-2026-02", "state": "next", "active_from": None},
                 {**KEY, "kid": "k-2025-12", "state": "revoked", "ended_at": NOW.isoformat(), "reason": "fuite <b>",
                  "leaves_at": (NOW + timedelta(days=30)).isoformat()}],
        "waits_for": "clients-late", "usable_at": NOW + timedelta(days=7),
        "clients": [{"client_id": "shop", "name": NAME, "standing": "late", "fetched_at": NOW},
                    {"client_id": "tv", "name": "Télévision", "standing": "unseen", "fetched_at": None},
                    {"client_id": "web", "name": "Web", "standing": "seen", "fetched_at": NOW}],
    },
    {"alg": "ES256", "keys": [{**KEY, "alg": "ES256"}], "waits_for": None, "usable_at": None, "clients": []},
]  # fmt: skip
LIMIT = {
    "name": "code.sends_per_hour", "value": 3, "configured": 5, "lowest": 1, "highest": 20, "weaker": "more",
    "changed_at": NOW, "changed_by": "olga",
}  # fmt: skip
TEXT: dict[str, Any] = {
    "name": "sms.not_you", "texts": {"fr": "Pas vous ? <b>", "en": "Not you?"}, "septets": {"fr": 14, "en": 8},
    "configured": {"fr": "Ce n’est pas vous ?", "en": "Is it not you?"}, "changed_at": NOW, "changed_by": "olga",
}  # fmt: skip
SLOTS = slots_of("day", NOW, ZoneInfo("Europe/Paris"))
ROWS = [
    row
    for number, hour in enumerate(SLOTS)
    for row in (
        (hour, "sign-in", "email|done", 400 + 90 * number),
        (hour, "sign-in", "pwd|cancelled", 20 + 15 * (number % 5)),
        (hour, "delivery", "email|1.0", 50),
        (hour, "delivery", "email|5.0", 400),
        (hour, "delivery", "sms|10.0", 30 * (number % 3)),
        (hour, "delivery", "sms|2.0", 10 * (number % 3)),
        (hour, "pause", "password", number % 4),
        (hour, "pause", "code", number % 3),
        (hour, "pause", "stop", number % 2),
        (hour, "password", "ok", 500),
        (hour, "password", "wrong", 60),
        (hour, "code", "email|ok", 300),
        (hour, "code", "email|wrong", 31),
        (hour, "passkey", "sign-in|ok", 80),
        (hour, "client-error", "shop|invalid_grant", 3),
        (hour, "client-error", "gone|invalid_scope", 1),
    )
]
EXPIRING = [
    Expiring("shop", NAME, "2026", NOW + timedelta(days=3), is_last=True),
    Expiring("shop", NAME, "", NOW + timedelta(days=9), is_last=False),
]
BOARD = make_dashboard("day", ROWS, SLOTS, names={"shop": NAME}, expiring=EXPIRING, now=NOW)
EMPTY = make_dashboard("week", [], slots_of("week", NOW, ZoneInfo("Europe/Paris")), names={}, expiring=[], now=NOW)

CASE = SimpleNamespace(id="Y2FzZQ", reference="7KQ-4MX")
ACCOUNT = SimpleNamespace(
    id="YWNjb3VudA", status="active", email="j•••••n@orange.fr", email_verified_at=NOW, mobile=None,
    mobile_verified_at=None,
)  # fmt: skip
SHUT = SimpleNamespace(**{**vars(ACCOUNT), "status": "restricted"})
QUIET = SimpleNamespace(
    account=ACCOUNT, must_choose_password=False, email_refuses=False, passkeys=1, devices=2, authenticator=True,
    recovery_codes=0, sign_ins=[NOW], asked=[], pauses=[], sends=[], timeline=[], events=[],
)  # fmt: skip
VIEW = SimpleNamespace(
    **{
        **vars(QUIET),
        "pauses": [
            SimpleNamespace(of="code", on_known_device=False, until=NOW),
            SimpleNamespace(of="password", on_known_device=True, until=None),
        ],
        "sends": [
            SimpleNamespace(created_at=NOW, channel="email", state="accepted", purpose="sign-in", answer_class="2xx")
        ],
        "events": [SimpleNamespace(at=NOW, event="sign-in", outcome="done", service="Boutique")],
    }
)

EVENT: dict[str, Any] = {
    "id": 812, "moment": NOW, "at": "2026-03-02T13:20:00.125+00:00", "event": "client.update", "outcome": "ok",
    "reason": "Nouvelle adresse <b>", "account_id": None, "client_id": "shop", "administrator": "eve",
    "reference": None, "facts": {"change": "Y2hhbmdl", "emergency": False, "surface": "api"},
}  # fmt: skip
EVENTS = [
    EVENT,
    {**EVENT, "id": 811, "event": "password", "outcome": "wrong", "reason": None,
     "account_id": "YWNjb3VudGFjY291bnQwMQ", "administrator": None, "reference": "7KQ-4MX", "facts": {}},
]  # fmt: skip
CHAIN: dict[str, Any] = {
    "position": 812, "waiting": 1, "lag_seconds": 0.4, "cut": None, "restores": [], "verified": None,
    "checkpoint": {"position": 811, "at": NOW.isoformat(), "kid": "a"},
}  # fmt: skip
SCARRED = {
    **CHAIN, "cut": CHAIN["checkpoint"], "restores": [{"position": 40, "at": NOW.isoformat()}] * 2,
    "verified": {"at": NOW.isoformat(), "outcome": "found", "events": 770, "findings": 3},
}  # fmt: skip
TRAIL: dict[str, Any] = {
    **FRAME, "typed": {}, "words": WORDS, "moments": MOMENTS, "chain": None, "found": None, "further": None,
    "glossary": GLOSSARY, "outcomes": OUTCOMES,
}  # fmt: skip


def _client(**more: Any) -> dict[str, Any]:
    return {
        **FRAME, "client": CLIENT, "state": "active", "secrets": [SECRET, UNNAMED], "has_secret": True,
        "yaml": "name: x", "sections": list(ALL_SECTIONS), "changes": [APPLIED], "done": None,
        "can_be_tried": True, "handed": {"team": "", "contacts": []}, **more,
    }  # fmt: skip


def _section(section: str, **more: Any) -> dict[str, Any]:
    return {
        **FRAME, "client_id": "shop", "name": NAME, "kind": "website", "version": 3, "section": section,
        "fields": fields_of(ALL_SECTIONS[section], DOCUMENT, section), "judged": {}, "saved": None, "tested": None,
        **more,
    }  # fmt: skip


ADMIN: dict[str, dict[str, dict[str, Any]]] = {
    "admin/home.html": {
        "much": {**FRAME, "changes": [_change()], "emergencies": [EMERGENCY]},
        "nothing": {**FRAME, "who": READER, "changes": [], "waiting": 0},
    },
    "admin/refused.html": {"": {}},
    "admin/stopped.html": {"unmet": {"unmet": True}, "stopped": {"unmet": False}},
    "admin/problem.html": {"": {**FRAME, "text": "Ce n’est pas possible.", "reasons": ["Ce service est archivé."]}},
    "admin/enrol.html": {
        "first": {"name": "", "errors": []},
        "wrong": {"name": "ada", "errors": [FieldError("name", "Ce nom et ce mot de passe ne vont pas.")]},
    },
    "admin/enrol_passkey.html": {"": {}},
    "admin/clients.html": {
        "two": {**FRAME, "clients": LISTED, "words": "b", "state": None, "states": STATES, "further": "tv",
                "activity": {"shop": (0, 0, 3, 1, 0, 0, 90, 12, 0, 4, 4, 0, 8, 1200)}, "spark": spark},
        "none": {**FRAME, "clients": [], "words": "", "state": "archived", "states": STATES, "further": None,
                 "activity": {}, "spark": spark},
    },
    "admin/new.html": {"": {**FRAME, "kinds": list(KINDS)}},
    "admin/new_form.html": {
        **{
            kind: {**FRAME, "kind": kind, "fields": fields_of(names, DOCUMENT, "new"), "client_id": "", "judged": {}}
            for kind, names in KINDS.items()
        },
        "wrong": {
            **FRAME, "kind": "website", "fields": fields_of(KINDS["website"], DOCUMENT, "new"), "client_id": "x",
            "judged": {"redirect_uris": JUDGED},
            "errors": [FieldError("redirect_uris", "Une ligne ne va pas."), FieldError("client_id", "Trop court.")],
        },
    },
    "admin/review.html": {"": {**FRAME, "yaml": "name: x", "kind": "website", "name": NAME}},
    "admin/shown.html": {
        what: {**FRAME, "what": what, "value": "s3cr3t" * 7, "about": NAME, "back": "/clients/shop"}
        for what in ("secret", "password", "token")
    },
    "admin/client.html": {
        "active": _client(),
        "reader": _client(who=READER, sections=[], state="suspended", secrets=[], has_secret=False, done="waiting"),
        "archived": _client(state="archived", done="saved"),
    },
    "admin/section.html": {
        **{section: _section(section) for section in ALL_SECTIONS},
        "wrong": _section(
            "addresses", judged={"redirect_uris": JUDGED}, saved="waiting",
            errors=[FieldError("redirect_uris", "Une ligne ne va pas."), FieldError("form", "Changé entre-temps.")],
        ),
        "tried": _section("proof", tested=SimpleNamespace(kids=("k1", "k2"), fault=None)),
        "tried in vain": _section("proof", tested=SimpleNamespace(kids=(), fault="admin.keys.none")),
    },
    "admin/history.html": {
        "two": {**FRAME, "client": SimpleNamespace(client_id="shop", client_metadata={"name": NAME}),
                "changes": [APPLIED, EMERGENCY]},
        "none": {**FRAME, "client": SimpleNamespace(client_id="shop", client_metadata={"name": NAME}), "changes": []},
    },
    "admin/trial.html": {
        "done": {**FRAME, "client": CLIENT, "tried": TRIED, "told": TOLD},
        "refused": {**FRAME, "client": CLIENT, "tried": Tried("shop", "s", NOW, "access_denied", "The <holder> left."),
                    "told": TOLD},
        "sealed": {**FRAME, "client": CLIENT, "tried": replace(TRIED, claims=None, checks=None, access_claims=None,
                   token_type="DPoP", has_refresh=False), "told": TOLD},
    },
    "admin/activity.html": {
        "some": {**FRAME, "client": CLIENT, "activity": ACTIVITY, "stack": stack},
        "none": {**FRAME, "client": CLIENT, "activity": sum_up([], DAYS), "stack": stack},
    },
    "admin/preview.html": {
        "": {**FRAME, "client": CLIENT, "shown": {"id_token": "{}", "userinfo": "{}", "token": "{}"}}
    },
    "admin/changes.html": {
        "some": {**FRAME, "changes": [_change(), APPLIED], "state": "waiting"},
        "none": {**FRAME, "changes": [], "state": "refused"},
    },
    "admin/change.html": {
        "to decide": {**FRAME, "change": _change(), "may_decide": True, "is_own": False, "may_review": False,
                      "done": None},
        "own": {**FRAME, "change": _change(), "may_decide": False, "is_own": True, "may_review": False, "done": None},
        "to review": {**FRAME, "change": EMERGENCY, "may_decide": False, "is_own": False, "may_review": True,
                      "done": "approve"},
    },
    "admin/people.html": {
        "two": {**FRAME, "people": [PERSON, {**PERSON, "name": "otto", "passkeys": 0, "roles": []}], "roles": ROLES},
        "wrong": {**FRAME, "people": [{**PERSON, "disabled_at": NOW}], "roles": ROLES,
                  "errors": [FieldError("name", "2 à 40 petites lettres.")]},
    },
    "admin/person.html": {
        "active": {**FRAME, "person": PERSON, "roles": list(ROLES)},
        "disabled": {**FRAME, "person": {**PERSON, "disabled_at": NOW}, "roles": list(ROLES)},
    },
    "admin/again.html": {
        "": {**FRAME, "held": Held("eve", "/admin/clients/shop/edit/addresses", (("redirect_uris", f"{BACK}/2 <b>"),)),
             "asked": Asked("Modification d’un service", "shop <b>", (("Adresses de retour", f"{BACK}/2 <b>"),))},
        "bare": {**FRAME, "held": Held("eve", "/admin/x", ()), "asked": Asked("", "", ())},
    },
    "admin/support.html": {
        "first": {**FRAME, "reasons": REASONS, "chosen": ""},
        "wrong": {**FRAME, "reasons": REASONS, "chosen": REASONS[0],
                  "errors": [FieldError("who", "Nous ne trouvons pas ce compte.")]},
    },
    "admin/support_case.html": {
        "paused": {**FRAME, "case": CASE, "view": VIEW, "said": None, "outcomes": OUTCOMES, "may_act": True,
                   "may_disable": True, "errors": [FieldError("support-why", "Dites pourquoi.")]},
        "shut": {**FRAME, "case": CASE, "said": "disabled", "outcomes": OUTCOMES, "may_act": True, "may_disable": True,
                 "view": SimpleNamespace(**{**vars(QUIET), "account": SHUT})},
        "asked": {**FRAME, "case": CASE, "said": "asked", "outcomes": OUTCOMES, "may_act": True, "may_disable": True,
                  "view": SimpleNamespace(**{**vars(QUIET), "asked": ["account.disable"]})},
        "quiet": {**FRAME, "case": CASE, "view": QUIET, "said": "lifted", "outcomes": OUTCOMES, "may_act": False,
                  "may_disable": False},
    },
    "admin/trail.html": {
        "found": {**TRAIL, "found": EVENTS, "further": "client_id=shop&after=811",
                  "typed": {"client_id": "shop", "since": "2026-03-01T00:00"}},
        "nothing": {**TRAIL, "found": []},
        "young": {**TRAIL, "chain": {**CHAIN, "checkpoint": None}},
        "scarred": {**TRAIL, "chain": SCARRED, "typed": {"event": "sign-in"},
                    "errors": [FieldError("who", "Aucun compte ne correspond."), FieldError("since", "Une date.")]},
    },
    "admin/operations.html": {
        "quiet": {**FRAME, "channels": CHANNELS[:1], "banner": None, "typed": {}, "changes": []},
        "busy": {**FRAME, "channels": CHANNELS, "banner": BANNER, "typed": {"fr": "Bonjour"},
                 "changes": [_change(act="channel.off", target="sms", before={"off": False}, after={"off": True})],
                 "errors": [FieldError("ends_at", "Une date."), FieldError("fr", "Trop long.")]},
        "reader": {**FRAME, "who": READER, "channels": CHANNELS, "banner": {**BANNER, "shows": False}, "typed": {},
                   "changes": []},
    },
    "admin/channel.html": {
        "on": {**FRAME, "channel": {**CHANNELS[0], "name": "passkey"}, "changes": []},
        "off": {**FRAME, "channel": CHANNELS[1], "changes": [APPLIED]},
    },
    "admin/dashboard.html": {
        "a day": {**FRAME, "board": BOARD, "spans": ["day", "week"], "stack": stack, "lines": lines},
        "nothing": {**FRAME, "board": EMPTY, "spans": ["day", "week"], "stack": stack, "lines": lines},
    },
    "admin/keys.html": {
        "waiting": {**FRAME, "calendar": CALENDAR, "changes": [_change(act="key.rotate", target="RS256")]},
        "reader": {**FRAME, "who": READER, "calendar": CALENDAR[1:], "changes": []},
    },
    "admin/key_act.html": {
        "rotate": {**FRAME, "keys": CALENDAR[0], "act": "rotate"},
        "revoke": {**FRAME, "keys": CALENDAR[1], "act": "revoke"},
    },
    "admin/settings.html": {"": {**FRAME, "limits": [LIMIT, {**LIMIT, "name": "promotion.percentage",
                                                             "changed_at": None}], "sections": ["general", "code"]}},
    "admin/settings_section.html": {
        "": {**FRAME, "name": "code", "settings": [
            {"name": "code.tries", "value": "5", "bounds": "≥ 1", "origin": "default", "meaning": "tries <b>"},
            {"name": "code.x", "value": "", "bounds": "", "origin": "run-time", "meaning": ""},
        ]},
    },
    "admin/limit.html": {
        "changed": {**FRAME, "limit": LIMIT, "changes": [_change(act="limit.set", target="code.sends_per_hour")],
                    "errors": [FieldError("value", "1 à 20")]},
        "reader": {**FRAME, "who": READER, "limit": {**LIMIT, "weaker": "less"}, "changes": []},
    },
    "admin/messages.html": {"": {**FRAME, "names": ["code.sign-in", "device"], "texts": [

        {"name": "fraud", "changed_at": None, "group": "fraud"},
        {"name": "sms.code.sign_in", "changed_at": NOW, "group": "sms.code"},
    ]}},
    "admin/message.html": {"": {**FRAME, "name": "code.sign-in", "samples": [
        Sample("email", "fr", Message("Votre code <b>", "Bonjour\nCode 482915", "<p>Bonjour</p>")),
        Sample("sms", "en", Message("", "482915 is your ê code"), 21, 1, False)]}},
    "admin/text.html": {
        "wrong": {**FRAME, "text": TEXT, "said": TEXT["texts"], "changes": [
            _change(act="text.set", state="applied", before=TEXT["configured"], after=TEXT["texts"])],
            "errors": [FieldError("text-fr", "holds a link")]},
        "reader": {**FRAME, "who": READER, "text": {**TEXT, "changed_at": None, "septets": {}},
                   "said": TEXT["texts"], "changes": []},
    },
    "admin/tokens.html": {
        "one": {**FRAME, "tokens": [TOKEN, {**TOKEN, "id": "b", "revoked_at": NOW, "last_used_at": None}],
                "scopes": sorted(PERMISSIONS), "now": NOW},
        "wrong": {**FRAME, "tokens": [], "scopes": ["clients.read"], "now": NOW,
                  "errors": [FieldError("networks", "Un réseau, comme 192.0.2.0/24.")]},
    },
}  # fmt: skip
