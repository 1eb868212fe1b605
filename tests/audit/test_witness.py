"""The double that watches every test sees what it is there for (AC-14, ASVS 16.2.5)."""

import base64
from typing import Any

import pytest
from flask import Response

from tests.conftest import ALICE_EMAIL, ALICE_MOBILE, ALICE_NIR
from tests.witness import Witness

TOKEN = "9sK3hLw0aQZxv-2n4bYtE7mPdRcUjGfXoIiVbNqWeSA"


@pytest.mark.parametrize(
    "thing",
    [
        {"event": "password", "facts": {"typed": ALICE_NIR}},
        {"event": "mail", "detail": f"to {ALICE_EMAIL}"},
        {"event": "sms", "detail": ALICE_MOBILE},
        {"event": "code", "facts": {"was": "482915"}},
        {"event": "code", "reason": "typed 482 915"},
        {"event": "password", "reason": "tried correct-horse-9-battery"},
        {"event": "token", "facts": {"kept": TOKEN}},
        {"event": "token", "facts": {"kept": "other-secret-of-a-client"}},
        {"event": "blotted", "facts": {"who": "[e-mail]"}},
    ],
)
def test_a_leak_is_seen_in_an_event_and_in_a_line(thing: dict[str, Any]) -> None:
    witness = Witness()
    basic = base64.b64encode(b"web:other-secret-of-a-client").decode()
    witness.sees_request(
        {"data": {"password": "correct-horse-9-battery"}, "headers": {"Authorization": f"Basic {basic}"}}
    )
    witness.sees_answer(Response(f'{{"access_token": "{TOKEN}", "token_type": "Bearer"}}', mimetype="application/json"))

    assert witness.leaks([thing], may_redact=False)
    witness.lines.append(thing)
    assert witness.leaks([], may_redact=False)


def test_what_is_no_secret_is_let_through() -> None:
    witness = Witness()
    witness.sees_request({"data": {"grant_type": "authorization_code", "token_type_hint": "refresh_token"}})

    assert not witness.leaks(
        [{"event": "code", "at": "2026-11-24T20:10:32.123456+00:00", "facts": {"kind": "refresh_token", "n": 482915}}],
        may_redact=False,
    )
