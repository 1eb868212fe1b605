"""Which password hashes of other systems we can still compare with, until their owner signs in once (R10).

A hash is read once, at import, into one spelling; what is unknown, damaged or so costly that one sign-in would hold a
lane for seconds is refused there, not at the door. `passwords.py` keeps the spelling sealed and calls `matches`.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import bcrypt

from idp.accounts.sha512_crypt import sha512_crypt

LegacyReason = Literal["unknown-scheme", "malformed", "too-costly"]

# What one comparison may cost: about as much as ten of ours.
_DEAREST_BCRYPT: Final = 14
_DEAREST_PBKDF2: Final = 2_000_000
_DEAREST_CRYPT: Final = 50_000
# What fits, sealed, into the column beside Argon2's hashes.
_LONGEST: Final = 139
_DIGESTS: Final = {"sha1": 20, "sha256": 32, "sha512": 64}
_LDAP: Final = {"{SSHA}": "sha1", "{SSHA256}": "sha256", "{SSHA512}": "sha512"}


class LegacyFault(Exception):
    """This hash cannot be taken over; `reason` says why, and nothing quotes it."""

    def __init__(self, reason: LegacyReason) -> None:
        super().__init__(reason)
        self.reason: LegacyReason = reason


@dataclass(frozen=True, slots=True)
class Scheme:
    """How one family of hashes is recognised, brought to one spelling, and compared with."""

    name: str
    begins: tuple[str, ...]
    read: Callable[[str], str]
    compare: Callable[[str, bytes], bool]


def read_legacy(text: str) -> str:
    """Return the one spelling of a foreign hash, or raise `LegacyFault`."""
    text = text.strip()
    # OpenLDAP and Spring wrap the hashes of others in the name of their family.
    for wrapped in ("{CRYPT}", "{crypt}", "{BCRYPT}", "{bcrypt}"):
        text = text.removeprefix(wrapped)
    scheme = _scheme_of(text)
    if scheme is None:
        raise LegacyFault("unknown-scheme")
    canonical = scheme.read(text)
    if len(canonical) > _LONGEST or not canonical.isascii():
        raise LegacyFault("malformed")
    return canonical


def matches(canonical: str, password: str) -> bool:
    """Tell whether `read_legacy`'s spelling is the hash of ``password``, in an encoding of its time."""
    scheme = _scheme_of(canonical)
    return scheme is not None and any(scheme.compare(canonical, typed) for typed in _encodings(password))


def name_of(canonical: str) -> str:
    """Return the family's name, for reports."""
    scheme = _scheme_of(canonical)
    return scheme.name if scheme else "unknown"


def _encodings(password: str) -> list[bytes]:
    # An old French system may have hashed « é » as Latin-1; plain ASCII, nearly everybody's, is compared once.
    typed = [password.encode("utf-8", "surrogatepass")]
    if not password.isascii():
        typed.append(password.encode("latin-1", "ignore"))
    return typed


def _scheme_of(text: str) -> Scheme | None:
    return next((scheme for scheme in SCHEMES if text.startswith(scheme.begins)), None)


def _read_bcrypt(text: str) -> str:
    found = re.fullmatch(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", text)
    if not found or int(found[1]) < 4:
        raise LegacyFault("malformed")
    _check_cost(int(found[1]), _DEAREST_BCRYPT)
    return text


def _compare_bcrypt(canonical: str, typed: bytes) -> bool:
    # bcrypt looks at 72 bytes and stops at a NUL, which no password of ours holds (`is_usable`).
    return bcrypt.checkpw(typed[:72], canonical.encode())


# Django `pbkdf2_sha256$n$salt$base64`, Werkzeug `pbkdf2:sha256:n$salt$hex`, passlib `$pbkdf2-sha256$n$ab64$ab64`.
_PBKDF2 = re.compile(
    r"(?:pbkdf2_(?P<django>sha1|sha256|sha512)\$(?P<dn>\d+)\$(?P<ds>[^$]+)\$(?P<dh>[A-Za-z0-9+/=]+)"
    r"|pbkdf2:(?P<werkzeug>sha1|sha256|sha512):(?P<wn>\d+)\$(?P<ws>[^$]+)\$(?P<wh>[0-9a-f]+)"
    r"|\$pbkdf2-(?P<passlib>sha256|sha512|sha1)\$(?P<pn>\d+)\$(?P<ps>[A-Za-z0-9./+]*)\$(?P<ph>[A-Za-z0-9./+]+))"
)


def _read_pbkdf2(text: str) -> str:
    found = _PBKDF2.fullmatch(text)
    if not found:
        raise LegacyFault("malformed")
    try:
        if digest := found["django"]:
            rounds, salt, hashed = found["dn"], found["ds"].encode(), base64.b64decode(found["dh"], validate=True)
        elif digest := found["werkzeug"]:
            rounds, salt, hashed = found["wn"], found["ws"].encode(), bytes.fromhex(found["wh"])
        else:
            digest, rounds = found["passlib"], found["pn"]
            salt, hashed = _open(found["ps"].replace(".", "+")), _open(found["ph"].replace(".", "+"))
    except ValueError:
        raise LegacyFault("malformed") from None
    if len(hashed) != _DIGESTS[digest] or len(rounds) > 9 or int(rounds) < 1:
        raise LegacyFault("malformed" if len(rounds) <= 9 else "too-costly")
    _check_cost(int(rounds), _DEAREST_PBKDF2)
    return f"$pbkdf2-{digest}${int(rounds)}${_close(salt)}${_close(hashed)}"


def _compare_pbkdf2(canonical: str, typed: bytes) -> bool:
    _, family, rounds, salt, hashed = canonical.split("$")
    digest = family.removeprefix("pbkdf2-")
    return hmac.compare_digest(hashlib.pbkdf2_hmac(digest, typed, _open(salt), int(rounds)), _open(hashed))


def _read_crypt(text: str) -> str:
    found = re.fullmatch(r"\$6\$(?:rounds=(\d{4,9})\$)?([^$:\n]{0,16})\$([./0-9A-Za-z]{86})", text)
    if not found:
        raise LegacyFault("malformed")
    _check_cost(int(found[1] or 5000), _DEAREST_CRYPT)
    return text


def _compare_crypt(canonical: str, typed: bytes) -> bool:
    return hmac.compare_digest(sha512_crypt(typed, canonical), canonical)


def _read_ssha(text: str) -> str:
    label, encoded = text[: text.index("}") + 1], text[text.index("}") + 1 :]
    if label not in _LDAP:
        raise LegacyFault("unknown-scheme")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise LegacyFault("malformed") from None
    # Without a salt it is no SSHA, and one table cracks them all.
    if len(raw) <= _DIGESTS[_LDAP[label]]:
        raise LegacyFault("malformed")
    return text


def _compare_ssha(canonical: str, typed: bytes) -> bool:
    label, _, encoded = canonical.partition("}")
    digest = _LDAP[label + "}"]
    raw = base64.b64decode(encoded)
    hashed, salt = raw[: _DIGESTS[digest]], raw[_DIGESTS[digest] :]
    return hmac.compare_digest(hashlib.new(digest, typed + salt).digest(), hashed)


def _check_cost(asked: int, dearest: int) -> None:
    if asked > dearest:
        raise LegacyFault("too-costly")


def _open(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def _close(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


SCHEMES: Final = (
    Scheme("bcrypt", ("$2a$", "$2b$", "$2y$"), _read_bcrypt, _compare_bcrypt),
    Scheme("pbkdf2", ("$pbkdf2-", "pbkdf2_", "pbkdf2:"), _read_pbkdf2, _compare_pbkdf2),
    Scheme("sha512-crypt", ("$6$",), _read_crypt, _compare_crypt),
    Scheme("ssha", ("{SSHA",), _read_ssha, _compare_ssha),
)
