"""A mailbox for sign-ins under load, in a process of its own: ``python -m bench.postbox SMTP_PORT HTTP_PORT``.

Takes mails by SMTP and reads the six digits out of them; ``GET /bench7@example.fr`` answers with the newest code for
that address, as soon as there is one, once.
"""

import asyncio
import re
import sys
from dataclasses import dataclass
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

WAITS = 30.0


@dataclass(frozen=True)
class Mailbox:
    """The ports at which mails are taken and questions answered."""

    smtp: int
    questions: int


# Nobody listens at the port for discarding.
NO_MAILBOX = Mailbox(9, 9)
_CODE = re.compile(r"(?<![\d+])\d{3}[ \u00a0\u202f]?\d{3}(?!\d)")


def code_in(content: bytes) -> str:
    """Return the code of a mail, or nothing."""
    mail = BytesParser(_class=EmailMessage, policy=default).parsebytes(content)
    part = mail.get_body(preferencelist=("plain",))
    found = _CODE.search(str(part.get_content())) if part is not None else None
    return re.sub(r"\D", "", found[0]) if found else ""


class Postbox:
    """The codes that came, and who waits for one."""

    def __init__(self) -> None:
        self._codes: dict[str, asyncio.Queue[str]] = {}

    def of(self, address: str) -> "asyncio.Queue[str]":
        """Return the codes of an address."""
        return self._codes.setdefault(address.casefold(), asyncio.Queue())

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        """Take a mail."""
        code = code_in(envelope.content if isinstance(envelope.content, bytes) else b"")
        for address in envelope.rcpt_tos if code else ():
            self.of(address).put_nowait(code)
        return "250 2.0.0 taken"

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one question."""
        asked = await reader.readuntil(b"\r\n\r\n")
        address = asked.split(b" ", 2)[1].decode().removeprefix("/")
        try:
            status, code = "200 OK", await asyncio.wait_for(self.of(address).get(), WAITS)
        except TimeoutError:
            status, code = "404 Not Found", ""
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(code)}\r\nConnection: close\r\n\r\n"
        writer.write(f"{head}{code}".encode())
        await writer.drain()
        writer.close()


async def serve(smtp_port: int, http_port: int) -> None:
    """Serve both until told to stop."""
    box, loop = Postbox(), asyncio.get_running_loop()

    def session() -> Any:
        return SMTP(box, hostname="localhost", ident="bench")

    mails = await loop.create_server(session, "127.0.0.1", smtp_port)
    questions = await asyncio.start_server(box.answer, "127.0.0.1", http_port)
    async with mails, questions:
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))
