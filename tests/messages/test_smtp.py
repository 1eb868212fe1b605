"""How mail leaves: TLS or nothing, the right answer for each refusal, the next relay when one fails."""

import asyncio
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from idp.messages.relays import Relay as RelayAddress
from idp.messages.relays import RelayFault, parse_relay
from idp.messages.smtp import SmtpSender
from idp.messages.transport import Answer, Letter
from tests.conftest import ALICE_EMAIL
from tests.messages.conftest import TEXT, letter
from tests.messages.relay import Relay, free_port

Open = Callable[..., Relay]


@pytest.fixture
def send(configure: Any, certificates: tuple[Path, Any]) -> Callable[..., list[Answer]]:
    """Return a sender of letters through the relays of some URLs, over one `SmtpSender`."""

    def go(
        urls: list[str], *letters: Letter, before_next: Callable[[], Any] = lambda: None, **smtp: Any
    ) -> list[Answer]:
        section = {"relays": urls[1:], "ca_file": certificates[0], "timeout": 5, **smtp}
        settings = configure(smtp_url=urls[0], smtp=section)

        async def run() -> list[Answer]:
            sender = SmtpSender(settings)
            try:
                answers = []
                for each in letters or (letter(),):
                    answers.append(await sender.send(each))
                    before_next()
                return answers
            finally:
                await sender.close()

        return asyncio.run(run())

    return go


def test_mail_has_our_headers_and_both_forms(send: Any, open_relay: Open) -> None:
    relay = open_relay()

    answers = send([relay.url], letter(html="<p>482915</p>"))

    assert answers == [Answer("accepted", "accepted", f"127.0.0.1:{relay.port}", "ref-1")]
    mail = relay.mails[0]
    assert str(mail["From"]) == "Caf – Connexion <ne-pas-repondre@connexion.example.fr>"
    assert str(mail["Message-ID"]) == "<ref-1@connexion.example.fr>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Unsubscribe"] is None
    assert parsedate_to_datetime(str(mail["Date"])) == letter().written_at
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]  # type: ignore[attr-defined]
    assert relay.texts == [TEXT]
    assert (relay.senders, relay.recipients) == (["ne-pas-repondre@connexion.example.fr"], [[ALICE_EMAIL]])


def test_starttls_is_used_and_the_certificate_verified(send: Any, open_relay: Open, certificates: Any) -> None:
    relay = open_relay(tls=certificates[1])

    assert send([relay.url])[0].outcome == "accepted"
    assert relay.secured == [True]


def test_tls_from_the_first_byte(send: Any, open_relay: Open, certificates: Any) -> None:
    relay = open_relay(tls=certificates[1], smtps=True)

    assert send([relay.url])[0].outcome == "accepted"
    assert relay.secured == [True]


def test_relay_without_starttls_gets_nothing_in_clear_AC_47(
    send: Any, open_relay: Open, told: list[dict[str, Any]]
) -> None:
    relay = open_relay()

    answer = send([f"smtp+starttls://user:pass@127.0.0.1:{relay.port}"])[0]

    assert (answer.outcome, answer.answer_class) == ("later", "tls")
    assert (relay.commands, relay.mails, relay.logins) == ([], [], [])
    assert [(line["event"], line["reason"]) for line in told] == [("relay-trouble", "tls")]


@pytest.mark.parametrize("smtps", [False, True])
def test_relay_with_an_unknown_certificate_gets_nothing(
    send: Any, open_relay: Open, certificates: Any, smtps: bool
) -> None:
    relay = open_relay(tls=certificates[1], smtps=smtps)

    answer = send([relay.url], ca_file=None)[0]

    assert (answer.outcome, answer.answer_class, relay.mails) == ("later", "tls", [])


def test_login_is_sent_over_tls(send: Any, open_relay: Open, certificates: Any) -> None:
    relay = open_relay(tls=certificates[1], login="idp:hunter2")

    assert send([relay.url])[0].outcome == "accepted"
    assert [good for _mechanism, good in relay.logins] == [True]


def test_wrong_login_is_the_relays_trouble_not_the_recipients(
    send: Any, open_relay: Open, certificates: Any, told: list[dict[str, Any]]
) -> None:
    relay = open_relay(tls=certificates[1], login="idp:hunter2")

    answer = send([relay.url.replace("hunter2", "hunter3")])[0]

    assert (answer.outcome, answer.answer_class) == ("later", "auth")
    assert "hunter" not in str(told)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        ({"rcpt": ["450 4.2.0 greylisted"]}, ("later", "later")),
        ({"data": ["451 4.3.0 try again"]}, ("later", "later")),
        ({"mail": "421 4.3.2 busy"}, ("later", "later")),
        ({"rcpt": ["550 5.1.1 no such user"]}, ("refused", "mailbox")),
        ({"rcpt": ["550 no such user"]}, ("refused", "mailbox")),
        ({"rcpt": ["550 5.7.1 blocked, see our policy"]}, ("refused", "refused")),
        ({"rcpt": ["554 no"]}, ("refused", "refused")),
        ({"data": ["554 5.7.1 spam"]}, ("refused", "refused")),
        ({"mail": "550 5.7.1 sender not allowed"}, ("refused", "sender")),
    ],
)
def test_refusals_are_told_apart(send: Any, open_relay: Open, behaviour: Any, expected: tuple[str, str]) -> None:
    relay = open_relay(**behaviour)

    answer = send([relay.url])[0]

    assert (answer.outcome, answer.answer_class) == expected


def test_slow_relay_is_left_after_the_timeout_RC_12(send: Any, open_relay: Open) -> None:
    relay = open_relay()
    relay.delay = 2

    answer = send([relay.url], timeout=0.3)[0]

    assert (answer.outcome, answer.answer_class) == ("later", "timeout")


def test_connection_that_breaks_is_tried_again_later(send: Any, open_relay: Open) -> None:
    relay = open_relay()
    relay.drop_after_data = 1

    answers = send([relay.url], letter(), letter(attempt=2))

    assert [answer.outcome for answer in answers] == ["later", "accepted"]


def test_second_relay_takes_over_from_one_that_is_down(send: Any, open_relay: Open) -> None:
    good = open_relay()

    answers = send([f"smtp://127.0.0.1:{free_port()}", good.url], letter(), letter())

    assert [answer.relay for answer in answers] == [f"127.0.0.1:{good.port}"] * 2


def test_second_relay_takes_over_after_repeated_4xx_only(send: Any, open_relay: Open) -> None:
    grey, good = open_relay(rcpt=["451 later"]), open_relay()

    first, second = send([grey.url, good.url], letter(attempt=1), letter(attempt=2))

    assert (first.answer_class, second.outcome) == ("later", "accepted")
    assert len(good.mails) == 1


def test_permanent_refusal_is_not_tried_elsewhere_RC_14(send: Any, open_relay: Open) -> None:
    refusing, other = open_relay(rcpt=["550 no such user"]), open_relay()

    assert send([refusing.url, other.url])[0].outcome == "refused"
    assert other.commands == []


def test_connection_is_used_again(send: Any, open_relay: Open) -> None:
    relay = open_relay()

    send([relay.url], *[letter() for _ in range(5)])

    assert (relay.connections, len(relay.mails)) == (1, 5)


def test_connection_is_renewed_after_a_hundred_mails(send: Any, open_relay: Open) -> None:
    relay = open_relay()

    send([relay.url], *[letter() for _ in range(101)])

    assert (relay.connections, len(relay.mails)) == (2, 101)


def test_connection_that_the_relay_closed_meanwhile_costs_nothing(send: Any, open_relay: Open) -> None:
    relay = open_relay()

    relays = [relay.url, open_relay().url]
    first, second = send(relays, letter(), letter(), before_next=relay.stop)

    assert (first.outcome, second.outcome) == ("accepted", "accepted")
    assert first.relay != second.relay


@pytest.mark.parametrize(
    "to",
    [
        "a@b.fr\r\nBcc: x@y.fr",
        "a@b.fr\nRCPT TO:<x@y.fr>",
        "a@b.fr>, <x@y.fr",
        "a@b.fr, x@y.fr",
        '"a b"@c.fr',
        "Alice <a@b.fr>",
        "é@b.fr",
        "a@" + "b" * 320 + ".fr",
        "a",
        "",
    ],
)
def test_address_that_could_carry_more_is_refused_before_any_relay_hears_of_it_AC_177_AC_178(
    send: Any, open_relay: Open, to: str
) -> None:
    relay = open_relay()

    assert send([relay.url], letter(to))[0] == Answer("refused", "address")
    assert relay.connections == 0


def test_domain_beyond_ascii_is_written_in_its_ascii_form(send: Any, open_relay: Open) -> None:
    relay = open_relay()

    send([relay.url], letter("alice@éole.fr"))

    assert relay.recipients == [["alice@xn--ole-9la.fr"]]


def test_one_mail_one_recipient_AC_178(send: Any, open_relay: Open) -> None:
    relay = open_relay()

    send([relay.url], letter(text="line\r\n.\r\nRCPT TO:<x@y.fr>\r\n"))

    assert relay.commands == ["MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://localhost", RelayAddress("localhost", 25, "plain")),
        ("smtp://[::1]:2525", RelayAddress("::1", 2525, "plain")),
        ("smtp+starttls://a%40b:p%3Aw@relay.fr", RelayAddress("relay.fr", 587, "starttls", "a@b", "p:w")),
        ("smtps://relay.fr:4650", RelayAddress("relay.fr", 4650, "tls")),
    ],
)
def test_relay_urls(url: str, expected: RelayAddress) -> None:
    assert parse_relay(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "smtp://relay.fr", "smtp://10.0.0.1:25", "http://relay.fr", "smtps://", "smtps://relay.fr/path",
        "smtps://user-only@relay.fr", "smtps://relay.fr:port", "smtps://relay.fr:25?tls=no", "relay.fr:25",
    ],
)  # fmt: skip
def test_unusable_relay_urls_stop_the_start(url: str) -> None:
    with pytest.raises(RelayFault) as fault:
        parse_relay(url)
    assert "user-only" not in str(fault.value)


def test_password_is_not_shown_with_the_relay() -> None:
    assert "hunter2" not in repr(parse_relay("smtps://idp:hunter2@relay.fr"))
