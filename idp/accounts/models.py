"""What is stored about a person: an account, and the browsers it has been used on.

NIR, e-mail, mobile and profile are encrypted column by column, each bound to its row; what must be found again has a
keyed blind index beside it (R9, security.md F-08). The clear values are computed when asked for and never kept.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto
from idp.accounts.contacts import email_key
from idp.db import Base, Moment

Status = Literal["active", "restricted", "disabled"]
Column = Literal["nir", "email", "mobile", "profile"]

# OpenID Connect Core §5.1, without those that have columns of their own (sub, email, phone_number, locale, updated_at).
# A closed list: no configuration can slip the NIR into a claim (security.md F-10).
PROFILE_CLAIMS: Final = frozenset(
    """name given_name family_name middle_name nickname preferred_username profile picture website gender birthdate
    zoneinfo address""".split()  # noqa: SIM905 - words read better as text
)


class Person:
    """What is known of somebody, opened from what is stored when it is asked for."""

    __slots__ = ()

    if TYPE_CHECKING:
        # A column of `Account`, a field of `glance.Glance`.
        id: Any
        locale: Any
        updated_at: Any
        email_sealed: Any
        email_verified_at: Any
        mobile_sealed: Any
        mobile_verified_at: Any
        profile_sealed: Any

    @property
    def email(self) -> str | None:
        return self._open("email", self.email_sealed)

    @property
    def mobile(self) -> str | None:
        return self._open("mobile", self.mobile_sealed)

    @property
    def profile(self) -> dict[str, Any]:
        """The claims of PROFILE_CLAIMS that are known of this person."""
        text = self._open("profile", self.profile_sealed)
        return {} if text is None else cast(dict[str, Any], json.loads(text))

    @property
    def claims(self) -> dict[str, Any]:
        """Every standard claim of OpenID Connect Core §5.1 but `sub`, which is each relying party's own."""
        claims = {**self.profile, "locale": self.locale, "updated_at": int(self.updated_at.timestamp())}
        if (email := self.email) is not None:
            claims |= {"email": email, "email_verified": self.email_verified_at is not None}
        if (mobile := self.mobile) is not None:
            claims |= {"phone_number": mobile, "phone_number_verified": self.mobile_verified_at is not None}
        return claims

    def _open(self, column: Column, blob: bytes | None) -> str | None:
        return None if blob is None else crypto.unseal(blob, context=_context(self.id, column))


class Account(Person, Base):
    """A person who can sign in."""

    __tablename__ = "accounts"
    __table_args__ = (CheckConstraint("status IN ('active', 'restricted', 'disabled')", name="status"),)

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    nir_index: Mapped[str] = mapped_column(String(32), unique=True)
    nir_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    # Empty until the account is activated.
    password_hash: Mapped[str | None] = mapped_column(String(255))
    password_changed_at: Mapped[datetime | None] = mapped_column(Moment)
    # Over which channel a forgotten password was last replaced, and when; `mfa/reset.py` says why that is kept.
    reset_channel: Mapped[str | None] = mapped_column(String(10))
    reset_at: Mapped[datetime | None] = mapped_column(Moment)
    status: Mapped[Status] = mapped_column(String(10), default="active")
    # When it was last given back: what it had granted before stays dead (AC-138).
    enabled_at: Mapped[datetime | None] = mapped_column(Moment)
    # Since somebody typed a stop key: proofs from before count no more, and a new password is asked for.
    stopped_at: Mapped[datetime | None] = mapped_column(Moment)
    email_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    # Not unique: families share a mailbox.
    email_index: Mapped[str | None] = mapped_column(String(32), index=True)
    email_verified_at: Mapped[datetime | None] = mapped_column(Moment)
    mobile_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    mobile_index: Mapped[str | None] = mapped_column(String(32), index=True)
    mobile_verified_at: Mapped[datetime | None] = mapped_column(Moment)
    profile_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    # When an outside directory was last asked after its person, and since when it has known them no more.
    directory_checked_at: Mapped[datetime | None] = mapped_column(Moment, index=True)
    left_directory_at: Mapped[datetime | None] = mapped_column(Moment)
    locale: Mapped[str] = mapped_column(String(16), default="fr")
    created_at: Mapped[datetime] = mapped_column(Moment)
    updated_at: Mapped[datetime] = mapped_column(Moment)

    def __repr__(self) -> str:
        return f"<Account {self.id}>"

    @property
    def nir(self) -> str:
        """The NIR; no page, message or token has a use for it."""
        return cast(str, self._open("nir", self.nir_sealed))

    def set_nir(self, nir: str) -> None:
        self._set(nir_values(self.id, nir))

    def set_email(self, email: str | None, *, verified_at: datetime | None) -> None:
        """Take a parsed address, or none; a new address is not verified by the old one's proof."""
        self._set(email_values(self.id, email, verified_at=verified_at))

    def set_mobile(self, mobile: str | None, *, verified_at: datetime | None) -> None:
        """Take a parsed number, or none."""
        self._set(mobile_values(self.id, mobile, verified_at=verified_at))

    def set_profile(self, claims: Mapping[str, Any]) -> None:
        """Replace the profile; only claims of PROFILE_CLAIMS may be in it."""
        self._set(profile_values(self.id, claims))

    def _set(self, values: Mapping[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)


class KnownDevice(Base):
    """A browser on which an account has completed a sign-in. It gives its own throttling lane and nothing else (R7)."""

    __tablename__ = "known_devices"

    device_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True, index=True)
    # What the person will recognise it by: « Firefox, Windows ».
    label: Mapped[str] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_seen_at: Mapped[datetime] = mapped_column(Moment)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment)


def index_nir(nir: str) -> str:
    """The blind index of a canonical NIR: finds its account, and names its counters whether or not it has one."""
    return crypto.blind_index(nir, column="nir")


def nir_values(account_id: str, nir: str) -> dict[str, Any]:
    """Return what the columns of a canonical NIR hold; an import writes rows without making objects of them."""
    return {"nir_index": index_nir(nir), "nir_sealed": _close(account_id, "nir", nir)}


def email_values(account_id: str, email: str | None, *, verified_at: datetime | None) -> dict[str, Any]:
    """Return what the columns of a parsed address hold."""
    if email is None:
        return {"email_sealed": None, "email_index": None, "email_verified_at": None}
    return {
        "email_sealed": _close(account_id, "email", email),
        "email_index": crypto.blind_index(email_key(email), column="email"),
        "email_verified_at": verified_at,
    }


def mobile_values(account_id: str, mobile: str | None, *, verified_at: datetime | None) -> dict[str, Any]:
    """Return what the columns of a parsed number hold."""
    if mobile is None:
        return {"mobile_sealed": None, "mobile_index": None, "mobile_verified_at": None}
    return {
        "mobile_sealed": _close(account_id, "mobile", mobile),
        "mobile_index": crypto.blind_index(mobile, column="mobile"),
        "mobile_verified_at": verified_at,
    }


def profile_values(account_id: str, claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the column of a profile holds; raises `ValueError` for claims that are not of PROFILE_CLAIMS."""
    if unknown := sorted(claims.keys() - PROFILE_CLAIMS):
        raise ValueError(f"not claims of a profile: {', '.join(unknown)}")
    text = json.dumps(dict(claims), ensure_ascii=False) if claims else None
    return {"profile_sealed": None if text is None else _close(account_id, "profile", text)}


def _close(account_id: str, column: Column, text: str) -> bytes:
    return crypto.seal(text, context=_context(account_id, column))


def _context(account_id: str, column: Column) -> str:
    # The row's id is in the context: a sealed value copied to another row does not open there.
    return f"account:{column}:{account_id}"
