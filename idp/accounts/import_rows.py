"""What one line of an import must satisfy, and the row of the table that it becomes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from idp import entropy
from idp.accounts.contacts import ContactFault, parse_email, parse_mobile
from idp.accounts.legacy_hashes import LegacyFault, read_legacy
from idp.accounts.models import (
    PROFILE_CLAIMS,
    Account,
    Status,
    email_values,
    mobile_values,
    nir_values,
    profile_values,
)
from idp.accounts.nir import NirFault, parse_nir
from idp.accounts.passwords import keep_legacy

_STATUSES: Final = ("active", "restricted", "disabled")
_TRUTH: Final = {
    "true": True,
    "1": True,
    "yes": True,
    "oui": True,
    "false": False,
    "0": False,
    "no": False,
    "non": False,
}
_LONGEST: Final = 200
# No object of the table is made for a row: that alone costs as much as sealing it.
_EMPTY: Final[dict[str, Any]] = dict.fromkeys(column.key for column in Account.__table__.columns)
# U+FFFD stands where the file was not UTF-8.
_UNREADABLE: Final = "\ufffd"


class RowFault(Exception):
    """A line cannot be taken: which column, and why; never what it holds."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(f"{column}: {reason}")
        self.column, self.reason = column, reason


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """A line whose values are all good."""

    nir: str
    previous_nir: str | None
    password_hash: str | None
    email: str | None
    email_verified: bool
    mobile: str | None
    mobile_verified: bool
    locale: str
    status: Status
    claims: Mapping[str, Any]


def read_person(values: Mapping[str, Any]) -> Person:
    """Return the person of a line, or raise `RowFault`."""
    texts = {name: _text(name, value) for name, value in values.items() if name not in {"address"}}
    if "nir" not in texts:
        raise RowFault("nir", "empty")
    try:
        nir = parse_nir(texts["nir"])
        previous = parse_nir(texts["previous_nir"]) if "previous_nir" in texts else None
    except NirFault as fault:
        raise RowFault("nir", fault.reason) from None
    try:
        hashed = read_legacy(texts["password_hash"]) if "password_hash" in texts else None
    except LegacyFault as fault:
        raise RowFault("password_hash", fault.reason) from None
    status = texts.get("status", "active")
    if status not in _STATUSES:
        raise RowFault("status", f"not {', '.join(_STATUSES)}")
    return Person(
        nir=nir,
        previous_nir=None if previous == nir else previous,
        password_hash=hashed,
        email=_contact("email", texts, parse_email),
        email_verified=_truth("email_verified", texts),
        mobile=_contact("mobile", texts, parse_mobile),
        mobile_verified=_truth("mobile_verified", texts),
        locale=_locale(texts.get("locale", "fr")),
        status=cast(Status, status),
        claims=_claims(texts, values),
    )


def row_of(person: Person, now: datetime) -> dict[str, Any]:
    """Return what the table keeps of a person, every value sealed or indexed under a new id."""
    account_id = entropy.identifier()
    return {
        **_EMPTY,
        "id": account_id,
        **nir_values(account_id, person.nir),
        **email_values(account_id, person.email, verified_at=now if person.email_verified else None),
        **mobile_values(account_id, person.mobile, verified_at=now if person.mobile_verified else None),
        **profile_values(account_id, person.claims),
        "password_hash": None if person.password_hash is None else keep_legacy(person.password_hash),
        "status": person.status,
        "locale": person.locale,
        "created_at": now,
        "updated_at": now,
    }


def _text(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        raise RowFault(name, "not a text")
    text = value.strip()
    if _UNREADABLE in text or "\0" in text:
        raise RowFault(name, "not UTF-8")
    if len(text) > (_LONGEST if name != "email" else 254):
        raise RowFault(name, "too long")
    return text


def _contact(name: str, texts: Mapping[str, str], parse: Callable[[str], str]) -> str | None:
    if name not in texts:
        return None
    try:
        return parse(texts[name])
    except ContactFault as fault:
        raise RowFault(name, fault.reason) from None


def _truth(name: str, texts: Mapping[str, str]) -> bool:
    # The organisation's own register is believed, as `add_account` believes it.
    answer = _TRUTH.get(texts.get(name, "true").lower())
    if answer is None:
        raise RowFault(name, "neither true nor false")
    return answer


def _locale(text: str) -> str:
    if not (2 <= len(text) <= 16 and text.replace("-", "").isalnum() and text.isascii()):
        raise RowFault("locale", "not a language tag")
    return text


def _claims(texts: Mapping[str, str], values: Mapping[str, Any]) -> dict[str, Any]:
    claims: dict[str, Any] = {name: text for name, text in texts.items() if name in PROFILE_CLAIMS}
    address = values.get("address")
    if address is not None:
        # OpenID Connect Core §5.1.1: a JSON object of texts; a CSV cell is its whole, `formatted`.
        claims["address"] = {"formatted": address} if isinstance(address, str) else address
        if not isinstance(claims["address"], dict):
            raise RowFault("address", "not an object")
        for name, part in claims["address"].items():
            _text("address", name)
            _text("address", part)
    if "name" not in claims and claims.get("given_name") and claims.get("family_name"):
        claims["name"] = f"{claims['given_name']} {claims['family_name']}"
    return claims
