"""How values are encrypted at rest, indexed blindly, keyed and compared; the only place with symmetric keys.

Blob layout: version (1 byte) | length of key id (1) | key id | nonce (12) | AES-256-GCM ciphertext and tag.
"""

import base64
import functools
import hashlib
import hmac
from typing import Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import SecretStr

from idp import entropy
from idp.settings import current_settings, settings

_VERSION = 1
Purpose = Literal[
    "code", "grant", "refresh", "subject", "csrf", "device", "pepper", "spray", "dpop", "source", "stop", "words",
    "bounce", "stand-in", "recovery", "rollout", "audit", "factor-used",
]  # fmt: skip
_OWNER: dict[str, str] = {
    "code": "code",
    "grant": "token",
    "refresh": "token",
    "csrf": "token",
    "device": "token",
    "subject": "subject",
    "pepper": "pepper",
    "spray": "token",
    "dpop": "token",
    "source": "token",
    "stop": "token",
    "words": "code",
    "bounce": "token",
    "stand-in": "index",
    "recovery": "index",
    "factor-used": "token",
    "rollout": "index",
    # Must still be computed when the event is a year old; `index` is the key that never changes.
    "audit": "index",
}


class Unreadable(Exception):
    """A sealed value is damaged, moved to another row, or its key is not configured."""


def seal(text: str, *, context: str) -> bytes:
    """Encrypt ``text`` with the current field key, bound to ``context`` (``table:column:row id``)."""
    secrets = current_settings().secrets
    key_id = secrets.field_key_id
    nonce = entropy.random_bytes(12)
    sealed = _aesgcm(secrets.field_keys[key_id].get_secret_value()).encrypt(nonce, text.encode(), context.encode())
    label = key_id.encode()
    return bytes((_VERSION, len(label))) + label + nonce + sealed


def unseal(blob: bytes, *, context: str) -> str:
    """Decrypt what `seal` made for the same ``context``, or raise `Unreadable`."""
    if len(blob) < 31 or blob[0] != _VERSION:
        raise Unreadable("unknown layout")
    end = 2 + blob[1]
    key_id = blob[2:end].decode("ascii", "replace")
    if key_id not in settings.secrets.field_keys:
        raise Unreadable("no key with this id")
    try:
        return _cipher(key_id).decrypt(blob[end : end + 12], blob[end + 12 :], context.encode()).decode()
    except InvalidTag as fault:
        raise Unreadable("wrong key or context") from fault


def blind_index(value: str, *, column: str) -> str:
    """Return 32 hexadecimal characters that find ``value`` in ``column`` without telling it."""
    return _hmac(current_settings().secrets.index, "index", column, value).hex()[:32]


def keyed(purpose: Purpose, *parts: str) -> bytes:
    """Return the HMAC-SHA-256 of ``parts`` under the key of ``purpose``; parts cannot run into each other."""
    return _hmac(getattr(settings.secrets, _OWNER[purpose]), purpose, *parts)


def fingerprint(bearer: str) -> str:
    """Return the SHA-256 under which a random bearer value (256 bits) may be stored."""
    return hashlib.sha256(bearer.encode()).hexdigest()


def same(ours: str, theirs: str) -> bool:
    """Compare two secrets in constant time."""
    # A lone surrogate in what a stranger sent is a wrong value, not an error.
    return hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "surrogatepass"))


def _hmac(key: SecretStr, *parts: str) -> bytes:
    raw = [part.encode("utf-8", "surrogatepass") for part in parts]
    text = b"".join([piece for one in raw for piece in (len(one).to_bytes(4, "big"), one)])
    return hmac.digest(_bytes(key.get_secret_value()), text, "sha256")


def _cipher(key_id: str) -> AESGCM:
    return _aesgcm(settings.secrets.field_keys[key_id].get_secret_value())


@functools.lru_cache(maxsize=16)
def _aesgcm(key: str) -> AESGCM:
    return AESGCM(hashlib.sha256(b"sesame field" + _bytes(key)).digest())


@functools.lru_cache(maxsize=32)
def _bytes(key: str) -> bytes:
    return base64.urlsafe_b64decode(key + "=" * (-len(key) % 4))
