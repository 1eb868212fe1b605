"""A directory of people behind LDAP: looked up by NIR with the service account, then their own password is tried.

Unknown, disabled, ambiguous and wrong are the same two operations, one look-up and one bind (R8): where nobody was
found, the password is tried on a decoy.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ldap3.core.exceptions import LDAPException
from ldap3.operation.search import parse_filter
from ldap3.utils.conv import escape_filter_chars

from idp import logs, metrics
from idp.accounts.ldap_connections import Entry, Lane, LanePool
from idp.accounts.models import PROFILE_CLAIMS
from idp.accounts.nir import find_key, parse_nir
from idp.accounts.outside import DirectoryAway, Kept, Person
from idp.settings import LdapSettings, Settings

# What may be read besides claims of the profile, and what the directory is then the authority for.
_READ: Final[Mapping[str, Kept]] = {
    "email": "email",
    "mobile": "mobile",
    "locale": "profile",
    "password_changed": "password-age",
}
_LONGEST: Final = 500
# Active Directory counts tenths of microseconds from there.
_FILETIME_ZERO: Final = datetime(1601, 1, 1, tzinfo=UTC)
_GENERALIZED: Final = re.compile(r"(\d{14})(?:[.,]\d+)?Z")

# By `ldap.nir_form`: how a canonical NIR is written in the directory.
NIR_FORMS: Final[Mapping[str, Callable[[str, LdapSettings], str]]] = {
    "13": lambda nir, _settings: nir,
    "15": lambda nir, _settings: nir + find_key(nir),
    "keyed": lambda nir, settings: hmac.new(_key(settings), nir.encode(), hashlib.sha256).hexdigest(),
}

log = logs.get_logger()


class LdapDirectory:
    """The built-in `directory`, of RFC 4511."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.ldap
        unknown = self._settings.attributes.keys() - PROFILE_CLAIMS - _READ.keys()
        if unknown:
            raise ValueError(f"ldap.attributes: nothing here is called {', '.join(sorted(unknown))}")
        try:
            parse_filter(self._settings.filter, None, False, False, None, False)
        except LDAPException:
            raise ValueError("ldap.filter is no filter of RFC 4515") from None
        self.keeps: frozenset[Kept] = frozenset(_READ.get(name, "profile") for name in self._settings.attributes)
        self._pool = LanePool(self._settings)

    def authenticate(self, nir: str, password: str) -> Person | None:
        """Look the person up, then try the password on what was found or on the decoy."""

        def _try(lane: Lane) -> Person | None:
            # Nothing is read of an entry before its password was right: reading takes time, and tells that it exists.
            dn = self._find_dn(lane, nir)
            is_right = lane.opens(dn or self._decoy(), password.encode())
            return self._read_person(lane, nir) if dn and is_right else None

        return self._ask("authenticate", _try)

    def find(self, nir: str) -> Person | None:
        """Look the person up."""
        return self._ask("find", lambda lane: self._read_person(lane, nir))

    def close(self) -> None:
        """Close idle connections."""
        self._pool.close()

    def filter_of(self, nir: str) -> str:
        """Return the condition that only the entry of this NIR fulfils.

        RFC 4515 §3: what stands for itself is escaped. A NIR that is not canonical is refused before: nothing that
        a visitor typed reaches a filter but thirteen digits, or twelve and an A or B.
        """
        if parse_nir(nir) != nir:
            raise ValueError("a canonical NIR was expected")
        written = NIR_FORMS[self._settings.nir_form](nir, self._settings)
        return f"(&{self._settings.filter}({self._settings.nir_attribute}={escape_filter_chars(written)}))"

    def _find_dn(self, lane: Lane, nir: str) -> str:
        # "1.1": no attribute at all (RFC 4511 §4.5.1.8).
        entry = self._find_entry(lane, nir, ("1.1",))
        return entry.dn if entry else ""

    def _read_person(self, lane: Lane, nir: str) -> Person | None:
        wanted = tuple(dict.fromkeys(self._settings.attributes.values()))
        entry = self._find_entry(lane, nir, wanted or ("1.1",))
        return self._person(nir, entry) if entry else None

    def _find_entry(self, lane: Lane, nir: str, wanted: tuple[str, ...]) -> Entry | None:
        found = lane.search(self.filter_of(nir), wanted, limit=2)
        if len(found) > 1:
            # Whose password would be right? Nobody's, until somebody puts the directory right.
            log.error("directory-ambiguous", entries=len(found))
        return found[0] if len(found) == 1 and found[0].dn else None

    def _decoy(self) -> str:
        return self._settings.decoy_dn or f"cn=nobody,{self._settings.base}"

    def _person(self, nir: str, entry: Entry) -> Person:
        read = {
            name: text
            for name, attribute in self._settings.attributes.items()
            if (text := _first_text(entry.attributes.get(attribute.lower(), ())))
        }
        claims: dict[str, Any] = {name: text for name, text in read.items() if name in PROFILE_CLAIMS}
        if "address" in claims:
            # OpenID Connect Core §5.1.1: an object.
            claims["address"] = {"formatted": claims["address"]}
        return Person(
            nir=nir,
            email=read.get("email"),
            mobile=read.get("mobile"),
            claims=claims,
            locale=read.get("locale"),
            password_changed_at=parse_moment(read.get("password_changed", "")),
        )

    def _ask(self, act: str, question: Callable[[Lane], Person | None]) -> Person | None:
        with metrics.DIRECTORY.labels(act).time():
            try:
                return self._pool.run(question)
            except DirectoryAway as fault:
                log.error("directory-away", act=act, detail=str(fault))
                raise


def parse_moment(text: str) -> datetime | None:
    """Return a moment that is written as generalized time (RFC 4517 §3.3.13, in UTC) or as Active Directory does."""
    if written := _GENERALIZED.fullmatch(text):
        try:
            return datetime.strptime(written[1], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            return None
    # 0: has to be changed at the next sign-in; a number that no calendar holds means never.
    if text.isascii() and text.isdecimal() and 0 < int(text) < 2**61:
        return _FILETIME_ZERO + timedelta(microseconds=int(text) // 10)
    return None


def _first_text(values: Any) -> str | None:
    for value in values:
        try:
            text = bytes(value).decode().strip()
        except UnicodeDecodeError:
            continue
        if text and len(text) <= _LONGEST and text.isprintable():
            return text
    return None


def _key(settings: LdapSettings) -> bytes:
    raw = settings.nir_key.get_secret_value()
    return base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
