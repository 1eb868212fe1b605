"""The optional DKIM signature of our mails (RFC 6376), where the relay does not sign; needs the extra `dkim`.

Every header that a reader sees or a machine acts on is signed, and named once more than it occurs, so that none can be
added (§5.4, §8.15). The body is signed whole: no `l=`.
"""

import base64
from email.message import EmailMessage
from email.policy import SMTP
from importlib.util import find_spec

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from idp.settings import SmtpSettings

_SHORTEST_KEY = 2048
_SIGNED = (
    "from", "to", "subject", "date", "message-id", "mime-version", "content-type", "auto-submitted", "reply-to", "cc",
    "sender",
)  # fmt: skip


class DkimFault(Exception):
    """The key or the library cannot be used; the message never quotes the key."""


class DkimSigner:
    """Signs mails of one domain under one selector."""

    def __init__(self, selector: str, domain: str, key: bytes) -> None:
        self._selector, self._domain, self._key = selector.encode(), domain.encode(), key

    def sign(self, mail: EmailMessage) -> bytes:
        """Return the mail as it goes over the wire, its signature on top; from here on not a byte may change."""
        import dkim

        raw = mail.as_bytes(policy=SMTP)
        present = [name.lower() for name in mail]
        headers = [name.encode() for name in _SIGNED for _ in range(present.count(name) + 1)]
        signature = dkim.sign(raw, self._selector, self._domain, self._key, include_headers=headers)
        return bytes(signature) + raw


def open_signer(smtp: SmtpSettings) -> DkimSigner | None:
    """Return the signer that the settings ask for, or ``None``; raises `DkimFault` at the start, not at a mail."""
    if not smtp.dkim_selector:
        return None
    if find_spec("dkim") is None:
        raise DkimFault("smtp.dkim_selector needs the extra: pip install sesame-idp[dkim]")
    try:
        key = load_pem_private_key(smtp.dkim_key.get_secret_value().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise DkimFault("smtp.dkim_key is no private key in PEM") from None
    # RFC 8301 §3.2: at least 1024 bits, 2048 advised; mailbox providers refuse less.
    if not isinstance(key, RSAPrivateKey) or key.key_size < _SHORTEST_KEY:
        raise DkimFault(f"smtp.dkim_key must be an RSA key of at least {_SHORTEST_KEY} bits")
    # The library reads PKCS#1 only.
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return DkimSigner(smtp.dkim_selector, smtp.sender_address.rpartition("@")[2], pem)


def public_half(smtp: SmtpSettings) -> str:
    """Return the key that the DNS record of our selector must hold (RFC 6376 §3.6.1, `p=`); raises `DkimFault`."""
    open_signer(smtp)
    key = load_pem_private_key(smtp.dkim_key.get_secret_value().encode(), None)
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()
