"""The code that a person carries from the device to this site: what it is made of, and how it may be typed.

RFC 8628 §6.1: twenty consonants, so that no word and no digit comes out, and no look-alikes; eight of them are 34.5
bits, which the limits of `device_guard` keep out of reach (§5.1).
"""

import unicodedata
from typing import Literal

from idp import entropy

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8
HALF = LENGTH // 2
_LONGEST_BYTES = 64
Reason = Literal["empty", "length", "chars"]


class UserCodeFault(Exception):
    """The text cannot be a code; ``reason`` names the message, ``length`` counts its letters."""

    def __init__(self, reason: Reason, length: int = 0) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.length = length


def draw_user_code() -> str:
    """Return a new code, without its hyphen."""
    return entropy.letters(ALPHABET, LENGTH)


def show_user_code(code: str) -> str:
    """Return the code as people read it: ``WDJB-MJHT``."""
    return f"{code[:HALF]}-{code[HALF:]}"


def parse_user_code(text: str, *, length: int = LENGTH) -> str:
    """Return the letters of ``text``, or raise `UserCodeFault`; case, spaces, hyphens and accents do not matter."""
    if len(text.encode("utf-8", "surrogatepass")) > _LONGEST_BYTES:
        raise UserCodeFault("chars")
    # NFKD turns full-width letters into ours and parts accents from them (category M).
    folded = unicodedata.normalize("NFKD", text).upper()
    kept = [char for char in folded if unicodedata.category(char)[0] not in "ZM" and not _is_dash(char)]
    if not kept:
        raise UserCodeFault("empty")
    if any(char not in ALPHABET for char in kept):
        raise UserCodeFault("chars")
    if len(kept) != length:
        raise UserCodeFault("length", len(kept))
    return "".join(kept)


def _is_dash(char: str) -> bool:
    return unicodedata.category(char) == "Pd" or char == "\u2212"
