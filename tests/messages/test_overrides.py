"""Texts of the operator's own: used where they are given, and what could not be sent stops the start."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from idp import assembly
from idp.i18n import _, force_locale
from idp.messages.overrides import read_overrides
from idp.settings import SettingsFault

LOCALES = ("fr", "en")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "texts.toml"
    path.write_text(text, encoding="utf-8")
    return path


def both(text_id: str, text: str) -> str:
    return "".join(f"[{locale}]\n\"{text_id}\" = '''{text}'''\n" for locale in LOCALES)


def test_a_replaced_text_is_used_and_the_others_stay(context: Flask, tmp_path: Path, monkeypatch: Any) -> None:
    path = written(tmp_path, '[fr]\n"mail.hello" = "Salut,"\n[en]\n"mail.hello" = "Hi,"\n')
    texts, faults = read_overrides(path, LOCALES)
    monkeypatch.setitem(context.extensions["sesame"], "texts", texts)

    assert faults == []
    with force_locale("fr"):
        assert (_("mail.hello"), _("mail.reference", ref="7KQ")) == ("Salut,", "Réf. 7KQ")
    with force_locale("en"):
        assert _("mail.hello") == "Hi,"


def test_a_replaced_text_with_facts_is_filled_in(context: Flask, tmp_path: Path, monkeypatch: Any) -> None:
    texts, _faults = read_overrides(written(tmp_path, both("mail.reference", "Dossier %(ref)s, 100 %%")), LOCALES)
    monkeypatch.setitem(context.extensions["sesame"], "texts", texts)

    with force_locale("fr"):
        assert _("mail.reference", ref="7KQ-4MX") == "Dossier 7KQ-4MX, 100 %"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('[fr]\n"mail.hello" = "Salut"', "en: mail.hello is missing in this language"),
        (both("mail.nonsense", "x"), "is no text of our messages"),
        (both("u01.title", "x"), "is no text of our messages"),
        (both("mail.reference", "Réf."), "must hold exactly %(ref)s"),
        (both("mail.reference", "Réf. %(ref)s %(code)s"), "must hold exactly %(ref)s"),
        (both("mail.reference", "Réf. %(ref)s 50% "), "must hold exactly %(ref)s"),
        (both("mail.hello", "Voir https://caf.fr"), "holds a link"),
        (both("mail.hello", "a\nb"), "has more than one line"),
        (both("sms.alert.stopped", "Connexion arrêtée"), "not in the alphabet of SMS: ê"),
        (both("sms.code.short", "%(code)s %(words)s %(stop)s " + "x" * 120), "too long for one SMS"),
        (both("mail.hello", "  "), "is no text"),
        ('[de]\n"mail.hello" = "Hallo"', "de is no language"),
        ("fr = 3", "fr is no table"),
        ("[fr", "messages.overrides"),
    ],
)
def test_what_cannot_be_sent_is_named(tmp_path: Path, text: str, fault: str) -> None:
    texts, faults = read_overrides(written(tmp_path, text), LOCALES)

    assert texts == {}
    assert any(fault in line for line in faults), faults


def test_the_start_stops_at_a_bad_file(context: Flask, tmp_path: Path, configure: Any) -> None:
    settings = configure(messages={"overrides": tmp_path / "missing.toml"})

    with pytest.raises(SettingsFault, match="overrides"):
        assembly.texts(settings)


def test_our_own_texts_would_pass(tmp_path: Path) -> None:
    """The rules for others are rules that we keep."""
    import json

    from tests.pages.test_catalogues import texts

    ours = {locale: {k: v for k, v in texts(locale).items() if k.startswith(("mail.", "sms.")) or k == "fraud"}
            for locale in LOCALES}  # fmt: skip
    lines = [
        f"[{locale}]\n" + "\n".join(f"{json.dumps(k)} = {json.dumps(v, ensure_ascii=False)}" for k, v in table.items())
        for locale, table in ours.items()
    ]

    assert read_overrides(written(tmp_path, "\n".join(lines)), LOCALES)[1] == []
