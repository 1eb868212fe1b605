"""What a typed code may look like (R20): six decimal digits, spaces around or hyphens between them, nothing else."""

import unicodedata
from typing import Literal

LONGEST_BYTES = 64
DIGITS = 6
_SPACES = " \u00a0\u202f\u2009\u2007"
_HYPHENS = "-\u2010\u2011"
Reason = Literal["empty", "length", "chars"]


class CodeFault(Exception):
    """The text cannot be a code; ``reason`` names the message, ``length`` counts its digits."""

    def __init__(self, reason: Reason, length: int = 0) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
        self.length = length


def parse_code(text: str) -> str:
    """Return the six ASCII digits of ``text``, or raise `CodeFault`; Unicode digits are folded here, once."""
    if len(text.encode("utf-8", "surrogatepass")) > LONGEST_BYTES:
        raise CodeFault("chars")
    # Not `strip()` alone: that also takes line ends, tabs and control characters.
    inner = text.strip(_SPACES)
    kept = [char for char in inner if char not in _SPACES + _HYPHENS]
    if not kept:
        raise CodeFault("empty")
    # At either end a hyphen stands between nothing: it is a sign.
    if inner[0] in _HYPHENS or inner[-1] in _HYPHENS:
        raise CodeFault("chars")
    digits = [unicodedata.decimal(char, -1) for char in kept]
    if -1 in digits:
        raise CodeFault("chars")
    if len(digits) != DIGITS:
        raise CodeFault("length", len(digits))
    return "".join(str(digit) for digit in digits)
