"""Which texts of our messages an operator has replaced, and whether those can be sent: checked before the start.

A file of TOML, a table for each language, text ids as in the catalogues. What is replaced is so in every language;
each text says the same facts as ours (its placeholders), an SMS stays one SMS in the 7-bit alphabet, and no message
holds a link.
"""

import re
import tomllib
from functools import lru_cache
from pathlib import Path

from idp.i18n import catalogue
from idp.messages.gsm7 import ONE_SMS, count_septets, is_gsm7

Texts = dict[str, dict[str, str]]
_OURS_TO_GIVE = re.compile(r"(mail|sms)\.[a-z0-9._-]+|fraud")
_LINK = re.compile(r"https?:|www\.", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
# As long as they get, so that the SMS is judged at its longest; the address is dropped when there is no room for it.
_LONGEST = {"code": "482915", "words": "jaguar jungle", "stop": "7KQ4MXCDF", "minutes": "15", "stop_at": "caf.fr/stop"}
_CODE_ENDING = len("\n\n@") + 20 + len(" #482915")


def read_overrides(path: Path, locales: tuple[str, ...]) -> tuple[Texts, list[str]]:
    """Return the replaced texts by language, and every reason why they cannot be used."""
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        return {}, [f"messages.overrides: {fault}"]
    faults = [f"messages.overrides: {name} is no language of `locales`" for name in tree if name not in locales]
    texts = {locale: tree.get(locale, {}) for locale in locales}
    ids = {text_id for table in texts.values() if isinstance(table, dict) for text_id in table}
    for locale in locales:
        table = texts[locale]
        if not isinstance(table, dict):
            faults.append(f"messages.overrides: {locale} is no table")
            continue
        for text_id in sorted(ids):
            text = table.get(text_id)
            faults += [
                f"messages.overrides: {locale}: {text_id} {why}" for why in find_text_faults(text_id, text, locale)
            ]
    return (texts, []) if not faults else ({}, faults)


@lru_cache(maxsize=1)
def replaceable_texts() -> tuple[str, ...]:
    """Return the ids of the texts of our messages."""
    known = getattr(catalogue("fr"), "_catalog", {})
    return tuple(sorted(str(one) for one in known if isinstance(one, str) and _OURS_TO_GIVE.fullmatch(one)))


def find_text_faults(text_id: str, text: object, locale: str) -> list[str]:
    """Return why a text cannot take the place of ours."""
    original = catalogue(locale).gettext(text_id)
    if original == text_id or not _OURS_TO_GIVE.fullmatch(text_id):
        return ["is no text of our messages"]
    if text is None:
        return ["is missing in this language"]
    if not isinstance(text, str) or not text.strip():
        return ["is no text"]
    names, wanted = set(_PLACEHOLDER.findall(text)), set(_PLACEHOLDER.findall(original))
    if names != wanted or "%" in _PLACEHOLDER.sub("", text.replace("%%", "")):
        return [f"must hold exactly {', '.join(f'%({name})s' for name in sorted(wanted)) or 'no placeholder'}"]
    faults = ["holds a link"] if _LINK.search(text) else []
    if "\n" in text or "\r" in text:
        faults.append("has more than one line")
    if text_id.startswith("sms."):
        faults += _sms_faults(text_id, text)
    return faults


def _sms_faults(text_id: str, text: str) -> list[str]:
    if not is_gsm7(text):
        return [f"is not in the alphabet of SMS: {' '.join(sorted({c for c in text if not is_gsm7(c)}))}"]
    whole = _PLACEHOLDER.sub(lambda match: _LONGEST.get(match[1], "x" * 30), text)
    room = ONE_SMS - (_CODE_ENDING if text_id.startswith("sms.code") else 0)
    too_long = count_septets(whole) - room
    return [f"is {too_long} characters too long for one SMS"] if too_long > 0 else []
