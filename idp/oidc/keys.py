"""The signing keys: made at first start, kept sealed, built once per process, published as a JWKS."""

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import LargeBinary, String, UniqueConstraint, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from idp import audit, clock, crypto
from idp.db import Base, Moment, db
from idp.oidc.jose.own import ALGORITHMS, Algorithm, SigningKey, generate_pem, load_key
from idp.settings import settings


class SigningKeyRow(Base):
    """A signing key at rest; ``slot`` is unique, so that of two first starts at once one makes the key."""

    __tablename__ = "signing_keys"
    __table_args__ = (UniqueConstraint("alg", "slot", name="uq_signing_keys_alg_slot"),)

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    alg: Mapped[str] = mapped_column(String(8))
    slot: Mapped[int] = mapped_column(default=1)
    state: Mapped[str] = mapped_column(String(10))
    pem_sealed: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment)
    activated_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    retired_at: Mapped[datetime | None] = mapped_column(Moment, default=None)


@dataclass(frozen=True)
class KeyRing:
    """The keys of this moment: one signs per algorithm, all of them verify."""

    active: dict[str, SigningKey]
    by_kid: dict[str, SigningKey]
    until: datetime

    @property
    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public half of every key."""
        return {"keys": [dict(key.public_jwk) for key in self.by_kid.values()]}


_rings: dict[str, KeyRing] = {}
_built: dict[str, SigningKey] = {}
_lock = threading.Lock()


def key_ring() -> KeyRing:
    """Return the keys, read at most once in `lifetimes.key_cache`; a key is built from its PEM once per process."""
    now = clock.now()
    ring = _rings.get(settings.issuer)
    if ring is None or now >= ring.until:
        with _lock:
            ring = _read_ring(now)
            _rings[settings.issuer] = ring
    return ring


def ensure_signing_keys(now: datetime) -> None:
    """Make the first key of each algorithm that has none; commits."""
    for alg in ALGORITHMS:
        known = db.session.scalars(select(SigningKeyRow.kid).where(SigningKeyRow.alg == alg).limit(1)).first()
        # A key takes a second to make: hold no lock meanwhile.
        db.session.rollback()
        if known is None:
            _make_first(alg, now)


def describe_keys() -> list[dict[str, Any]]:
    """Return what may be shown of the keys."""
    rows = db.session.scalars(select(SigningKeyRow).order_by(SigningKeyRow.created_at, SigningKeyRow.alg))
    return [
        {"kid": row.kid, "alg": row.alg, "state": row.state, "created_at": row.created_at.isoformat()} for row in rows
    ]


def _make_first(alg: Algorithm, now: datetime) -> None:
    pem = generate_pem(alg, rsa_bits=settings.rsa_key_bits)
    kid = load_key(pem, alg).kid
    sealed = crypto.seal(pem, context=f"signing_key:pem:{kid}")
    db.session.add(SigningKeyRow(kid=kid, alg=alg, state="active", pem_sealed=sealed, created_at=now, activated_at=now))
    try:
        db.session.commit()
    except IntegrityError:
        # Another process was first; its key is ours.
        db.session.rollback()
        return
    audit.record("key-made", alg=alg, kid=kid)


def _read_ring(now: datetime) -> KeyRing:
    query = select(SigningKeyRow).where(SigningKeyRow.retired_at.is_(None)).order_by(SigningKeyRow.created_at)
    rows = list(db.session.scalars(query))
    if not rows:
        ensure_signing_keys(now)
        rows = list(db.session.scalars(query))
    by_kid = {row.kid: _build(row) for row in rows}
    active = {row.alg: by_kid[row.kid] for row in rows if row.state == "active"}
    return KeyRing(active, by_kid, now + settings.lifetimes.key_cache)


def _build(row: SigningKeyRow) -> SigningKey:
    if row.kid not in _built:
        pem = crypto.unseal(row.pem_sealed, context=f"signing_key:pem:{row.kid}")
        alg: Algorithm = "RS256" if row.alg == "RS256" else "ES256"
        _built[row.kid] = load_key(pem, alg)
    return _built[row.kid]
