"""Which language a page speaks, and how its texts and moments are written; texts have ids such as `u01.title`."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.core import UnknownLocaleError
from babel.dates import format_date, format_time, get_timezone
from babel.support import NullTranslations, Translations
from flask import Flask, has_request_context, request
from flask_babel import Babel, force_locale, get_locale

from idp.per_app import context, ours
from idp.settings import settings

__all__ = [
    "LANGUAGE_COOKIE",
    "_",
    "choose_locale",
    "clock_time",
    "current_locale",
    "day",
    "force_locale",
    "init_i18n",
    "locale_for",
]

LANGUAGE_COOKIE = "lang"
# Languages written from right to left, once their catalogues come.
RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ps"})
_CATALOGUES = Path(__file__).parent / "translations"
# The first of a month is an ordinal where the others are not: « le 1er avril », « le 2 avril ». CLDR has no such rule.
_FIRST_OF_MONTH = {"fr": "d'er' MMMM y"}


def _(text_id: str, **values: Any) -> str:
    """Return the text of ``text_id`` in the language of this request: the operator's, or else ours."""
    locale = current_locale()
    theirs = ours().get("texts", {}).get(locale, {}).get(text_id)
    text = catalogue(locale).gettext(text_id) if theirs is None else theirs
    return str(text % values) if values else str(text)


@lru_cache(maxsize=20)
def catalogue(locale: str) -> NullTranslations:
    """Return our own texts in a language."""
    return Translations.load(_CATALOGUES, [locale])


def current_locale() -> str:
    """Return the language of this request."""
    # Where Flask-Babel keeps what it chose, or was made to choose. Asked for every text of a page: its own way there,
    # over four proxies, was one part in ten of what a page costs.
    chosen = getattr(getattr(context().g, "_flask_babel", None), "babel_locale", None) or get_locale()
    return str(chosen.language) if chosen else settings.locales[0]


def choose_locale(ui_locales: str | None, cookie: str | None, accept_language: str | None) -> str:
    """Return the first language that we speak: asked for by the service, chosen before, set in the browser, French."""
    asked = [*(ui_locales or "").split()[:20], cookie or "", *_accepted(accept_language)]
    return next((found for tag in asked if (found := _spoken(tag))), settings.locales[0])


def locale_for(ui_locales: str | None) -> str:
    """Return the language of a request whose `ui_locales` did not come in its address, but signed or pushed."""
    asked = (ui_locales or "").split()[:20]
    return next((found for tag in asked if (found := _spoken(tag))), current_locale())


def text_in(texts: Mapping[str, str]) -> tuple[str, str] | None:
    """Return a text that somebody wrote in some languages, and its language: the reader's, else the first of ours."""
    wanted = (current_locale(), *settings.locales)
    return next(((locale, texts[locale]) for locale in wanted if texts.get(locale)), None)


def clock_time(moment: datetime) -> str:
    """Return the time of day on the wall clock of the service: « 14 h 20 » or "14:20"."""
    local = moment.astimezone(get_timezone(settings.time_zone))
    pattern = "H 'h' mm" if current_locale() == "fr" else "HH:mm"
    return str(format_time(local, pattern, locale=current_locale()))


def day(moment: datetime) -> str:
    """Return the day in words; the only place where a date is written for people (`sesame.js` does as it does)."""
    local = moment.astimezone(get_timezone(settings.time_zone))
    pattern = _FIRST_OF_MONTH.get(current_locale(), "long") if local.day == 1 else "long"
    return str(format_date(local, pattern, locale=current_locale()))


def languages() -> Iterable[tuple[str, str]]:
    """Return the languages offered, each with its own name for itself."""
    return [(tag, (Locale.parse(tag).get_language_name(tag) or tag).capitalize()) for tag in settings.locales]


def init_i18n(app: Flask) -> None:
    """Let Flask-Babel choose as `choose_locale` does and give the templates what they need."""
    Babel(
        app,
        locale_selector=_select,
        default_locale=app.extensions["sesame"]["settings"].locales[0],
        default_translation_directories="translations",
    )
    app.jinja_env.globals["_"] = _
    app.jinja_env.filters["clock_time"] = clock_time
    app.jinja_env.filters["day"] = day


def _select() -> str:
    if not has_request_context():
        return settings.locales[0]
    cookie = request.cookies.get("__Host-" + LANGUAGE_COOKIE if settings.has_tls else LANGUAGE_COOKIE)
    return choose_locale(request.args.get("ui_locales"), cookie, request.headers.get("Accept-Language"))


def _spoken(tag: str) -> str | None:
    try:
        language = Locale.parse(tag.strip().replace("_", "-"), sep="-").language if len(tag) <= 35 else ""
    except (ValueError, UnknownLocaleError):
        return None
    return language if language in settings.locales else None


def _accepted(header: str | None) -> list[str]:
    """Return the tags of an Accept-Language header, wanted most first; rubbish is passed over."""
    weighed = []
    for part in (header or "")[:500].split(",")[:20]:
        tag, _sep, quality = part.partition(";q=")
        try:
            weighed.append((float(quality or 1), tag.strip()))
        except ValueError:
            continue
    return [tag for _quality, tag in sorted(weighed, key=lambda pair: -pair[0])]
