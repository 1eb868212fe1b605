"""A log line never holds what a log may not (AC-185, AC-215)."""

import pytest

from idp.logs import redact


@pytest.mark.parametrize(
    "text",
    [
        "1991399999001", "1 99 13 99 999 001", "199139999900108", "299132A999003", "alice@example.fr",
        "+33612345678", "06 12 34 56 78", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.",
    ],
)  # fmt: skip
def test_what_is_shaped_like_personal_data_is_blotted_out(text: str) -> None:
    line = redact(None, "", {"event": "odd", "detail": f"saw {text} here"})

    assert text not in str(line)
    assert "here" in line["detail"]


@pytest.mark.parametrize(
    "key", ["nir", "password", "new_password", "client_secret", "refresh_token", "code", "email", "cookie"]
)
def test_forbidden_keys_are_blotted_out_whatever_they_hold(key: str) -> None:
    assert redact(None, "", {key: "anything"})[key] == "[redacted]"


def test_nested_values_are_cleaned_and_long_ones_cut() -> None:
    line = redact(None, "", {"facts": {"password": "x", "list": ["a@b.fr"]}, "agent": "M" * 10_000})

    assert line["facts"] == {"password": "[redacted]", "list": ["[e-mail]"]}
    assert len(line["agent"]) == 500


def test_ordinary_facts_stay() -> None:
    line = redact(None, "", {"event": "request", "route": "/token", "ms": 12.5, "reference": "7KQ-4MX"})

    assert line == {"event": "request", "route": "/token", "ms": 12.5, "reference": "7KQ-4MX"}
