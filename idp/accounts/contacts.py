"""Decides which e-mail addresses and mobile numbers we accept, and how much of them a page may show."""

import functools
import re
from dataclasses import dataclass
from typing import Final, Literal

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from idp.messages.numbers import find_fault
from idp.settings import SmsSettings, current_settings

ContactReason = Literal["empty", "format", "country", "not-mobile"]

# RFC 5321 §4.5.3.1.3 allows 254 characters; the library is not asked about more.
_LONGEST_EMAIL: Final = 254
_LONGEST_LOCAL: Final = 64
# Lower case alone: the library brings « Postmaster » and its like to it, and leaves other capitals.
_PLAIN_LOCAL: Final = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_LONGEST_MOBILE: Final = 40
_MOBILE_WRITING: Final = re.compile(r"[+\uff0b]?[\d\s.()/\u2010-\u2013-]+")
# Providers so common that naming them tells a stranger nothing, and the owner which mailbox to open (ux.md §2.5).
_PUBLIC_DOMAINS: Final = frozenset(
    """orange.fr wanadoo.fr gmail.com googlemail.com laposte.net hotmail.com hotmail.fr outlook.com outlook.fr live.com
    live.fr msn.com yahoo.com yahoo.fr ymail.com free.fr sfr.fr neuf.fr numericable.fr bbox.fr icloud.com me.com mac.com
    aol.com gmx.fr gmx.com proton.me protonmail.com mailo.com""".split()  # noqa: SIM905 - words read better as text
)
_HIDDEN: Final = "•"


class ContactFault(Exception):
    """An address or number we cannot write to; `reason` names the message."""

    def __init__(self, reason: ContactReason) -> None:
        super().__init__(reason)
        self.reason: ContactReason = reason


@dataclass(frozen=True)
class Masked:
    """What a page may show of a destination: `text` for the eyes, the rest to say it aloud in any language."""

    text: str
    first: str = ""
    last: str = ""
    domain: str = ""
    ending: str = ""


def parse_email(text: str) -> str:
    """The address in its one spelling: domain in lower case ASCII or Unicode form, local part kept as typed."""
    typed = text.strip()
    if not typed:
        raise ContactFault("empty")
    if len(typed) > _LONGEST_EMAIL:
        raise ContactFault("format")
    local, _, domain = typed.rpartition("@")
    if len(local) <= _LONGEST_LOCAL and _PLAIN_LOCAL.fullmatch(local) and (known := _known_domain(domain)):
        # Nearly everybody's: letters that every rule of the library leaves alone, before a domain it has judged.
        return f"{local}@{known}"
    try:
        # Whether the domain receives mail is found out by writing to it, not by a DNS look-up that a visitor waits for.
        return validate_email(typed, check_deliverability=False, strict=True).normalized
    except EmailNotValidError:
        # `from None`: the library's message quotes the address, and this may be logged.
        raise ContactFault("format") from None


@functools.lru_cache(maxsize=4096)
def _known_domain(domain: str) -> str | None:
    """Return the one spelling of a domain, or None where the library shall judge the whole address."""
    if len(domain) > _LONGEST_EMAIL - _LONGEST_LOCAL - 1:
        return None
    try:
        return validate_email(f"a@{domain}", check_deliverability=False, strict=True).normalized.removeprefix("a@")
    except EmailNotValidError:
        return None


def email_key(email: str) -> str:
    """What two spellings of one mailbox have in common; used for the blind index, never to write to."""
    return email.casefold()


def parse_mobile(text: str) -> str:
    """The number in E.164, if it is a mobile of a country in `settings.sms.countries`.

    Numbers typed the national way are read as metropolitan ones first, then as overseas ones: 0692… is Réunion.
    """
    typed = text.strip()
    if not typed:
        raise ContactFault("empty")
    # The library would read « 0612345678 poste 3 » and letters as digits; a mobile has neither.
    if len(typed) > _LONGEST_MOBILE or not _MOBILE_WRITING.fullmatch(typed):
        raise ContactFault("format")
    return phonenumbers.format_number(_read_number(typed, current_settings().sms), phonenumbers.PhoneNumberFormat.E164)


def _read_number(typed: str, sms: SmsSettings) -> phonenumbers.PhoneNumber:
    for region in sms.countries:
        try:
            number = phonenumbers.parse(typed, region)
        except phonenumbers.NumberParseException:
            break
        fault = find_fault(number, sms)
        if fault is None:
            return number
        if fault != "format":
            raise ContactFault(fault)
    raise ContactFault("format")


def mask_email(email: str) -> Masked:
    """`jean@orange.fr` → j•••••n@orange.fr; the dots are always five, so the length stays ours."""
    local, _, domain = email.rpartition("@")
    first, last = local[0], local[-1] if len(local) > 2 else ""
    if domain.lower() not in _PUBLIC_DOMAINS:
        # A private domain names its owner (`durand.fr`); its first letter and its ending are enough to recognise it.
        name, _, ending = domain.rpartition(".")
        domain = f"{name[:1]}{_HIDDEN * 3}.{ending}"
    return Masked(text=f"{first}{_HIDDEN * 5}{last}@{domain}", first=first, last=last, domain=domain)


def mask_mobile(mobile: str) -> Masked:
    """`+33612345647` → •• •• •• •• 47; only the last two digits, whatever the country."""
    ending = mobile[-2:]
    return Masked(text=f"{f'{_HIDDEN * 2} ' * 4}{ending}", ending=ending)
