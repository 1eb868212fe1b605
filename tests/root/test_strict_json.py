"""JSON from strangers is read as I-JSON (RFC 7493): what two readers could read differently is refused."""

from typing import Any

import pytest

from idp.strict_json import parse_json


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": [1, -2.5, 1e3, true, null, "é"]}', {"a": [1, -2.5, 1000.0, True, None, "é"]}),
        ("9007199254740992", 2**53),
        (r'"\u00e9\ud83d\ude00"', "é😀"),
        (r'"\u001f"', "\x1f"),
        ('" "', " "),
    ],
)
def test_what_is_clear_is_read(text: str, value: Any) -> None:
    assert parse_json(text, longest=100, deepest=3) == value


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "nul", '{"a":1,"a":2}', '{"a":{"b":1,"b":2}}', "NaN", "-Infinity", "1e999", "-1e999",
        "9007199254740993", "1" * 50, "-" + "9" * 20, r'"\ud800"', r'{"\udfff": 1}', r'"\u0000"', r'{"a\u0000": 1}',
        "[[[[1]]]]", '"' + "a" * 100 + '"',
    ],
)  # fmt: skip
def test_what_is_not_is_refused_ac_118(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text, longest=100, deepest=3)
