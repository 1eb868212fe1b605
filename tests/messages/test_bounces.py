"""Bounces: only reports about our own mails, only about mailboxes that do not receive."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask import Flask

from idp import crypto
from idp.accounts import directory
from idp.db import db
from idp.messages.bounces import read_bounce
from idp.messages.return_path import make_token, read_token, return_address
from idp.messages.undeliverable import is_undeliverable, mark_undeliverable, tag_of
from tests.conftest import ALICE_EMAIL, Clock
from tests.messages.relay import Relay

RETURN = "retours@connexion.example.fr"


def report(to: str, *, action: str = "failed", status: str = "5.1.1") -> bytes:
    """Return a delivery status notification as Postfix writes it."""
    return f"""From: MAILER-DAEMON@mx.example.net
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain; charset=us-ascii

I could not deliver your message.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net
Arrival-Date: Tue, 24 Nov 2026 10:00:00 +0000

Final-Recipient: rfc822; someone@example.fr
Action: {action}
Status: {status}
Diagnostic-Code: smtp; 550 no such user

--b--
""".replace("\n", "\r\n").encode()


@pytest.fixture
def address(context: Flask, alice: str) -> str:
    return return_address(RETURN, make_token(alice, ALICE_EMAIL))


def test_a_token_survives_mail_servers_and_no_forger(context: Flask, alice: str) -> None:
    token = make_token(alice, ALICE_EMAIL)

    assert len(token) == 45
    assert len(return_address(RETURN, token).partition("@")[0]) <= 64
    for spelling in (token, token.upper()):
        returned = read_token(spelling)
        assert returned is not None
        assert (returned.account_id, returned.tag) == (alice, tag_of(ALICE_EMAIL))
    for place in (0, 20, 30, 40):
        other = "b" if token[place] != "b" else "c"
        assert read_token(token[:place] + other + token[place + 1 :]) is None
    for text in ("", "a", "=", "é" * 45, "a" * 45, token * 2):
        assert read_token(text) is None


def test_a_message_to_nobodys_account_has_no_token(context: Flask) -> None:
    assert make_token(None, ALICE_EMAIL) == ""
    assert make_token("account-1", ALICE_EMAIL) == ""
    assert return_address(RETURN, "") == RETURN


@pytest.mark.parametrize("status", ["5.1.1", "5.1.10", "5.2.1", "5.2.2", "5.4.4"])
def test_a_report_about_the_mailbox_marks_the_address(address: str, alice: str, clock: Clock, status: str) -> None:
    assert read_bounce(report(address, status=status), now=clock()) == "marked"

    assert is_undeliverable(alice, ALICE_EMAIL)
    assert not is_undeliverable(alice, "nouvelle@example.fr")


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"action": "delayed", "status": "4.4.1"}, "delayed"),
        ({"action": "delivered", "status": "2.0.0"}, "delayed"),
        ({"status": "5.7.1"}, "policy"),
        ({"status": "5.0.0"}, "policy"),
        ({"status": ""}, "policy"),
    ],
)
def test_other_reports_mark_nothing(
    address: str, alice: str, clock: Clock, changes: dict[str, str], outcome: str
) -> None:
    assert read_bounce(report(address, **changes), now=clock()) == outcome
    assert not is_undeliverable(alice, ALICE_EMAIL)


@pytest.mark.parametrize("raw", [b"", b"\xff\x00", b"To: x\r\n\r\nhello", b"Content-Type: message/delivery-status\n\n"])
def test_rubbish_is_not_ours(context: Flask, clock: Clock, raw: bytes) -> None:
    assert read_bounce(raw, now=clock()) == "not-ours"


def test_a_forged_report_marks_nothing(context: Flask, alice: str, clock: Clock) -> None:
    forged = return_address(RETURN, "a" * 45)

    assert read_bounce(report(forged), now=clock()) == "not-ours"
    assert not is_undeliverable(alice, ALICE_EMAIL)


def test_a_holiday_note_is_no_report(address: str, alice: str, clock: Clock) -> None:
    note = f"To: {address}\r\nSubject: absent\r\n\r\nJe suis absent.".encode()

    assert read_bounce(note, now=clock()) == "not-a-report"


def test_the_envelope_names_it_where_no_header_does(address: str, clock: Clock) -> None:
    assert read_bounce(report("postmaster@example.fr"), recipient=address, now=clock()) == "marked"


def test_a_refused_mailbox_is_marked_and_the_envelope_carried_the_token(
    app: Flask, alice: str, open_relay: Callable[..., Relay], configure: Any, write: Any, deliver: Any
) -> None:
    relay = open_relay(rcpt=["550 5.1.1 no such user", "250 ok"])
    configure(smtp_url=relay.url, smtp={"return_address": RETURN})

    write("c:1", account_id=alice)
    deliver()
    write("d:1", account_id=alice)
    deliver()

    with app.app_context():
        assert is_undeliverable(alice, ALICE_EMAIL)
        assert relay.senders[-1] == return_address(RETURN, make_token(alice, ALICE_EMAIL))
        db.session.rollback()


def test_a_refusal_by_policy_marks_nothing(
    app: Flask, alice: str, open_relay: Callable[..., Relay], configure: Any, write: Any, deliver: Any
) -> None:
    relay = open_relay(rcpt=["550 5.7.1 not from you"])
    configure(smtp_url=relay.url)
    write("c:1", account_id=alice)

    deliver()

    with app.app_context():
        assert not is_undeliverable(alice, ALICE_EMAIL)
        db.session.rollback()


def test_a_mark_names_the_address_without_telling_it(context: Flask, alice: str, clock: Clock) -> None:
    mark_undeliverable(alice, tag_of(ALICE_EMAIL), "bounced", clock())
    mark_undeliverable(alice, tag_of(ALICE_EMAIL), "bounced", clock())

    account = directory.get_account(alice)
    assert (account.email_index or "").startswith(tag_of(ALICE_EMAIL))
    assert crypto.blind_index(ALICE_EMAIL.upper().casefold(), column="email") == account.email_index


def test_the_command_reads_files_and_a_pipe(app: Flask, address: str, tmp_path: Path, monkeypatch: Any) -> None:
    from idp import commands
    from idp.commands import program

    mail = tmp_path / "bounce.eml"
    mail.write_bytes(report(address))
    monkeypatch.setattr(program, "create_app", lambda: app)

    result = CliRunner().invoke(
        commands.cli, ["bounces", "read", "--json", str(mail), "-"], input="To: x@example.fr\n\nx"
    )

    assert result.exit_code == 0, result.output
    assert [entry["outcome"] for entry in json.loads(result.output)] == ["marked", "not-ours"]
