"""What our messages say: the texts come from the catalogue, here they get their facts; no name, no NIR, no link."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from flask import current_app

from idp.i18n import _, clock_time, day, force_locale
from idp.messages.gsm7 import ONE_SMS, count_septets
from idp.messages.models import Message
from idp.messages.stops import stop_address
from idp.settings import settings

# An alert of these says of each thing when it was.
_SAY_WHEN = frozenset({"new-device"})
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
    words: str = "",
    stop: str = "",
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
        "zone": zone_name(),
        "words": words,
        "stop": stop,
        "stop_at": stop_address(),
    }
    with force_locale(locale):
        if channel == "sms":
            # The browser offers the code only on this host (« origin-bound »): nothing may follow it (AC-48).
            facts["stop"] = stop.replace("-", "")
            ending = f"\n\n@{host} #{code}"
            # The address of the stop page gives way to a long host; every page of ours leads there as well.
            texts = [_(f"sms.code.{kind}", **facts) + ending, _(f"sms.code.short.{kind}", **facts) + ending]
            return Message("", next((text for text in texts if count_septets(text) <= ONE_SMS), texts[-1]))
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
        "zone": zone_name(),
    }
    with force_locale(locale):
        if channel == "sms":
            return Message("", _("sms.device", **facts))
        return Message(_("mail.device.subject"), _render("device.txt", facts), _render("device.html", facts))


def compose_alert(
    channel: str, *, kind: str, detail: Mapping[str, str], locale: str, reference: str, stop: str, at: datetime
) -> Message:
    """Return the message that tells an account holder what changed, and how to object by typing ``stop``."""
    where: dict[str, object] = {"stop": stop, "stop_at": stop_address()}
    with force_locale(locale):
        if channel == "sms":
            what = _(f"sms.alert.{kind}")
            return Message("", f"{what} {_('sms.not_you', **{**where, 'stop': stop.replace('-', '')})}")
        lines = (
            [_("mail.device.when", day=day(at), time=clock_time(at), zone=zone_name())] if kind not in _SAY_WHEN else []
        )
        lines += [
            _(f"mail.alert.{fact}", **{fact: _one_line(part)})
            for fact in ("name", "device")
            for part in detail.get(fact, "").splitlines()
            if part.strip()
        ]
        subject, what = _(f"mail.alert.subject.{kind}"), _(f"mail.alert.what.{kind}")
        facts = {"locale": locale, "reference": reference, "subject": subject, "what": what, "facts": lines, **where}
        return Message(subject, _render("alert.txt", facts), _render("alert.html", facts))


def compose_note(*, locale: str, subject: str, what: str, facts: Sequence[str], act: str, reference: str) -> Message:
    """Return a mail to somebody who looks after a service: what is the case, the facts, and what to do about it."""
    with force_locale(locale):
        said: dict[str, object] = {
            "locale": locale, "reference": reference, "subject": _one_line(subject), "what": _one_line(what),
            "facts": [_one_line(fact) for fact in facts], "act": act,
        }  # fmt: skip
        return Message(_one_line(subject), _render("note.txt", said), _render("note.html", said))


def label_device(user_agent: str) -> str:
    """Return browser and system as a person knows them, such as « Firefox (Windows) »; empty if neither is known."""
    browser = _first(_BROWSERS, user_agent)
    system = _first(_SYSTEMS, user_agent)
    return f"{browser} ({system})" if browser and system else browser or system


def zone_name() -> str:
    """Return the city whose clock our messages go by."""
    return settings.time_zone.rpartition("/")[2].replace("_", " ")


def _render(template: str, facts: dict[str, object]) -> str:
    # Not Flask's render_template: a worker or a command has no request for its context processors.
    return current_app.jinja_env.get_template(f"mail/{template}").render(facts)


def _first(table: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for mark, name in table if mark in user_agent[:500]), "")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
