"""Which numbers an SMS may go to: mobiles of countries that are allowed, none that earns somebody money (AC-37)."""

from typing import Final, Literal

import phonenumbers

from idp.settings import SmsSettings

Fault = Literal["format", "country", "not-mobile"]
# Premium, landline, VoIP and pager numbers cost money or deliver nothing (SMS pumping, security.md §5 B). Some plans of
# numbers do not tell mobiles from landlines.
_MOBILE: Final = frozenset(
    {phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE}
)  # fmt: skip


def find_fault(number: phonenumbers.PhoneNumber, sms: SmsSettings) -> Fault | None:
    """Return why no SMS may go to ``number``, or ``None`` if one may."""
    # A number that is of no type is not valid (`is_valid_number` asks for nothing else): asked once, half the time.
    kind = phonenumbers.number_type(number)
    if kind == phonenumbers.PhoneNumberType.UNKNOWN:
        return "format"
    if kind not in _MOBILE:
        return "not-mobile"
    return None if phonenumbers.region_code_for_number(number) in sms.countries else "country"


def may_be_sent_to(to: str, sms: SmsSettings) -> bool:
    """Tell whether ``to`` is E.164 and allowed now: it was when it was typed, but rules change and imports err."""
    if not is_e164(to):
        return False
    try:
        return find_fault(phonenumbers.parse(to), sms) is None
    except phonenumbers.NumberParseException:
        return False


def is_e164(to: str) -> bool:
    """Tell whether a number is spelt the way networks take it."""
    return to.startswith("+") and to[1:].isascii() and to[1:].isdigit() and len(to) <= 16


def find_prefix(to: str, table: "dict[str, int] | dict[str, float]") -> str | None:
    """Return the longest key of ``table`` with which the number begins; keys are digits, ``33`` or ``33639``."""
    return max((prefix for prefix in table if to[1:].startswith(prefix)), key=len, default=None)
