"""Whether every text that may go out as an SMS is in the 7-bit alphabet, as it will be sent: checked at the start.

One « ê » or « ’ » turns an SMS of 160 characters into three of 67: three times the price, and a code in pieces.
"""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from babel.support import Translations
from flask import Flask

from idp import logs
from idp.i18n import _, force_locale
from idp.messages.compose import compose_code
from idp.messages.gsm7 import ONE_SMS, ONE_SMS_UCS2, count_septets, is_gsm7
from idp.messages.stops import stop_address
from idp.settings import Settings

_CATALOGUES = Path(__file__).parent.parent / "translations"
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
# Languages whose letters the alphabet does not have; their texts are written to fit 70 characters (ux.md §8.6).
_OTHER_LETTERS = frozenset({"ar", "fa", "ps", "ru", "ti", "uk", "zh"})
_CODE = "sms.code."
_WITH_LAST_LINE = ", with the last line"
log = logs.get_logger()


def find_faults(app: Flask, settings: Settings) -> list[str]:
    """Return why texts cannot go out as they are; what is merely longer than one SMS is logged."""
    faults = []
    with app.app_context():
        for locale in settings.locales:
            for text_id, text in _texts(locale, settings).items():
                if locale not in _OTHER_LETTERS and not is_gsm7(text):
                    strange = " ".join(sorted({character for character in text if not is_gsm7(character)}))
                    faults.append(f"{text_id} ({locale}) is not in the alphabet of SMS: {strange}")
                # Which of the texts of a code is sent depends on its last line: they are judged together.
                elif _is_long(text) and not text_id.startswith(_CODE):
                    log.warning("sms-text-long", text=text_id, locale=locale, characters=len(text))
    return faults


def _texts(locale: str, settings: Settings) -> dict[str, str]:
    """Return every text of SMS in a language, filled in as it will be."""
    facts = {"site": settings.site_address, "minutes": "15", "stop": "7KQ4MXCDF", "stop_at": stop_address()}
    texts = {}
    with force_locale(locale):
        for text_id in _ids(locale):
            names = _PLACEHOLDER.findall(_(text_id))
            texts[text_id] = _(text_id, **{name: facts.get(name, "482915") for name in names})
    for purpose in _purposes(texts):
        code = compose_code(
            "sms", code="482915", locale=locale, service="", device="", reference="", purpose=purpose,
            words="jaguar jungle", stop="7KQ-4MX-CDF", site=settings.site_address, host=settings.issuer_host,
            asked_at=datetime(2026, 1, 1, tzinfo=UTC),
        )  # fmt: skip
        texts[f"{purpose}{_WITH_LAST_LINE}"] = code.text
    return texts


def _purposes(text_ids: Iterable[str]) -> list[str]:
    """Return what codes are sent for by SMS: each purpose has words of its own."""
    kinds = [text_id.removeprefix(_CODE) for text_id in text_ids if text_id.startswith(_CODE)]
    return [kind for kind in kinds if "." not in kind]


def _ids(locale: str) -> list[str]:
    catalogue = Translations.load(_CATALOGUES, [locale])
    return sorted(name for name in getattr(catalogue, "_catalog", {}) if name.startswith("sms."))


def _is_long(text: str) -> bool:
    return count_septets(text) > ONE_SMS if is_gsm7(text) else len(text) > ONE_SMS_UCS2
