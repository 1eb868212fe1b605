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
        return None if blob is None else crypto.unseal(blob, context=f"account:{column}:{self.id}")


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
        self.nir_index = index_nir(nir)
        self.nir_sealed = self._close("nir", nir)

    def set_email(self, email: str | None, *, verified_at: datetime | None) -> None:
        """Take a parsed address, or none; a new address is not verified by the old one's proof."""
        self.email_sealed = None if email is None else self._close("email", email)
        self.email_index = None if email is None else crypto.blind_index(email_key(email), column="email")
        self.email_verified_at = None if email is None else verified_at

    def set_mobile(self, mobile: str | None, *, verified_at: datetime | None) -> None:
        """Take a parsed number, or none."""
        self.mobile_sealed = None if mobile is None else self._close("mobile", mobile)
        self.mobile_index = None if mobile is None else crypto.blind_index(mobile, column="mobile")
        self.mobile_verified_at = None if mobile is None else verified_at

    def set_profile(self, claims: Mapping[str, Any]) -> None:
        """Replace the profile; only claims of PROFILE_CLAIMS may be in it."""
        if unknown := sorted(claims.keys() - PROFILE_CLAIMS):
            raise ValueError(f"not claims of a profile: {', '.join(unknown)}")
        self.profile_sealed = self._close("profile", json.dumps(dict(claims), ensure_ascii=False)) if claims else None

    def _close(self, column: Column, text: str) -> bytes:
        # The row's id is in the context: a sealed value copied to another row does not open there.
        return crypto.seal(text, context=f"account:{column}:{self.id}")


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
