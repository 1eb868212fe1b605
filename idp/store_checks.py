"""Whether the stores are such that nothing is lost in them: what stops a start, and keeps a node unready.

A store that does not answer is none of this: the process starts, is unready, and becomes ready by itself (RC-05).
"""

from collections.abc import Iterable

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from idp import capacity, logs
from idp.db import db
from idp.per_app import PerApp
from idp.settings import Settings, settings
from idp.state import StateDown, state
from idp.state_redis import RedisStore, Told

log = logs.get_logger()


class _Seen:
    """Whether the stores of this application have been found sound."""

    is_sound = False


_seen: PerApp[_Seen] = PerApp(_Seen)


def find_store_faults() -> list[str]:
    """Return why these stores cannot be used, one sentence each; raises `StateDown` or `SQLAlchemyError`."""
    ours: Settings = current_app.extensions["sesame"]["settings"]
    faults: list[str] = []
    if isinstance(state.store, RedisStore):
        faults += find_redis_faults(state.store.tell(), ours)
    if db.engine.dialect.name == "postgresql" and ours.fleet.web_nodes:
        with db.engine.connect() as connection:
            faults += find_pool_faults(capacity.find_allowed(connection), ours)
    return faults


def find_redis_faults(told: dict[str, Told], ours: Settings) -> Iterable[str]:
    """Judge what each Redis said: an evicted entry is a counter forgotten, a used code usable again (R11)."""
    for where, one in sorted(told.items()):
        policy = one.info.get("maxmemory_policy")
        if policy is None:
            log.error("redis-policy-unknown", redis=where)
        elif policy != "noeviction":
            yield f"Redis ({where}) has maxmemory-policy {policy}: set noeviction, or counters and used codes vanish"
        if ours.fleet.web_nodes and "maxclients" in one.info:
            yield from _one(
                capacity.compare(
                    capacity.find_demand(ours).redis, int(one.info["maxclients"]), store=f"Redis ({where})",
                    pool="redis_pool", limit="maxclients",
                )
            )  # fmt: skip


def find_pool_faults(allowed: int, ours: Settings) -> Iterable[str]:
    """Compare what all processes may open with what PostgreSQL allows."""
    wanted = capacity.find_demand(ours).database
    return _one(capacity.compare(wanted, allowed, store="PostgreSQL", pool="database_pool", limit="max_connections"))


def check_at_start() -> list[str]:
    """Return what stops the start; a store that is away stops nothing."""
    try:
        faults = find_store_faults()
    except (StateDown, SQLAlchemyError) as fault:
        log.warning("stores-unread", error_type=type(fault).__name__)
        return []
    finally:
        db.session.rollback()
    _seen().is_sound = not faults
    return faults


def is_sound() -> bool:
    """Tell whether the stores have been found sound, asking until they are; what readiness asks."""
    if not _seen().is_sound:
        for fault in find_store_faults():
            log.error("store-unsound", detail=fault, issuer=settings.issuer)
            return False
        _seen().is_sound = True
    return True


def _one(fault: str | None) -> list[str]:
    return [] if fault is None else [fault]
