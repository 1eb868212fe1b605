"""What an SMS holds: which texts fit the 7-bit alphabet, how long they are there, and how longer ones are cut."""

# 3GPP TS 23.038 §6.2.1; the place of a character is its septet, 0x1B leads over to the extension table.
_TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
# §6.2.1.1: its characters count twice.
_EXTENSION = {"\f": 0x0A, "^": 0x14, "{": 0x28, "}": 0x29, "\\": 0x2F, "[": 0x3C, "~": 0x3D, "]": 0x3E, "|": 0x40}
_EXTENSION["€"] = 0x65
_ESCAPE = 0x1B
_SEPTETS = {
    **{character: bytes([septet]) for septet, character in enumerate(_TABLE) if septet != _ESCAPE},
    **{character: bytes([_ESCAPE, septet]) for character, septet in _EXTENSION.items()},
}
ONE_SMS, ONE_SMS_UCS2 = 160, 70
# With the six octets of a user data header before the text (TS 23.040 §9.2.3.24.1).
_PART, _PART_UCS2 = 153, 67


def is_gsm7(text: str) -> bool:
    """Tell whether every character has a place in the 7-bit alphabet."""
    return all(character in _SEPTETS for character in text)


def count_septets(text: str) -> int:
    """Return the length of a 7-bit text; up to 160 make one SMS."""
    return sum(len(_SEPTETS.get(character, b"?")) for character in text)


def count_parts(text: str) -> int:
    """Return how many SMS a text takes, which is what is paid."""
    return len(split_text(text))


def split_text(text: str) -> list[bytes]:
    """Return a text as the octets of its parts, one septet to an octet, or UTF-16 if it is not `is_gsm7`."""
    if is_gsm7(text):
        units, whole, part = [_SEPTETS[character] for character in text], ONE_SMS, _PART
    else:
        units = [character.encode("utf-16-be", "replace") for character in text]
        whole, part = 2 * ONE_SMS_UCS2, 2 * _PART_UCS2
    if sum(map(len, units)) <= whole:
        return [b"".join(units)]
    parts = [b""]
    for unit in units:
        # Neither an escape nor a surrogate is torn from what follows it.
        if len(parts[-1]) + len(unit) > part:
            parts.append(b"")
        parts[-1] += unit
    return parts
