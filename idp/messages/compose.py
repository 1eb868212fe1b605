"""What our messages say: the texts come from the catalogue, here they get their facts; no name, no NIR, no link."""

import re
from datetime import datetime, timedelta

from flask import current_app

from idp.i18n import _, force_locale
from idp.messages.models import Message
from idp.settings import settings

# First match wins: most browsers claim to be others, too.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("FxiOS", "Firefox"),
    ("Firefox", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


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
    asked_at: datetime,
) -> Message:
    """Return the message that carries a one-time code to ``channel``, in the language of ``locale``.

    Its first words say what the code does: whoever is talked into reading it out must see what it is for.
    """
    kind = purpose.replace("-", "_")
    facts = {
        "code": code,
        "service": _one_line(service),
        "device": _one_line(device),
        "reference": reference,
        "purpose": purpose,
        "site": site,
        "host": host,
        "minutes": settings.code.lifetime // timedelta(minutes=1),
        "locale": locale,
        "asked_at": asked_at,
        "zone": settings.time_zone.rpartition("/")[2].replace("_", " "),
    }
    with force_locale(locale):
        if channel == "sms":
            # The browser offers the code only on this host (« origin-bound »): nothing may follow it (AC-48).
            text = _(f"sms.code.{kind}", **facts)
            return Message("", f"{text}\n\n@{host} #{code}")
        subject = f"mail.code.subject.{kind}" if settings.smtp.code_in_subject else f"mail.code.title.{kind}"
        return Message(_(subject, **facts), _render("code.txt", facts), _render("code.html", facts))


def compose_device_alert(
    channel: str, *, locale: str, service: str, browser: str, reference: str, site: str, at: datetime
) -> Message:
    """Return the message that tells an account holder of a device that was connected, and how to be rid of it."""
    facts: dict[str, object] = {
        "service": _one_line(service),
        "browser": _one_line(browser),
        "reference": reference,
        "site": site,
        "locale": locale,
        "at": at,
        "zone": settings.time_zone.rpartition("/")[2].replace("_", " "),
    }
    with force_locale(locale):
        if channel == "sms":
            return Message("", _("sms.device", **facts))
        return Message(_("mail.device.subject"), _render("device.txt", facts), _render("device.html", facts))


def label_device(user_agent: str) -> str:
    """Return browser and system as a person knows them, such as « Firefox (Windows) »; empty if neither is known."""
    browser = _first(_BROWSERS, user_agent)
    system = _first(_SYSTEMS, user_agent)
    return f"{browser} ({system})" if browser and system else browser or system


def _render(template: str, facts: dict[str, object]) -> str:
    # Not Flask's render_template: a worker or a command has no request for its context processors.
    return current_app.jinja_env.get_template(f"mail/{template}").render(facts)


def _first(table: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in table if mark in user_agent[:500]), "")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
