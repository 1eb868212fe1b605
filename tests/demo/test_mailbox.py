"""The demonstration's mailbox: mail by SMTP, the page, the JSON that is frozen for outside tests."""

import smtplib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
import requests
from flask.testing import FlaskClient

from idp.demo.inbox import Inbox
from idp.demo.mailbox import LOOPBACK, Mailbox, create_mailbox


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def pages(inbox: Inbox) -> FlaskClient:
    return create_mailbox(inbox).test_client()


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox(web_port=0, system_id="demo", password="demo")
    mailbox.start()
    yield mailbox
    mailbox.stop()


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = (
        "Caf <caf@example.org>",
        "alice@example.org",
        "Votre code à usage unique",
    )
    mail.set_content("Bonjour,\n\nvotre code : 012 345\n")
    mail.add_alternative("<p>votre code : <b>012 345</b></p>", subtype="html")
    return mail


def test_mail_sent_by_smtp_is_listed_as_json(mailbox: Mailbox) -> None:
    with smtplib.SMTP(LOOPBACK, mailbox.smtp_port, timeout=5) as smtp:
        smtp.send_message(a_mail())

    messages = requests.get(f"http://localhost:{mailbox.web_port}/messages.json", timeout=5).json()

    assert messages[0].keys() == {"id", "channel", "to", "subject", "text", "received_at"}
    assert messages[0]["channel"] == "email"
    assert messages[0]["to"] == "alice@example.org"
    assert messages[0]["subject"] == "Votre code à usage unique"
    assert "votre code : 012 345" in messages[0]["text"]
    assert datetime.fromisoformat(messages[0]["received_at"]).tzinfo == UTC


def test_newest_comes_first_and_memory_is_bounded(inbox: Inbox) -> None:
    for number in range(250):
        inbox.add("sms", to="+33612345678", text=str(number))

    kept = inbox.list_messages()

    assert len(kept) == 200
    assert [message.text for message in kept[:2]] == ["249", "248"]


def test_page_shows_messages_as_text(pages: FlaskClient, inbox: Inbox) -> None:
    inbox.add("email", to="a@example.org", subject="<script>1</script>", text="<b>2</b>")

    page = pages.get("/").text

    assert "&lt;script&gt;1" in page
    assert "&lt;b&gt;2" in page


def test_html_mail_is_shown_in_a_sandbox(pages: FlaskClient, inbox: Inbox) -> None:
    inbox.add("email", to="a@example.org", subject="Code", text="012345", html="<script>alert(1)</script>")

    page, mail = pages.get("/messages/1"), pages.get("/messages/1/html")

    assert '<iframe src="/messages/1/html" sandbox' in page.text
    assert "alert(1)" not in page.text
    assert mail.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")


def test_unknown_message_is_not_found(pages: FlaskClient) -> None:
    assert pages.get("/messages/9").status_code == 404
    assert pages.get("/messages/9/html").status_code == 404


def test_another_host_name_reads_nothing(pages: FlaskClient, inbox: Inbox) -> None:
    """A page elsewhere that points its own name at 127.0.0.1 must not read the codes (DNS rebinding)."""
    inbox.add("sms", to="+33612345678", text="012345")

    answer = pages.get("/messages.json", headers={"Host": "evil.example"})

    assert answer.status_code == 400
    assert "012345" not in answer.text


def test_listens_on_loopback_only(mailbox: Mailbox) -> None:
    assert mailbox.addresses == {"127.0.0.1"}
