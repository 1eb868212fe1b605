"""What our messages say: the mailed and the texted code, in the language of the page that asked for it."""

import re
from dataclasses import dataclass

from flask import render_template

from idp.i18n import _, force_locale
from idp.settings import settings

_GSM7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_BROWSERS = (("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("FxiOS", "Firefox"), ("SamsungBrowser", "Samsung Internet"),
             ("CriOS", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))  # fmt: skip
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "Mac"),
            ("CrOS", "ChromeOS"), ("Linux", "Linux"))  # fmt: skip


@dataclass(frozen=True)
class Message:
    """A message ready to be sent; an SMS has a text only."""

    subject: str
    text: str
    html: str = ""


def compose_code(
    channel: str,
    *,
    code: str,
    locale: str,
    service: str,
    device: str,
    reference: str,
    purpose: str,
    site: str,
    host: str,
) -> Message:
    """Return the message that carries a code; nobody's name, number or address is in it (AC-46)."""
    words = {"code": code, "service": _one_line(service), "device": device, "reference": reference, "site": site}
    with force_locale(locale):
        if channel == "sms":
            # The last line binds the code to our origin: no phone fills it in on another site.
            return Message("", f"{_('sms.code', code=code)}\n\n@{host} #{code}")
        subject = _("mail.code.subject", code=code) if settings.smtp.code_in_subject else _("mail.code.subject.nocode")
        text = render_template("mail/code.txt", locale=locale, purpose=purpose, **words)
        html = render_template("mail/code.html", locale=locale, purpose=purpose, **words)
    return Message(subject, text, html)


def is_gsm7(text: str) -> bool:
    """Tell whether an SMS of ``text`` stays in the alphabet in which 160 characters fit."""
    return set(text) <= _GSM7


def label_device(user_agent: str) -> str:
    """Return what people call their browser and system: "Firefox, Windows"; empty when unknown."""
    browser = next((name for mark, name in _BROWSERS if mark in user_agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in user_agent), "")
    return ", ".join(part for part in (browser, system) if part)


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()[:80]
