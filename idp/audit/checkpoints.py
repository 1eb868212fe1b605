"""Checkpoints: how far the chain went at a moment, signed with a key that signs nothing else (Ed25519).

The newest one moves along with the chain and stays where it is when it is an hour old; then a new one begins. Each that
stays is also a line of the log: kept on another machine, those lines show even a chain that was cut off at its end.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from sqlalchemy import BigInteger, Integer, LargeBinary, String, select
from sqlalchemy.orm import Mapped, mapped_column

from idp import crypto, entropy, logs
from idp.audit.chain import AuditChain
from idp.audit.trail import spell
from idp.db import Base, Moment, db
from idp.settings import settings

# `cut`: the events up to here were forgotten when they were old enough (`retention.py`).
Kind = Literal["head", "cut"]
STAYS_AFTER = timedelta(hours=1)
log = logs.get_logger()


class AuditKey(Base):
    """A key that signs checkpoints; the newest signs, the others are known for what they signed."""

    __tablename__ = "audit_keys"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kid: Mapped[str] = mapped_column(String(22), unique=True)
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    made_at: Mapped[datetime] = mapped_column(Moment)


class AuditCheckpoint(Base):
    """One signed statement of the chain's position and link."""

    __tablename__ = "audit_checkpoints"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(4))
    position: Mapped[int] = mapped_column(BigInteger, index=True)
    link: Mapped[bytes] = mapped_column(LargeBinary(32))
    begun_at: Mapped[datetime] = mapped_column(Moment)
    at: Mapped[datetime] = mapped_column(Moment)
    kid: Mapped[str] = mapped_column(String(22))
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint as it is signed, logged and exported."""

    issuer: str
    kind: str
    position: int
    link: str
    at: str
    kid: str
    signature: str = ""

    def signed_text(self) -> bytes:
        """Return what the signature is over."""
        named = {name: value for name, value in asdict(self).items() if name != "signature"}
        return json.dumps({"typ": "sesame-audit-checkpoint", **named}, sort_keys=True, separators=(",", ":")).encode()


def sign_head(chain: AuditChain, now: datetime) -> None:
    """Sign how far the chain goes; the caller holds the chain's row and commits."""
    newest = db.session.scalars(select(AuditCheckpoint).order_by(AuditCheckpoint.id.desc()).limit(1)).one_or_none()
    if newest is None or newest.kind == "cut" or now - newest.begun_at >= STAYS_AFTER:
        if newest is not None:
            log.info("audit-checkpoint", checkpoint=asdict(read(newest)))
        newest = AuditCheckpoint(kind="head", begun_at=now)
    _sign(newest, chain.position, chain.link, now)


def sign_cut(position: int, link: bytes, now: datetime) -> AuditCheckpoint:
    """Sign that the chain begins after ``position`` from now on; the caller commits."""
    cut = AuditCheckpoint(kind="cut", begun_at=now)
    _sign(cut, position, link, now)
    return cut


def read(row: AuditCheckpoint) -> Checkpoint:
    """Return a row of the table as it was signed."""
    return Checkpoint(
        settings.issuer, row.kind, row.position, row.link.hex(), spell(row.at), row.kid, row.signature.hex()
    )


def list_checkpoints() -> list[Checkpoint]:
    """Return every checkpoint, by position."""
    every = select(AuditCheckpoint).order_by(AuditCheckpoint.position, AuditCheckpoint.id)
    rows = db.session.scalars(every.execution_options(populate_existing=True))
    return [read(row) for row in rows]


def find_head() -> AuditCheckpoint | None:
    """Return the newest statement of how far the chain goes."""
    heads = select(AuditCheckpoint).where(AuditCheckpoint.kind == "head").order_by(AuditCheckpoint.id.desc())
    return db.session.scalars(heads.limit(1)).one_or_none()


def find_cut() -> AuditCheckpoint | None:
    """Return where the chain begins, unless that is at its first event."""
    cuts = select(AuditCheckpoint).where(AuditCheckpoint.kind == "cut").order_by(AuditCheckpoint.position.desc())
    return db.session.scalars(cuts.limit(1)).one_or_none()


def public_keys() -> dict[str, bytes]:
    """Return the public half of every key by its id, computed from the sealed private half: none can be slipped in."""
    rows = db.session.scalars(select(AuditKey).order_by(AuditKey.id))
    return {row.kid: _unseal(row).public_key().public_bytes_raw() for row in rows}


def make_key(now: datetime) -> str:
    """Make the key that signs from now on, and return its id; the caller commits."""
    private, kid = Ed25519PrivateKey.from_private_bytes(entropy.random_bytes(32)), entropy.identifier()
    sealed = crypto.seal(private.private_bytes_raw().hex(), context=_context(kid))
    db.session.add(AuditKey(kid=kid, sealed=sealed, made_at=now))
    db.session.flush()
    return kid


def is_signed(checkpoint: Checkpoint, keys: dict[str, bytes]) -> bool:
    """Tell whether a checkpoint is what one of ``keys`` signed."""
    public = keys.get(checkpoint.kid)
    if public is None:
        return False
    try:
        signature = bytes.fromhex(checkpoint.signature)
        Ed25519PublicKey.from_public_bytes(public).verify(signature, checkpoint.signed_text())
    except (InvalidSignature, ValueError):
        return False
    return True


def parse_checkpoints(values: Iterable[dict[str, Any]]) -> list[Checkpoint]:
    """Return checkpoints that were kept elsewhere; raises `TypeError` or `KeyError` for what is none."""
    return [Checkpoint(**value) for value in values]


def _sign(row: AuditCheckpoint, position: int, link: bytes, now: datetime) -> None:
    key = db.session.scalars(select(AuditKey).order_by(AuditKey.id.desc()).limit(1)).one_or_none()
    row.kid = make_key(now) if key is None else key.kid
    key = key or db.session.scalars(select(AuditKey).where(AuditKey.kid == row.kid)).one()
    row.position, row.link, row.at, row.signature = position, link, now, b""
    row.signature = _unseal(key).sign(read(row).signed_text())
    db.session.add(row)


def _unseal(row: AuditKey) -> Ed25519PrivateKey:
    raw = crypto.unseal(row.sealed, context=_context(row.kid))
    return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(raw))


def _context(kid: str) -> str:
    return f"audit_keys:sealed:{kid}"
