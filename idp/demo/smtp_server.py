"""The mail relay of the demonstration: takes every mail on a loopback port and puts it in the inbox."""

from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from idp.demo.inbox import Inbox

_LARGEST_MAIL = 1_000_000


class _Handler:
    """What aiosmtpd calls for each mail."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        content = envelope.content
        mail = BytesParser(_class=EmailMessage, policy=default).parsebytes(
            content if isinstance(content, bytes) else b""
        )
        self._inbox.add(
            "email",
            to=", ".join(envelope.rcpt_tos),
            subject=str(mail["Subject"] or ""),
            sender=str(mail["From"] or envelope.mail_from or ""),
            text=_part(mail, "plain"),
            html=_part(mail, "html"),
        )
        return "250 2.0.0 Kept in the demonstration's mailbox"


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body(preferencelist=(kind,))
    if part is None:
        return ""
    content: Any = part.get_content()
    return str(content).replace("\r\n", "\n").strip()


def smtp_session(inbox: Inbox) -> SMTP:
    """Return the protocol of one connection."""
    return SMTP(_Handler(inbox), hostname="localhost", ident="demonstration", data_size_limit=_LARGEST_MAIL)
