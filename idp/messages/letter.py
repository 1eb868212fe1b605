"""What a mail of ours looks like: its headers, its two forms, and the addresses that it may go to."""

from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from email_validator import EmailNotValidError, validate_email

from idp.messages.transport import Letter


class BadAddress(Exception):
    """The recipient is no address that mail can safely be sent to."""


def check_recipient(to: str) -> str:
    """Return the address in ASCII, or raise `BadAddress`: line breaks, quoting, lists, names (AC-177, AC-178)."""
    try:
        ascii_form = validate_email(to, check_deliverability=False, strict=True).ascii_email
    except EmailNotValidError:
        raise BadAddress from None
    # Not every relay carries a local part beyond ASCII; a code must not depend on it.
    if ascii_form is None:
        raise BadAddress
    return ascii_form


def build_mail(letter: Letter, *, recipient: str, sender_name: str, sender_address: str) -> EmailMessage:
    """Return the mail; the same letter gives the same headers, so that a repeat can be recognised as one (RC-17)."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = Address(sender_name, addr_spec=sender_address)
    mail["To"] = Address(addr_spec=recipient)
    mail["Subject"] = letter.message.subject
    mail["Date"] = format_datetime(letter.written_at)
    mail["Message-ID"] = f"<{letter.reference}@{sender_address.rpartition('@')[2]}>"
    # RFC 3834 §5: no holiday notes in return.
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(letter.message.text, cte="quoted-printable")
    if letter.message.html:
        mail.add_alternative(letter.message.html, subtype="html", cte="quoted-printable")
    return mail
