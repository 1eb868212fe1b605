"""How signing keys follow each other: published before they sign, kept after, revoked at once in an emergency (P-46).

A key is `next`, then `active`, then `retired`, then gone. It becomes active only when every cache can have it, and when
every client that is known to fetch the JWKS has fetched it (ADR 0006).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, delete, select, update
from sqlalchemy.exc import IntegrityError

from idp import clock, metrics
from idp.db import db, release
from idp.oidc import key_events
from idp.oidc.jose.own import ALGORITHMS, Algorithm, check_pair
from idp.oidc.jwks_watch import Watched, purge_watch, watch
from idp.oidc.keys import (
    SigningKeyRow,
    State,
    add_key,
    destroy_private,
    forget_key_ring,
    make_row,
    open_key,
)
from idp.settings import Settings, settings

# What may become of a key; whatever is in no list does not happen.
MOVES: dict[State, tuple[State, ...]] = {
    "next": ("active", "revoked"),
    "active": ("retired", "revoked"),
    "retired": ("revoked",),
    "revoked": (),
}
Verdict = Literal["too-young", "clients-late", "ready"]
Outcome = Literal["published", "waiting", "rotated", "revoked"]
_ENDED: tuple[State, ...] = ("retired", "revoked")


class RotationFault(Exception):
    """A rotation cannot be done as asked; the message is for the operator."""


@dataclass(frozen=True)
class Step:
    """What one act of rotation did, and what it waits for."""

    alg: Algorithm
    outcome: Outcome
    kid: str
    verdict: Verdict | None = None
    usable_at: datetime | None = None
    previous: tuple[str, ...] = ()
    clients: tuple[Watched, ...] = ()

    def named(self, standing: str) -> list[Watched]:
        """Return the clients of one standing."""
        return [client for client in self.clients if client.standing == standing]


def judge(
    *, published_at: datetime, clients: Sequence[Watched], anyway: bool, now: datetime, rules: Settings
) -> Verdict:
    """Say whether a published key may sign.

    ``anyway`` shortens the wait to what every cache needs and overrules clients; nothing overrules the caches.
    """
    if now < published_at + (rules.soonest_use if anyway else rules.keys.publish_before_use):
        return "too-young"
    if not anyway and any(client.standing == "late" for client in clients):
        return "clients-late"
    return "ready"


def rotate(alg: Algorithm, *, anyway: bool = False) -> Step:
    """Do the next step of a rotation: publish a key, or let the published one sign if it may. Commits."""
    waiting = _find(alg, "next")
    if waiting is None:
        kid = add_key(alg, "next")
        if kid is not None:
            key_events.key_made(alg=alg, kid=kid, state="next")
        waiting = _find(alg, "next")
        if waiting is None:
            raise RotationFault(f"{alg}: another process rotated this very moment")
        return _outlook(alg, waiting, "published", anyway=anyway)
    step = _outlook(alg, waiting, "waiting", anyway=anyway)
    return _use(step, waiting) if step.verdict == "ready" else step


def look_ahead(alg: Algorithm, *, anyway: bool = False) -> Step | None:
    """Return what the published next key waits for, or ``None`` if there is none."""
    waiting = _find(alg, "next")
    return None if waiting is None else _outlook(alg, waiting, "waiting", anyway=anyway)


def revoke_and_replace(alg: Algorithm, *, reason: str, keep_next: bool = False) -> Step:
    """Revoke what may have leaked and let a new key sign at once. Commits.

    Whoever read the active key can have read the others: all of the algorithm's keys are revoked, and the new one is
    unknown to relying parties until they fetch the JWKS again. ``keep_next`` is for a leak of the active key alone:
    the published next one takes over, which they know already.
    """
    upcoming = _find(alg, "next") if keep_next else None
    if keep_next and upcoming is None:
        raise RotationFault(f"{alg}: no next key is published")
    fresh = make_row(alg, "active") if upcoming is None else None
    if upcoming is not None:
        _try(upcoming)
    now = clock.now()
    leaked = _rows(alg, ("active",) if keep_next else ("next", "active", "retired"))
    try:
        for row in leaked:
            _move(row.kid, row.state, "revoked", retired_at=now, reason=reason[:80], handle=None)
        if upcoming is not None:
            _move(upcoming.kid, "next", "active", activated_at=now)
        else:
            db.session.add(fresh)
        db.session.commit()
    except (IntegrityError, RotationFault) as fault:
        db.session.rollback()
        if fresh is not None:
            destroy_private(fresh.service, fresh.handle)
        raise RotationFault(f"{alg}: another process rotated this very moment; nothing was changed") from fault
    forget_key_ring()
    for row in leaked:
        destroy_private(row.service, row.handle)
        key_events.key_revoked(alg=alg, kid=row.kid, reason=reason, state=row.state)
    kid = upcoming.kid if upcoming is not None else fresh.kid if fresh is not None else ""
    key_events.key_activated(alg=alg, kid=kid, is_emergency=True)
    return Step(alg, "revoked", kid, previous=tuple(row.kid for row in leaked))


def tend_keys(now: datetime) -> None:
    """Destroy and forget what has had its time, rotate what is due, count what there is: a chore; commits."""
    _destroy_spent(now)
    ended = SigningKeyRow.state.in_(_ENDED) & (SigningKeyRow.retired_at <= now - settings.keys.keep_retired)
    for kid, alg in db.session.execute(
        delete(SigningKeyRow).where(ended).returning(SigningKeyRow.kid, SigningKeyRow.alg)
    ):
        key_events.key_gone(alg=alg, kid=kid)
    purge_watch(now)
    db.session.commit()
    if settings.keys.rotate_every:
        for alg in ALGORITHMS:
            active = _find(alg, "active")
            if active is not None and now >= active.activated_at + settings.keys.rotate_every:
                rotate(alg)
    _count(now)


def describe_keys() -> list[dict[str, Any]]:
    """Return what may be shown of the keys, revoked ones and dates included."""
    rows = db.session.execute(
        select(*SigningKeyRow.__table__.columns).order_by(SigningKeyRow.created_at, SigningKeyRow.alg)
    )
    return [
        {
            "kid": row.kid,
            "alg": row.alg,
            "state": row.state,
            "service": row.service,
            "private_half": "kept" if row.handle is not None else "destroyed",
            "published_at": row.created_at.isoformat(),
            "active_from": _text(row.activated_at),
            "ended_at": _text(row.retired_at),
            "leaves_at": _text(row.retired_at and row.retired_at + settings.keys.keep_retired),
            "reason": row.reason,
        }
        for row in rows
    ]


def describe_step(step: Step, *, keep_next: bool = False) -> dict[str, Any]:
    """Return what an operator reads after one act of rotation."""
    late, unseen = step.named("late"), step.named("unseen")
    told: dict[str, Any] = {"alg": step.alg, "outcome": step.outcome, "kid": step.kid, "previous": list(step.previous)}
    if step.outcome == "revoked":
        return told | {"breaks": list(_BREAKS[keep_next])}
    if step.verdict is not None and step.usable_at is not None:
        told |= {"waits_for": _WAITS[step.verdict], "usable_at": step.usable_at.isoformat()}
    return told | {"late_clients": _names(late), "unseen_clients": _names(unseen)}


_WAITS: dict[Verdict, str] = {
    "too-young": "the key must be published until usable_at",
    "clients-late": "late_clients have not fetched the new JWKS (--anyway goes on without them)",
    "ready": "nothing: run it once more",
}
_OURS = (
    "Every process of ours follows within lifetimes.key_cache; until then some still sign with the revoked key.",
    "Tokens signed by the revoked key are refused by us: logout hints lose their effect, JWTs must be fetched anew.",
    "Relying parties go on believing the revoked key until their copy of the JWKS expires (keys.jwks_max_age).",
)
# Whether relying parties know the new key already.
_BREAKS = {
    True: _OURS,
    False: (
        *_OURS,
        "Relying parties that do not fetch the JWKS on an unknown kid refuse our tokens until their copy expires.",
    ),
}


def _names(clients: list[Watched]) -> list[str]:
    return [
        f"{one.client_id} ({one.name}): "
        + (f"last fetch {one.fetched_at:%Y-%m-%d %H:%M} UTC" if one.fetched_at else "no fetch seen from its addresses")
        for one in clients
    ]


def _outlook(alg: Algorithm, row: Row[Any], outcome: Outcome, *, anyway: bool) -> Step:
    now = clock.now()
    clients = tuple(watch(row.created_at, now))
    wait = settings.soonest_use if anyway else settings.keys.publish_before_use
    verdict = judge(published_at=row.created_at, clients=clients, anyway=anyway, now=now, rules=settings)
    return Step(alg, outcome, row.kid, verdict, row.created_at + wait, clients=clients)


def _use(step: Step, row: Row[Any]) -> Step:
    _try(row)
    now = clock.now()
    outgoing = _rows(step.alg, ("active",))
    try:
        for old in outgoing:
            _move(old.kid, "active", "retired", retired_at=now)
        _move(step.kid, "next", "active", activated_at=now)
        db.session.commit()
    except (IntegrityError, RotationFault) as fault:
        db.session.rollback()
        raise RotationFault(f"{step.alg}: another process rotated this very moment; nothing was changed") from fault
    forget_key_ring()
    for old in outgoing:
        key_events.key_retired(alg=step.alg, kid=old.kid)
    key_events.key_activated(alg=step.alg, kid=step.kid)
    for client in step.named("late"):
        key_events.key_activated_unseen(client_id=client.client_id, alg=step.alg, kid=step.kid)
    return Step(step.alg, "rotated", step.kid, previous=tuple(old.kid for old in outgoing), clients=step.clients)


def _try(row: Row[Any]) -> None:
    """Sign something with a key before it is relied upon; no transaction is open meanwhile."""
    release()
    check_pair(open_key(row.kid, row.alg, row.service, row.handle, row.public_jwk))


def _move(kid: str, before: State, after: State, **changes: Any) -> None:
    """Change a key's state, or raise `RotationFault` if it is not what it was; the caller commits."""
    if after not in MOVES[before]:
        raise RotationFault(f"a key that is {before} cannot become {after}")
    here = (SigningKeyRow.kid == kid) & (SigningKeyRow.state == before)
    moved = update(SigningKeyRow).where(here).values(state=after, **changes).returning(SigningKeyRow.kid)
    if db.session.execute(moved).one_or_none() is None:
        raise RotationFault(f"key {kid} is not {before} any more")


def _destroy_spent(now: datetime) -> None:
    """Destroy the private half of what signs no more, once no node can still hold it for the active key."""
    spent = now - settings.lifetimes.key_cache - settings.keys.clock_skew
    for row in _rows(None, ("retired",)):
        if row.handle is not None and row.retired_at <= spent and destroy_private(row.service, row.handle):
            db.session.execute(update(SigningKeyRow).where(SigningKeyRow.kid == row.kid).values(handle=None))
            key_events.private_half_destroyed(alg=row.alg, kid=row.kid)


def _count(now: datetime) -> None:
    rows = _rows(None, tuple(MOVES))
    for alg in ALGORITHMS:
        for state in MOVES:
            metrics.SIGNING_KEYS.labels(alg, state).set(sum(row.alg == alg and row.state == state for row in rows))
        waiting = next((row for row in rows if row.alg == alg and row.state == "next"), None)
        late = [] if waiting is None else [one for one in watch(waiting.created_at, now) if one.standing == "late"]
        metrics.KEY_AWAITED.labels(alg).set(len(late))
        for row in rows:
            if row.alg == alg and row.state == "active":
                metrics.SIGNING_KEY_AGE.labels(alg).set((now - row.activated_at).total_seconds())


def _find(alg: Algorithm, state: State) -> Row[Any] | None:
    rows = _rows(alg, (state,))
    return rows[0] if rows else None


def _rows(alg: Algorithm | None, states: tuple[State, ...]) -> list[Row[Any]]:
    query = select(*SigningKeyRow.__table__.columns).where(SigningKeyRow.state.in_(states))
    if alg is not None:
        query = query.where(SigningKeyRow.alg == alg)
    return list(db.session.execute(query.order_by(SigningKeyRow.created_at)))


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
