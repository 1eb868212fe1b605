"""The passkeys of an account: what is kept of each, and how they are found, added, named and removed; callers commit.

A removed passkey stays as a row: its credential is never taken again (AC-81), whoever still holds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import JSON, BigInteger, ForeignKey, LargeBinary, String, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from idp import entropy, security_events
from idp.db import Base, Moment, db
from idp.settings import settings

LONGEST_NAME = 60


class PasskeyHolder(Base):
    """An account as its authenticators know it: random, so that a lost phone tells nothing (WebAuthn §14.6.1)."""

    __tablename__ = "passkey_holders"

    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    user_handle: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)


class Passkey(Base):
    """A credential that an account enrolled (WebAuthn §4, "credential record")."""

    __tablename__ = "passkeys"

    id: Mapped[str] = mapped_column(String(22), primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[bytes] = mapped_column(LargeBinary(1023), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)
    sign_count: Mapped[int] = mapped_column(BigInteger)
    transports: Mapped[list[str]] = mapped_column(JSON, default=list)
    aaguid: Mapped[str] = mapped_column(String(36))
    backup_eligible: Mapped[bool]
    backed_up: Mapped[bool]
    name: Mapped[str] = mapped_column(String(LONGEST_NAME))
    created_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    # When its counter went back, as that of a copied key does.
    suspect_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    revoked_at: Mapped[datetime | None] = mapped_column(Moment, default=None)


@dataclass(frozen=True)
class NewPasskey:
    """What a checked registration says of a credential."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    aaguid: str
    backup_eligible: bool
    backed_up: bool


class CannotAdd(Exception):
    """The account has as many passkeys as it may, or the credential is known already (WebAuthn §7.1 step 26)."""


def find_passkey(credential_id: bytes) -> Passkey | None:
    """Return the living passkey with this credential id."""
    return db.session.scalars(
        select(Passkey).where(Passkey.credential_id == credential_id, Passkey.revoked_at.is_(None))
    ).one_or_none()


def find_passkey_of(account_id: str, passkey_id: str) -> Passkey | None:
    """Return a living passkey if it is this account's (AC-85)."""
    return db.session.scalars(
        select(Passkey).where(Passkey.id == passkey_id, Passkey.account_id == account_id, Passkey.revoked_at.is_(None))
    ).one_or_none()


def list_passkeys(account_id: str) -> Sequence[Passkey]:
    """Return the living passkeys of an account, the oldest first."""
    return db.session.scalars(
        select(Passkey)
        .where(Passkey.account_id == account_id, Passkey.revoked_at.is_(None))
        .order_by(Passkey.created_at, Passkey.id)
    ).all()


def count_passkeys(account_id: str) -> int:
    """Return how many living passkeys an account has."""
    query = select(func.count()).where(Passkey.account_id == account_id, Passkey.revoked_at.is_(None))
    return db.session.execute(query).scalar_one()


def user_handle_of(account_id: str) -> bytes | None:
    """Return the handle under which authenticators know an account."""
    return db.session.scalars(
        select(PasskeyHolder.user_handle).where(PasskeyHolder.account_id == account_id)
    ).one_or_none()


def ensure_user_handle(account_id: str) -> bytes:
    """Return the account's handle, drawing it the first time; two first times at once end with the same one."""
    known = user_handle_of(account_id)
    if known is not None:
        return known
    drawn = entropy.random_bytes(32)
    try:
        with db.session.begin_nested():
            db.session.add(PasskeyHolder(account_id=account_id, user_handle=drawn))
    except IntegrityError:
        return user_handle_of(account_id) or drawn
    return drawn


def add_passkey(account_id: str, new: NewPasskey, *, name: str, now: datetime) -> Passkey:
    """Keep a credential for an account, or raise `CannotAdd`."""
    if count_passkeys(account_id) >= settings.passkeys.per_account:
        raise CannotAdd("too many")
    passkey = Passkey(
        id=entropy.identifier(),
        account_id=account_id,
        credential_id=new.credential_id,
        public_key=new.public_key,
        sign_count=new.sign_count,
        transports=list(new.transports),
        aaguid=new.aaguid,
        backup_eligible=new.backup_eligible,
        backed_up=new.backed_up,
        name=clean_name(name),
        created_at=now,
    )
    try:
        # The unique index decides, also between two requests at once and for what was removed (AC-81).
        with db.session.begin_nested():
            db.session.add(passkey)
    except IntegrityError:
        raise CannotAdd("credential known") from None
    _note(passkey, "create", now)
    return passkey


def record_use(passkey: Passkey, *, sign_count: int, backed_up: bool, now: datetime) -> bool:
    """Take a use's counter over, or say that it went back: then nothing is stored but the suspicion (AC-79).

    WebAuthn §7.2 step 22: a counter that is not greater "is a signal, but not proof, that the authenticator may be
    cloned"; whether to accept is ours to say, and we do not. Both zero means that the authenticator does not count.
    """
    grows = Passkey.sign_count < sign_count if sign_count else Passkey.sign_count == 0
    moved = db.session.execute(
        update(Passkey)
        .where(Passkey.id == passkey.id, Passkey.revoked_at.is_(None), grows)
        .values(sign_count=sign_count, backed_up=backed_up, last_used_at=now)
        .returning(Passkey.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if moved is None:
        db.session.execute(update(Passkey).where(Passkey.id == passkey.id).values(suspect_at=now))
    return moved is not None


def rename_passkey(passkey: Passkey, name: str) -> None:
    """Call a passkey as its owner does."""
    passkey.name = clean_name(name) or passkey.name


def revoke_passkey(passkey: Passkey, now: datetime) -> None:
    """End a passkey for good."""
    passkey.revoked_at = now
    _note(passkey, "revoke", now)


def _note(passkey: Passkey, change: str, now: datetime) -> None:
    """Have services told; CAEP §3.3 tells what is built into a device from what is carried along."""
    kind = "fido2-platform" if "internal" in passkey.transports else "fido2-roaming"
    security_events.note(passkey.account_id, "credential-change", now=now, credential_type=kind, change_type=change)


def clean_name(name: str) -> str:
    """Return a name on one line, of printable characters, not too long."""
    return "".join(char if char.isprintable() else " " for char in " ".join(name.split()))[:LONGEST_NAME].strip()
