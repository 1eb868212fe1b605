"""Every message as it goes out, in a language, filled in with values that are nobody's."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from idp.messages.alerts import KINDS
from idp.messages.compose import compose_alert, compose_code, compose_device_alert
from idp.messages.gsm7 import count_parts, count_septets, is_gsm7
from idp.messages.models import Message
from idp.settings import settings

_CODE, _WORDS, _STOP, _REFERENCE = "482915", "jaguar jungle", "7KQ-4MX-CDF", "7KQ-4MX"
_DEVICE, _SERVICE = "Firefox (Windows)", "Service d’exemple"
# Where each purpose of a code goes.
_CODES: Final[Mapping[str, tuple[str, ...]]] = {
    "sign-in": ("email", "sms"),
    "step-up": ("email", "sms"),
    "reset": ("email", "sms"),
    "new-email": ("email",),
    "new-mobile": ("sms",),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One message in one language; of an SMS also how long it is and how many it takes."""

    channel: str
    locale: str
    message: Message
    septets: int | None = None
    parts: int | None = None
    is_gsm7: bool | None = None


def sample_names() -> list[str]:
    """Return what there is to look at: `code.sign-in`, `alert.password-changed`, `device` …"""
    return [*(f"code.{one}" for one in _CODES), *(f"alert.{one}" for one in KINDS), "device"]


def make_samples(name: str, now: datetime) -> list[Sample]:
    """Return a message in every language and over every channel that it goes by."""
    kind, _, what = name.partition(".")
    channels = _CODES[what] if kind == "code" else ("email", "sms")
    made: dict[str, Callable[[str, str], Message]] = {
        "code": lambda channel, locale: compose_code(
            channel, code=_CODE, locale=locale, service=_SERVICE, device=_DEVICE, reference=_REFERENCE, purpose=what,
            site=settings.site_address, host=settings.issuer_host, asked_at=now, words=_WORDS, stop=_STOP,
        ),
        "alert": lambda channel, locale: compose_alert(
            channel, kind=what, detail={"name": "iPhone", "device": _DEVICE}, locale=locale, reference=_REFERENCE,
            stop=_STOP, at=now,
        ),
        "device": lambda channel, locale: compose_device_alert(
            channel, locale=locale, service=_SERVICE, browser=_DEVICE, reference=_REFERENCE,
            site=settings.site_address, at=now,
        ),
    }  # fmt: skip
    return [
        _sample(channel, locale, made[kind](channel, locale)) for channel in channels for locale in settings.locales
    ]


def _sample(channel: str, locale: str, message: Message) -> Sample:
    if channel != "sms":
        return Sample(channel, locale, message)
    text = message.text
    return Sample(channel, locale, message, count_septets(text), count_parts(text), is_gsm7(text))


def describe_sample(sample: Sample) -> dict[str, Any]:
    """Return what REST and the command line say of a sample."""
    return {
        "channel": sample.channel, "locale": sample.locale, "subject": sample.message.subject,
        "text": sample.message.text, "septets": sample.septets, "parts": sample.parts, "is_gsm7": sample.is_gsm7,
    }  # fmt: skip
