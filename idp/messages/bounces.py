"""What mail servers report back (RFC 3464): only reports about our own mails, known by their keyed return path.

A stranger can write to the return address; without the token of a mail that we sent, nothing happens.
"""

import re
from datetime import datetime
from email import message_from_bytes, policy
from email.message import Message as Mail
from typing import Literal

from idp import metrics
from idp.messages.return_path import Returned, read_token
from idp.messages.undeliverable import mark_undeliverable

LARGEST = 1024 * 1024
Outcome = Literal["marked", "delayed", "policy", "not-a-report", "not-ours"]
_TOKEN = re.compile(r"\+([a-z2-7]{45})@", re.IGNORECASE)
_RECIPIENT_HEADERS = ("X-Original-To", "Delivered-To", "Envelope-To", "To")
# RFC 3463 §3.2 to §3.5: no such mailbox, mailbox closed or full, no such domain. Policy (5.7) is no word about it.
_ABOUT_MAILBOX = re.compile(r"5\.(1\.\d+|2\.[012]|4\.4)")


def is_about_mailbox(status: str) -> bool:
    """Tell whether an enhanced status code (RFC 3463) says that this address does not receive."""
    return _ABOUT_MAILBOX.fullmatch(status) is not None


def read_bounce(raw: bytes, *, recipient: str = "", now: datetime) -> Outcome:
    """Take in one mail that came to the return address; ``recipient`` is the envelope's, where it is known.

    The caller commits.
    """
    outcome = _read(raw[:LARGEST], recipient, now)
    if outcome != "marked":
        metrics.MAIL_BOUNCES.labels(outcome).inc()
    return outcome


def _read(raw: bytes, recipient: str, now: datetime) -> Outcome:
    mail = message_from_bytes(raw, policy=policy.compat32)
    returned = _whose(mail, recipient)
    if returned is None:
        return "not-ours"
    reports = [part for part in mail.walk() if part.get_content_type() == "message/delivery-status"]
    fields = [block for part in reports for block in _blocks(part) if block["Action"]]
    if not fields:
        return "not-a-report"
    failed = [block for block in fields if str(block["Action"]).strip().lower() == "failed"]
    if not failed:
        return "delayed"
    if not any(is_about_mailbox(str(block["Status"] or "").split()[0] if block["Status"] else "") for block in failed):
        return "policy"
    mark_undeliverable(returned.account_id, returned.tag, "bounced", now)
    return "marked"


def _whose(mail: Mail, recipient: str) -> Returned | None:
    written = [recipient, *(str(value) for name in _RECIPIENT_HEADERS for value in mail.get_all(name, []))]
    for text in written:
        for token in _TOKEN.findall(text[:2000]):
            returned = read_token(token)
            if returned is not None:
                return returned
    return None


def _blocks(part: Mail) -> list[Mail]:
    payload = part.get_payload()
    return [block for block in payload if isinstance(block, Mail)] if isinstance(payload, list) else []
