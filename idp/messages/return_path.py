"""The envelope sender of each mail: who it went to, sealed against forgery, so that a bounce says whose it is.

`retours+<token>@…`: the account, the keyed name of the address, a keyed digest, in base32, because mail servers may
change the case of letters. Only the recipient's own mail server ever sees it, and nobody can make one up.
"""

import base64
import binascii
from dataclasses import dataclass

from idp import crypto
from idp.messages.undeliverable import tag_of

_ACCOUNT, _TAG, _DIGEST = 16, 4, 8
# RFC 5321 §4.5.3.1.1: a local part has 64 octets, and ours 45 of them.
LONGEST_PREFIX = 64 - 46


@dataclass(frozen=True, slots=True)
class Returned:
    """Whose message came back: the account, and the keyed name of the address it went to."""

    account_id: str
    tag: str


def make_token(account_id: str | None, address: str) -> str:
    """Return the token for a mail to ``address``, empty where there is no account to tell."""
    try:
        account = base64.urlsafe_b64decode(f"{account_id or ''}==")
    except (binascii.Error, ValueError):
        return ""
    if len(account) != _ACCOUNT:
        return ""
    body = account + bytes.fromhex(tag_of(address))
    return base64.b32encode(body + _digest(body)).decode().rstrip("=").lower()


def read_token(text: str) -> Returned | None:
    """Return whose mail a token belongs to, or ``None`` unless we made it."""
    try:
        raw = base64.b32decode(text.upper() + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        return None
    body, digest = raw[: _ACCOUNT + _TAG], raw[_ACCOUNT + _TAG :]
    if len(digest) != _DIGEST or not crypto.same(_digest(body).hex(), digest.hex()):
        return None
    account = base64.urlsafe_b64encode(body[:_ACCOUNT]).decode().rstrip("=")
    return Returned(account, body[_ACCOUNT:].hex())


def return_address(base: str, token: str) -> str:
    """Return the envelope sender: the configured address, with the token in it."""
    local, _at, domain = base.rpartition("@")
    return f"{local}+{token}@{domain}" if token else base


def _digest(body: bytes) -> bytes:
    return crypto.keyed("bounce", body.hex())[:_DIGEST]
