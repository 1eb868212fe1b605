"""Which texts fit the 7-bit alphabet of SMS, and how long they are there: beyond it a part holds 70 characters."""

# 3GPP TS 23.038 §6.2.1 and its extension table §6.2.1.1, whose characters count twice.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
ONE_SMS = 160
_EXTENDED = frozenset("\f^{}\\[~]|€")


def is_gsm7(text: str) -> bool:
    """Tell whether every character has a place in the 7-bit alphabet."""
    return set(text) <= _BASIC | _EXTENDED


def count_septets(text: str) -> int:
    """Return the length of a 7-bit text; up to 160 make one SMS."""
    return sum(2 if character in _EXTENDED else 1 for character in text)
