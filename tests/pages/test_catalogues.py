"""The catalogues say the same things in every language, are compiled, and hold every text that is asked for."""

import re
from io import BytesIO
from pathlib import Path
from typing import get_args

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from idp.admin.actions import ACTS
from idp.admin.changes import STATES
from idp.admin.console.fields import ALL_SECTIONS
from idp.admin.console.register import KINDS as REGISTERED
from idp.admin.console.trail import MOMENTS as TRAIL_MOMENTS
from idp.admin.console.trail import WORDS as TRAIL_WORDS
from idp.admin.dashboard import SPANS
from idp.admin.listing import STATES as LISTED
from idp.admin.roles import PERMISSIONS, ROLES
from idp.admin.support import REASONS
from idp.admin.support_view import GLOSSARY, OUTCOMES
from idp.admin.trial import TOLD
from idp.limits import LIMITS
from idp.messages import gsm7
from idp.messages.alerts import KINDS
from idp.messages.channel_health import Health
from idp.mfa.methods import FACTORS, METHODS
from idp.oidc.registration import KINDS as KINDS_OF_CLIENTS
from idp.oidc.rotation import MOVES
from idp.signin.waiting import Kept
from tests.pages.conftest import IDP, Render

TRANSLATIONS = IDP / "translations"
LOCALES = ("fr", "en")
# What a code can be for (`mfa/codes.py`); a new address is confirmed over its own channel only.
MAILED = ("sign_in", "step_up", "reset", "new_email")
TEXTED = ("sign_in", "step_up", "reset", "new_mobile")
# Fields of a client's form that have a name of their own; the others are called as in the specification.
_FORM_FIELDS = tuple(
    dict.fromkeys(
        name
        for names in (*(one for section, one in ALL_SECTIONS.items() if section != "advanced"), *REGISTERED.values())
        for name in names
    )
)
# Texts whose last word is only known at run time, and what the word can be.
FAMILIES = {
    "e.code.": ("empty", "length", "chars", "wrong", "expired", "used", "burnt", "replaced"),
    "e.recovery.": ("wrong", "form", "empty"),
    "u05.with.": ("totp", "recovery"),
    "u05.have.": ("totp", "recovery"),
    "u23.": ("email", "sms"),
    "e.nir.": ("empty", "length", "chars", "key"),
    "e.newpwd.": ("empty", "short", "long", "chars", "common", "context", "same"),
    "e.email.": ("empty", "format", "same"),
    "e.mobile.": ("empty", "format", "country", "not-mobile", "same"),
    "u02.": ("email", "sms"),
    "u02.only.": ("email", "sms"),
    "u03.accepted.": ("email", "sms"),
    "u03.hint.": ("email", "sms"),
    "u03.other.": ("email", "sms"),
    "u05.other.": ("email", "sms"),
    "u11.": ("email", "sms"),
    "u02.late.": ("email", "sms"),
    "status.": get_args(Health),
    "status.channel.": ("email", "sms"),
    "status.codes.": get_args(Health),
    "u11.title.": ("email", "sms"),
    "u11.retry.": ("email", "sms"),
    "account.passkeys.": ("failed", "model"),
    "u12.": ("failed", "late", "suspect", "unknown"),
    "device.origin.": ("seen", "given"),
    "device.text.": ("given", "denied", "tries", "undone", "stopped", "over"),
    "device.title.": ("given", "denied", "tries", "undone", "stopped", "over"),
    "e.device.": ("empty", "length", "chars"),
    "mail.code.subject.": MAILED,
    "mail.code.title.": MAILED,
    "mail.code.line.": MAILED,
    "mail.code.not_you.": MAILED,
    "sms.code.": TEXTED,
    "sms.code.short.": TEXTED,
    "mail.alert.": ("name", "device"),
    "mail.alert.subject.": KINDS,
    "mail.alert.what.": KINDS,
    "sms.alert.": KINDS,
    "e.renew.": ("empty", "short", "long", "chars", "common", "context"),
    "admin.field.": _FORM_FIELDS,
    "admin.kind.": tuple(KINDS_OF_CLIENTS),
    "admin.kind.hint.": tuple(REGISTERED),
    "admin.state.": LISTED,
    "admin.change.": STATES,
    "admin.act.": tuple(ACTS),
    "admin.channel.": (*METHODS, *FACTORS),
    "off.": (*METHODS, *FACTORS),
    "wait.kept.": get_args(Kept),
    "admin.key.": ("rotate", "revoke"),
    "admin.key.text.": ("rotate", "revoke"),
    "admin.key.state.": tuple(MOVES),
    "admin.key.wait.": ("too-young", "clients-late", "ready"),
    "admin.key.client.": ("seen", "late", "unseen"),
    "admin.limit.": tuple(LIMITS),
    "admin.limit.weaker.": ("more", "less", "neither"),
    "admin.setting.origin.": ("run-time", "environment", "file", "default"),
    "dashboard.": ("email", "sms"),
    "dashboard.span.": tuple(SPANS),
    "dashboard.when.": tuple(SPANS),
    "dashboard.plot.": ("sign_ins", "delivery", "pauses", "client"),
    "admin.banner.": ("fr", "en", "begins_at", "ends_at"),
    "admin.banner.hint.": ("begins_at", "ends_at"),
    "admin.role.": tuple(ROLES),
    "admin.permission.": tuple(PERMISSIONS),
    "admin.section.": tuple(ALL_SECTIONS),
    "admin.danger.": LISTED,
    "admin.danger.act.": LISTED,
    "admin.shown.": ("secret", "password", "token"),
    "admin.shown.label.": ("secret", "password", "token"),
    "admin.trial.claim.": tuple(TOLD),
    "admin.trial.check.": ("iss", "aud", "nonce", "at_hash"),
    "admin.trial.access.minutes": ("", "1"),
    "admin.activity.": ("grants", "errors"),
    "admin.transfer.wrong.": ("team", "contacts"),
    "admin.secret.standing.": ("soon", "ended"),
    "admin.preview.": ("id_token", "userinfo", "token"),
    "support.change.": ("email", "mobile"),
    "trail.field.": (*TRAIL_WORDS, *TRAIL_MOMENTS),
    "trail.hint.": TRAIL_WORDS,
    "trail.e.": (*TRAIL_WORDS, *TRAIL_MOMENTS, "who"),
    "support.channel.": ("email", "sms"),
    "support.e.": ("who", "reason", "ticket"),
    "support.event.": tuple(sorted(GLOSSARY)),
    "support.outcome.": tuple(sorted(OUTCOMES)),
    "support.pause.": ("code", "password"),
    "support.reason.": REASONS,
    "support.said.": ("lifted", "advised", "disabled", "enabled", "asked"),
    "support.standing.": ("disable", "disable.how", "enable", "enable.how"),
    "support.send.": ("accepted", "delivered", "expired", "queued", "refused", "sending", "void"),
    "support.status.": ("active", "disabled", "restricted"),
    "claim.": ("profile", "email", "phone", "address", "offline_access"),
}
_TEXT_ID = re.compile(r"""["']((?:[a-z]+|u\d\d)(?:[._][a-z0-9_]+)+|fraud|rights)["']""")


def catalogue(locale: str) -> Catalog:
    return read_po(BytesIO(_file(locale, "po").read_bytes()), locale=locale)


def texts(locale: str) -> dict[str, str]:
    """Return the texts of a language by their ids."""
    return {str(message.id): str(message.string) for message in catalogue(locale) if message.id}


def _file(locale: str, ending: str) -> Path:
    return TRANSLATIONS / locale / "LC_MESSAGES" / f"messages.{ending}"


def _placeholders(text: str) -> set[str]:
    return set(re.findall(r"%\((\w+)\)s", text))


def _used() -> set[str]:
    """Return the ids that templates and code ask for."""
    known = set(texts("fr"))
    sources = [*IDP.rglob("*.py"), *(IDP / "templates").rglob("*")]
    found: set[str] = set()
    for path in sources:
        if not path.is_file() or path.is_relative_to(IDP / "demo"):
            continue
        content = path.read_text()
        found |= set(re.findall(r"""\b_\(\s*["']([a-z0-9._]+)["']\s*[,)]""", content))
        found |= set(re.findall(r"""\berror\(\s*["']\w+["'],\s*["']([a-z0-9._]+)["']""", content))
        found |= {word for word in _TEXT_ID.findall(content) if word in known}
        for base in re.findall(r"""\bcount\(\s*["']([a-z]\w*\.[a-z0-9._]+)["']""", content):
            found |= {base, f"{base}1"}
        for family, words in FAMILIES.items():
            if f'"{family}{{' in content or f'"{family}" ~' in content or f'"{family}{words[0]}"' in content:
                found |= {family + word for word in words}
    return found


def test_every_language_has_the_same_texts() -> None:
    assert len({frozenset(texts(locale)) for locale in LOCALES}) == 1


@pytest.mark.parametrize("locale", LOCALES)
def test_no_text_is_empty_or_doubtful(locale: str) -> None:
    assert all(texts(locale).values())
    assert not [message.id for message in catalogue(locale) if message.id and message.fuzzy]


def test_every_language_fills_in_the_same_facts() -> None:
    french, english = texts("fr"), texts("en")

    assert {key: _placeholders(text) for key, text in french.items()} == {
        key: _placeholders(text) for key, text in english.items()
    }


@pytest.mark.parametrize("locale", LOCALES)
def test_the_compiled_catalogue_is_the_one_beside_it(locale: str) -> None:
    """When this fails: `pybabel compile -d idp/translations`."""
    compiled = read_mo(BytesIO(_file(locale, "mo").read_bytes()))

    assert {str(message.id): str(message.string) for message in compiled if message.id} == texts(locale)


def test_every_text_that_is_asked_for_exists() -> None:
    assert _used() - set(texts("fr")) == set()


def test_every_text_is_asked_for() -> None:
    assert set(texts("fr")) - _used() == set()


def test_french_has_its_apostrophes_and_its_unbroken_spaces() -> None:
    wrong = [
        key
        for key, text in texts("fr").items()
        if not key.startswith("sms.") and re.search(r" [:?!;»]|« |'|\.\.\.", text)
    ]

    assert not wrong


@pytest.mark.parametrize("locale", LOCALES)
def test_texts_are_calm(locale: str) -> None:
    """No « veuillez », « désolé », « invalide », and no code that only we understand."""
    rude = re.compile(r"veuillez|désolé|invalid|oups|please|sorry|oops|forbidden|interdit|\bNIR\b|\bOTP\b", re.I)

    assert not {key: text for key, text in texts(locale).items() if rude.search(text)}


@pytest.mark.parametrize("kind", TEXTED)
@pytest.mark.parametrize("locale", LOCALES)
def test_a_text_message_is_one_message(locale: str, kind: str) -> None:
    """With the longest host (35 characters) the whole SMS stays one of 160 GSM-7 septets."""
    host = "connexion.organisme-exemple12.gouv."[:33] + "fr"
    facts = {"code": "482915", "words": "jaguar jungle", "stop": "7KQ4MXCDF"}
    text = texts(locale)[f"sms.code.short.{kind}"] % facts + f"\n\n@{host} #482915"

    assert len(host) == 35
    assert gsm7.count_septets(text) <= 160


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_alert_is_one_message(locale: str, kind: str) -> None:
    own = texts(locale)
    facts = {"stop": "7KQ4MXCDF", "stop_at": "connexion.organisme-exemple12.fr/stop"}
    text = f"{own[f'sms.alert.{kind}']} {own['sms.not_you'] % facts}"

    assert gsm7.is_gsm7(text)
    assert gsm7.count_septets(text) <= 160


@pytest.mark.parametrize("locale", LOCALES)
def test_messages_hold_no_link(locale: str) -> None:
    messages = {key: text for key, text in texts(locale).items() if key.startswith(("mail.", "sms."))}

    assert messages
    assert not [key for key, text in messages.items() if re.search(r"https?:|www\.", text)]


@pytest.mark.parametrize("locale", LOCALES)
def test_each_text_can_be_filled_in(render: Render, locale: str) -> None:
    for key, text in texts(locale).items():
        facts = dict.fromkeys(_placeholders(text), "x")
        assert not facts or text % facts, key
