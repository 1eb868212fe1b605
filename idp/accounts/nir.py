"""Decides what counts as a NIR (French social security number) and brings every way of writing it to one form.

The canonical form has 13 characters; the two-digit key is checked when it was typed and then dropped. Only the
shape is looked at: a NIR with an unusual month, department or order number belongs to a real person (incomplete
birth records, births abroad, provisional numbers), so the meaning of the digits is nobody's business here.
"""

import re
import unicodedata
from typing import Final, Literal

NirReason = Literal["empty", "length", "chars", "key"]

# Nobody types more than this by accident; above it we do not even look at the characters (security.md §5 K).
LONGEST_TYPED: Final = 64
_SHAPE: Final = re.compile(r"[1-8][0-9]{4}(?:[0-9]{2}|2[AB])[0-9]{6}")
# What people and copied documents put between the groups. A zero-width space is not here on purpose.
_SEPARATORS: Final = frozenset(
    " \t\r\n.-_/\u00a0\u2007\u2009\u202f\u2010\u2011\u2012\u2013\u2014\u2212\u3000\uff0d\uff0e"
)
# Letters we read: Corsica's A and B, and the O typed for a zero, also in their full-width forms.
_LETTERS: Final = {
    **dict(zip("aAbBoO", "AABB00", strict=True)),
    **dict(zip("\uff41\uff21\uff42\uff22\uff4f\uff2f", "AABB00", strict=True)),
}


class NirFault(Exception):
    """What was typed is no NIR; `reason` and `length` fill the message `e.nir.<reason>`. It never says who exists."""

    def __init__(self, reason: NirReason, length: int) -> None:
        super().__init__(reason)  # never the typed text: exceptions end up in logs
        self.reason: NirReason = reason
        self.length = length


def parse_nir(text: str) -> str:
    """The 13 canonical characters of what was typed with or without its key, or NirFault."""
    if len(text) > LONGEST_TYPED:
        raise NirFault("length", len(text))
    folded = [_fold(character) for character in text if character not in _SEPARATORS]
    length = len(folded)
    if not folded:
        raise NirFault("empty", 0)
    if None in folded:
        raise NirFault("chars", length)
    if length not in (13, 15):
        raise NirFault("length", length)
    typed = "".join(filter(None, folded))
    number, key = typed[:13], typed[13:]
    if not _SHAPE.fullmatch(number) or not (key.isdecimal() or key == ""):
        raise NirFault("chars", length)
    if key and key != find_key(number):
        raise NirFault("key", length)
    return number


def find_key(number: str) -> str:
    """The two check digits of a canonical NIR: 97 minus the rest modulo 97, Corsica read as 19 and 18."""
    return f"{97 - int(number.replace('2A', '19').replace('2B', '18')) % 97:02d}"


def _fold(character: str) -> str | None:
    # Every decimal digit of Unicode (full-width, Arabic…) becomes ASCII, once and only here: two spellings that
    # reached the database as two values would be two counters for one account (CVE-2025-24806).
    digit = unicodedata.decimal(character, None)
    return str(digit) if digit is not None else _LETTERS.get(character)
