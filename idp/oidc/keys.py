"""The signing keys as this process knows them: read every `lifetimes.key_cache`, built once, published as a JWKS.

Keys follow each other as `rotation.py` says: `next` is published and signs nothing, `active` signs, `retired` only
verifies, `revoked` is no key of ours any more.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any, Literal

from sqlalchemy import JSON, Index, LargeBinary, String, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from idp import clock, logs, metrics
from idp.db import Base, Moment, db, release
from idp.oidc import key_events
from idp.oidc.jose.own import ALGORITHMS, Algorithm, SigningKey, check_pair, claimed_kid, load_public
from idp.oidc.key_service import KeyUnusable
from idp.oidc.key_store import find_service
from idp.oidc.protocol import Document, publish
from idp.per_app import PerApp
from idp.settings import settings

State = Literal["next", "active", "retired", "revoked"]
_PUBLISHED: tuple[State, ...] = ("next", "active", "retired")
_TICK = timedelta(milliseconds=1)
# A stranger who names keys that do not exist makes us look at most this often (AC-157).
_LOOK_AGAIN_AFTER = timedelta(seconds=5)
# While one thread reads the keys anew, the others go on with those they have, this much longer.
_OVERDUE = timedelta(seconds=10)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
log = logs.get_logger()


def _one_in_state(state: State) -> Index:
    only = text(f"state = '{state}'")
    return Index(f"uq_signing_keys_{state}", "alg", unique=True, sqlite_where=only, postgresql_where=only)


class SigningKeyRow(Base):
    """A signing key at rest: never two that sign, nor two that wait, for one algorithm, whoever makes them at once."""

    __tablename__ = "signing_keys"
    __table_args__ = (_one_in_state("active"), _one_in_state("next"))

    kid: Mapped[str] = mapped_column(String(64), primary_key=True)
    alg: Mapped[Algorithm] = mapped_column(String(8))
    state: Mapped[State] = mapped_column(String(10))
    service: Mapped[str] = mapped_column(String(20))
    public_jwk: Mapped[dict[str, str]] = mapped_column(JSON)
    # What finds the private half; gone as soon as nothing signs with it any more.
    handle: Mapped[bytes | None] = mapped_column(LargeBinary)
    # Being here is being published.
    created_at: Mapped[datetime] = mapped_column(Moment)
    activated_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    retired_at: Mapped[datetime | None] = mapped_column(Moment, default=None)
    reason: Mapped[str | None] = mapped_column(String(80), default=None)


@dataclass(frozen=True)
class KeyRing:
    """The keys of this moment: one signs per algorithm, all of them verify and are published."""

    active: dict[str, SigningKey]
    by_kid: dict[str, SigningKey]
    # When the newest key was published: whoever was served this ring has seen every key up to that one.
    newest_at: datetime
    read_at: datetime
    until: datetime

    @property
    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public half of every key."""
        return {"keys": [dict(key.public_jwk) for key in self.by_kid.values()]}

    @cached_property
    def document(self) -> Document:
        """Return the JWKS as it is served (RFC 7517 §5)."""
        return publish(self.jwks, max_age=settings.keys.jwks_max_age)


@dataclass
class _Kept:
    ring: KeyRing | None = None
    reading: threading.Lock = field(default_factory=threading.Lock)


_kept: PerApp[_Kept] = PerApp(_Kept)


def key_ring() -> KeyRing:
    """Return the keys, read at most once in `lifetimes.key_cache`."""
    now, kept = clock.now(), _kept()
    ring = kept.ring
    if ring is not None and now < ring.until:
        return ring
    if ring is None or now >= ring.until + _OVERDUE:
        return _read_anew(kept, now)
    return _read_by_one(kept, now) or ring


def keys_for(token: str) -> Mapping[str, SigningKey]:
    """Return the keys that may have signed ``token``.

    A `kid` that we do not know may be a key that another node began to use in an emergency: worth one look.
    """
    ring, now = key_ring(), clock.now()
    kid = claimed_kid(token)
    if kid is not None and kid not in ring.by_kid and now >= ring.read_at + _LOOK_AGAIN_AFTER:
        ring = _read_by_one(_kept(), now) or ring
    return ring.by_kid


def forget_key_ring() -> None:
    """Make this process read the keys anew."""
    _kept.forget()


def ensure_signing_keys() -> None:
    """Make the first key of each algorithm that has none; commits."""
    for alg in ALGORITHMS:
        known = db.session.scalars(select(SigningKeyRow.kid).where(SigningKeyRow.alg == alg).limit(1)).first()
        db.session.rollback()
        if known is None and (kid := add_key(alg, "active")):
            key_events.key_made(alg=alg, kid=kid, state="active")


def add_key(alg: Algorithm, state: State) -> str | None:
    """Make a key and publish it; ``None`` if another process was first. Commits."""
    row = make_row(alg, state)
    db.session.add(row)
    try:
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        destroy_private(row.service, row.handle)
        return None
    forget_key_ring()
    return row.kid


def make_row(alg: Algorithm, state: State) -> SigningKeyRow:
    """Make a key that is tried and not yet in the database; it takes a second, so no transaction is open meanwhile."""
    release()
    service = find_service(settings.keys.service)
    made = service.make(alg)
    check_pair(service.open(made.handle, made.public_jwk, alg))
    newest = db.session.scalars(select(SigningKeyRow.created_at).order_by(SigningKeyRow.created_at.desc())).first()
    # Later than every other key whatever the clocks say: see `KeyRing.newest_at`.
    now = max(clock.now(), (newest or _LONG_AGO) + _TICK)
    return SigningKeyRow(
        kid=made.public_jwk["kid"],
        alg=alg,
        state=state,
        service=settings.keys.service,
        public_jwk=dict(made.public_jwk),
        handle=made.handle,
        created_at=now,
        activated_at=now if state == "active" else None,
    )


def open_key(kid: str, alg: Algorithm, service: str, handle: bytes | None, public_jwk: Mapping[str, str]) -> SigningKey:
    """Return a key that signs, or raise `KeyUnusable`."""
    if handle is None:
        raise KeyUnusable(f"the private half of signing key {kid} has been destroyed")
    return find_service(service).open(handle, public_jwk, alg)


def destroy_private(service: str, handle: bytes | None) -> bool:
    """Delete a private half where its service keeps it; tell whether it is gone."""
    try:
        if handle is not None:
            find_service(service).destroy(handle)
    except KeyUnusable as fault:
        log.error("key-not-destroyed", detail=str(fault))
        return False
    return True


def is_usable() -> bool:
    """Tell whether this process can sign with every algorithm: what readiness asks (RC-26)."""
    try:
        return key_ring().active.keys() >= set(ALGORITHMS)
    except KeyUnusable:
        return False


def _read_by_one(kept: _Kept, now: datetime) -> KeyRing | None:
    """Read the keys unless another thread does: to wait for it would be to wait for a lock that the waiting hold."""
    if not kept.reading.acquire(blocking=False):
        return None
    try:
        return _read_anew(kept, now)
    finally:
        kept.reading.release()


def _read_anew(kept: _Kept, now: datetime) -> KeyRing:
    had_transaction = db.session().in_transaction()
    rows = _rows()
    if not rows:
        ensure_signing_keys()
        rows = _rows()
    if not had_transaction:
        # Gives the connection back. Not a rollback: that would make the caller's objects be read again.
        db.session.commit()
    before = kept.ring.by_kid if kept.ring else {}
    by_kid = {row.kid: _build(row, before.get(row.kid)) for row in rows}
    active = {row.alg: by_kid[row.kid] for row in rows if row.state == "active"}
    for row in rows:
        if row.state == "active" and row.activated_at:
            metrics.SIGNING_KEY_AGE.labels(row.alg).set((now - row.activated_at).total_seconds())
    newest = max((row.created_at for row in rows), default=_LONG_AGO)
    kept.ring = KeyRing(active, by_kid, newest, now, now + settings.lifetimes.key_cache)
    return kept.ring


def _rows() -> list[Any]:
    # Columns, not objects: an object that the session knows already would not be read again.
    query = select(*SigningKeyRow.__table__.columns).where(SigningKeyRow.state.in_(_PUBLISHED))
    return list(db.session.execute(query.order_by(SigningKeyRow.created_at, SigningKeyRow.alg)))


def _build(row: Any, before: SigningKey | None) -> SigningKey:
    """Return a key, the one that was built before if it will do: only the active one has its private half in memory."""
    signs = row.state == "active"
    if before is not None and (before.private is not None) is signs:
        return before
    if signs:
        return open_key(row.kid, row.alg, row.service, row.handle, row.public_jwk)
    return load_public(row.public_jwk, row.alg)
