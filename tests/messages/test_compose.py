"""What our messages say: the code, what it is for, a warning, and nothing that tells who the reader is."""

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask

from idp.messages.compose import compose_code, label_device
from idp.messages.gsm7 import count_septets, is_gsm7
from idp.messages.models import Message

LOCALES = ["fr", "en"]
# ux.md §8.6: longer host names would need a second SMS.
LONGEST_HOST = "x" * 32 + ".fr"


@pytest.fixture
def compose(context: Flask) -> Any:
    def make(channel: str = "email", **changes: Any) -> Message:
        values = {
            "code": "042915",
            "locale": "fr",
            "service": "Mes aides",
            "device": "Firefox (Windows)",
            "reference": "7KQ-4MX",
            "purpose": "signin",
            "site": "caf.fr",
            "host": "connexion.exemple.fr",
            "asked_at": datetime(2026, 11, 23, 13, 20, tzinfo=UTC),
            "words": "piano olive",
            "stop": "7KQ-4MX-CDF",
        }
        return compose_code(channel, **{**values, **changes})  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize("locale", LOCALES)
def test_mail_holds_what_ux_asks_for_in_both_forms_AC_46(compose: Any, locale: str) -> None:
    message = compose(locale=locale)

    for form in (message.text, message.html):
        for fact in (
            "042915",
            "Mes aides",
            "Firefox (Windows)",
            "15 minutes",
            "caf.fr",
            "7KQ-4MX",
            "Paris",
            "piano olive",
            "7KQ-4MX-CDF",
            "idp.test/stop",
        ):
            assert fact in form
        assert re.search("conseiller" if locale == "fr" else "adviser", form)
    assert message.subject.startswith("042915")
    assert f'lang="{locale}"' in message.html


@pytest.mark.parametrize("locale", LOCALES)
def test_mail_holds_no_link_no_picture_no_catalogue_id_AC_45_AC_46(compose: Any, locale: str) -> None:
    message = compose(locale=locale)

    assert not re.search(r"https?:|<a[ >]|<img|url\(|mail\.[a-z]", message.text + message.html)


def test_two_languages_are_two_texts(compose: Any) -> None:
    assert compose(locale="fr").text != compose(locale="en").text


def test_subject_can_keep_the_code_to_itself(compose: Any, configure: Any) -> None:
    configure(smtp={"code_in_subject": False})

    assert "042915" not in compose().subject


def test_unknown_device_is_left_out(compose: Any) -> None:
    message = compose(device="")

    assert "Mes aides" in message.text
    assert not re.search(r"avec\s*[.,]", message.text)


@pytest.mark.parametrize("name", ["{{7*7}}", "{% raise %}", "${7*7}", "%(code)s", "<b>x</b>"])
def test_name_of_a_service_is_printed_literally_AC_179(compose: Any, name: str) -> None:
    message = compose(service=name)

    assert name in message.text
    assert (name if "<" not in name else "&lt;b&gt;x&lt;/b&gt;") in message.html


def test_name_with_line_breaks_stays_on_its_line_AC_177(compose: Any) -> None:
    message = compose(service="Mes\r\naides\n\nBcc: x@y.fr")

    assert "Mes aides Bcc: x@y.fr" in message.text


@pytest.mark.parametrize("locale", LOCALES)
def test_sms_is_one_part_of_seven_bits_and_ends_bound_to_our_host_AC_48(compose: Any, locale: str) -> None:
    message = compose("sms", locale=locale, host=LONGEST_HOST)

    assert is_gsm7(message.text), set(message.text)
    assert count_septets(message.text) <= 160
    assert message.text.endswith(f"\n\n@{LONGEST_HOST} #042915")
    assert message.text.startswith(("Code de connexion : 042915", "Your sign-in code: 042915"))
    assert (message.subject, message.html) == ("", "")


@pytest.mark.parametrize("locale", LOCALES)
def test_sms_says_where_to_stop_as_long_as_that_fits(compose: Any, configure: Any, locale: str) -> None:
    short = compose("sms", locale=locale, host="connexion.exemple.fr").text
    configure(messages={"stop_address": "connexion.organisme-exemple.fr/stop"})
    long = compose("sms", locale=locale, host=LONGEST_HOST).text

    assert re.search(r"7KQ4MXCDF (sur|on) idp\.test/stop\n", short)
    assert "7KQ4MXCDF\n" in long
    assert "(piano olive)" in short


FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
EDGE = CHROME.replace("X11; Linux x86_64", "Windows NT 10.0; Win64; x64") + " Edg/140.0.0.0"
ANDROID = CHROME.replace("X11; Linux x86_64", "Linux; Android 16; Pixel 9")
SAFARI = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1"
)
IPHONE = SAFARI.replace("Macintosh; Intel Mac OS X 10_15_7", "iPhone; CPU iPhone OS 26_0 like Mac OS X")


@pytest.mark.parametrize(
    ("user_agent", "label"),
    [
        (FIREFOX, "Firefox (Windows)"),
        (CHROME, "Chrome (Linux)"),
        (EDGE, "Edge (Windows)"),
        (ANDROID, "Chrome (Android)"),
        (SAFARI, "Safari (macOS)"),
        (IPHONE, "Safari (iPhone)"),
        ("curl/8.0", ""),
        ("", ""),
        ("x" * 100_000 + "Firefox", ""),
    ],
)
def test_device_is_named_coarsely(user_agent: str, label: str) -> None:
    assert label_device(user_agent) == label
