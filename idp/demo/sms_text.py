"""How the octets of an SMS become text: alphabets (3GPP TS 23.038), parts of a long message (TS 23.040 §9.2.3.24)."""

from dataclasses import dataclass
from typing import Final

_GSM: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENDED: Final = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\", 0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
_ESCAPE: Final = 0x1B
# SMPP 3.4 §5.2.19; absent values are answered ESME_RSUBMITFAIL.
_CODINGS: Final = {0x01: "ascii", 0x03: "latin-1", 0x08: "utf-16-be"}
# Information elements of a user data header: concatenation with an 8-bit and with a 16-bit reference.
_CONCATENATION: Final = {0x00: 3, 0x08: 4}


class UnreadableText(ValueError):
    """These octets are no text in the coding they claim."""


@dataclass(frozen=True)
class Part:
    """Where a piece belongs in a long message."""

    reference: int
    total: int
    number: int


def parse_text(octets: bytes, data_coding: int) -> str:
    """Return the text of `short_message`, GSM characters one to an octet as SMPP carries them."""
    if data_coding == 0x00:
        return _parse_gsm(octets)
    try:
        return octets.decode(_CODINGS[data_coding])
    except (KeyError, UnicodeDecodeError) as fault:
        raise UnreadableText(f"data_coding {data_coding}") from fault


def _parse_gsm(octets: bytes) -> str:
    text, escaped = "", False
    for octet in octets:
        if octet >= len(_GSM):
            raise UnreadableText("an octet above 0x7F is not GSM 7-bit")
        if escaped:
            text, escaped = text + _GSM_EXTENDED.get(octet, " "), False
        elif octet == _ESCAPE:
            escaped = True
        else:
            text += _GSM[octet]
    return text


def parse_header(octets: bytes) -> tuple[Part | None, bytes]:
    """Split off the user data header; the part is `None` when the header speaks of something else."""
    if not octets or len(octets) <= octets[0]:
        raise UnreadableText("the user data header is longer than the message")
    header, rest, part = octets[1 : octets[0] + 1], octets[octets[0] + 1 :], None
    while len(header) >= 2 and len(header) >= 2 + header[1]:
        kind, value, header = header[0], header[2 : 2 + header[1]], header[2 + header[1] :]
        if _CONCATENATION.get(kind) == len(value):
            part = Part(int.from_bytes(value[:-2]), value[-2], value[-1])
    if part is not None and not 1 <= part.number <= part.total:
        raise UnreadableText("a part outside its message")
    return part, rest
