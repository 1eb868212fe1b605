"""Every text of SMS, in every language: in the 7-bit alphabet, one SMS, the code alone on its last line."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from idp import create_app
from idp.messages import sms_texts
from idp.messages.gsm7 import ONE_SMS, count_parts, count_septets, is_gsm7, split_text
from idp.settings import Settings, SettingsFault
from tests.conftest import example_settings

LANGUAGES = sorted(path.name for path in (Path(sms_texts.__file__).parent.parent / "translations").iterdir())


def start(tmp_path: Path, **changes: Any) -> Any:
    stores = {"database_url": f"sqlite:///{tmp_path}/a.db", "state_file": tmp_path / "state.db"}
    app = create_app(Settings.model_validate(example_settings(**stores, **changes)))
    app.extensions["sesame"]["state"].store.close()
    return app


@pytest.mark.parametrize("locale", LANGUAGES)
def test_every_text_is_one_sms_of_the_seven_bit_alphabet(whole_app: Any, idp_settings: Settings, locale: str) -> None:
    with whole_app.app_context():
        texts = sms_texts._texts(locale, idp_settings)

    assert len(texts) > 5
    for text_id, text in texts.items():
        assert is_gsm7(text), f"{text_id}: {[c for c in text if not is_gsm7(c)]}"
        assert count_septets(text) <= ONE_SMS, text_id
        assert "%(" not in text
    for purpose in ("sign_in", "step_up", "reset", "new_mobile"):
        assert re.search(r"\n\n@idp\.test #482915\Z", texts[f"{purpose}, with the last line"])


def test_text_of_a_site_that_is_beyond_the_alphabet_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsFault) as stopped:
        start(tmp_path, site_address="mon-compte.fête")

    assert any("sms.device (fr)" in fault and fault.endswith("ê") for fault in stopped.value.faults)


def test_where_no_sms_are_sent_their_texts_stop_nothing(tmp_path: Path) -> None:
    assert start(tmp_path, site_address="mon-compte.fête", sms={})


def test_host_that_makes_two_sms_of_one_is_said_in_the_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start(tmp_path, issuer=f"https://{'x' * 60}.example.fr")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "sms-text-long" in line]
    said = {(line["text"], line["locale"]) for line in lines}
    assert {("sign_in, with the last line", "fr"), ("reset, with the last line", "en")} <= said


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("😀" * 36, 2),
    ],
)
def test_parts_are_counted_as_they_are_paid(text: str, parts: int) -> None:
    assert count_parts(text) == parts


def test_surrogates_stay_together() -> None:
    parts = split_text("я" + "😀" * 40)

    assert "".join(part.decode("utf-16-be") for part in parts) == "я" + "😀" * 40
    assert all(len(part) <= 134 for part in parts)
