"""The walk of a whole sign-in: every page, the mailed code, and each way in which it can go wrong."""

import asyncio
import smtplib
import socket
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from http.client import HTTPConnection

import pytest
from aiosmtpd.smtp import SMTP

from bench.load import Result, run
from bench.postbox import Postbox, code_in
from bench.visit import sign_in
from tests.bench.conftest import Provider, http, target_at

Make = Callable[[Callable[[bytes], bytes]], Provider]
FORMS = ({"who": "{person}", "password": "p"}, {"code": "{code}"})
PASSWORD_PAGE = b"""<form action="/search"><input name="q"></form>
    <form action="/password"><input type="hidden" name="csrf" value="a&amp;b">
    <input name="who"><input name="password"></form>"""
CODE_PAGE = b'<form><input type="hidden" name="csrf" value="c"><input name="code"></form>'


class Pages:
    """A provider whose code is what the mailbox said; pages can be replaced."""

    def __init__(self, **replaced: bytes) -> None:
        self.replaced = replaced

    def __call__(self, request: bytes) -> bytes:
        line, _, body = request.partition(b"\r\n")[0], *request.partition(b"\r\n\r\n")[1:]
        name = line.split(b" ")[1].split(b"?")[0].strip(b"/").decode() + ("-posted" if line.startswith(b"POST") else "")
        if name in self.replaced:
            return self.replaced[name]
        if name == "authorize":
            return http("302 Found", b"", "Location: /start", "Set-Cookie: sid=1; Path=/", "Set-Cookie: old=1")
        if name == "start":
            return http("200 OK", PASSWORD_PAGE, "Set-Cookie: old=; Max-Age=0")
        if name == "password-posted" and b"csrf=a%26b" in body and b"who=bench1" in body:
            return http("303 See Other", b"", "Location: code")
        if name == "code":
            return http("200 OK", CODE_PAGE)
        if name == "code-posted" and b"Cookie: sid=1\r\n" in request and body.endswith(b"code=123456"):
            return http("303 See Other", b"", "Location: http://localhost:9/callback?code=abc")
        return http("400 Bad Request", line)


def walked(provider: Make, pages: Pages, mailed: bytes = b"123456") -> Result:
    """Let one person sign in."""
    made, mailbox = provider(pages), provider(lambda _request: http("200 OK", mailed, "Connection: close"))
    target = target_at(made.port, forms=FORMS, postbox=mailbox.port, first_person=1)
    return run(made.port, None, sign_in, target, users=1, seconds=60)[0]


def test_a_sign_in_that_ends_at_the_relying_party_with_a_code_is_good(provider: Make) -> None:
    result = walked(provider, Pages())

    assert (result.requests, result.errors, result.first_error) == (1, 0, b"")
    # The question to the mailbox is no request to the provider.
    assert result.asked == 5


@pytest.mark.parametrize(
    ("pages", "mailed"),
    [
        (Pages(), b"654321"),
        (Pages(start=http("200 OK", b"<p>switched off</p>")), b"123456"),
        (Pages(start=http("500 Oops")), b"123456"),
        (Pages(authorize=http("302 Found", b"", "Location: /authorize")), b"123456"),
        (Pages(**{"code-posted": http("303 See", b"", "Location: http://localhost:9/callback?error=no")}), b"123456"),
        (Pages(**{"code-posted": http("200 OK", b"http://localhost:9/callback?code=abc")}), b"123456"),
    ],
    ids=["wrong code", "no form", "fault", "endless", "refused at the end", "a page that only names the code"],
)
def test_a_sign_in_that_ends_anywhere_else_is_an_error(provider: Make, pages: Pages, mailed: bytes) -> None:
    result = walked(provider, pages, mailed)

    assert (result.requests, result.errors) == (1, 1)
    assert result.first_error


@pytest.fixture
def postbox() -> Iterator[tuple[int, int]]:
    """Run a mailbox; return the ports of its mails and its questions."""
    loop, box, servers = asyncio.new_event_loop(), Postbox(), list[asyncio.Server]()
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]

    async def start() -> None:
        servers.append(await loop.create_server(lambda: SMTP(box, hostname="localhost"), sock=listeners[0]))
        servers.append(await asyncio.start_server(box.answer, sock=listeners[1]))

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield listeners[0].getsockname()[1], listeners[1].getsockname()[1]
    for server in servers:
        loop.call_soon_threadsafe(server.close)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def mail(text: str) -> EmailMessage:
    """Return a mail to the first person."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "idp@example.fr", "Bench1@example.fr", "Code"
    message.set_content(text)
    return message


def test_the_mailbox_hands_a_code_to_whoever_waits_for_that_address(postbox: tuple[int, int]) -> None:
    smtp, questions = postbox
    connection = HTTPConnection("127.0.0.1", questions, timeout=20)
    connection.request("GET", "/bench1@example.fr")

    with smtplib.SMTP("127.0.0.1", smtp) as relay:
        relay.send_message(mail("Ligne\u00a0: votre code est 123\u202f456.\n"))

    assert connection.getresponse().read() == b"123456"
    connection.close()


@pytest.mark.parametrize(
    ("text", "code"),
    [("Code : 012 345", "012345"), ("call +33612345678", ""), ("1234567", ""), ("nothing", "")],
)
def test_only_six_digits_alone_are_a_code(text: str, code: str) -> None:
    assert code_in(mail(text).as_bytes()) == code
