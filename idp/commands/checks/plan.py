"""`idp doctor --plan PEAK`: measures this machine, and says how many of its kind carry PEAK sign-ins a second.

What is measured: a password hash with this configuration's cost, alone and on all processors at once; a page; a
signature; a round trip to each store. What is assumed stands in one table (`plan_model.py`). The database and Redis are
not measured: how many connections they need is said, their machines are yours to size.
"""

import os
import statistics
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, process_time
from typing import Any

from flask import current_app
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from idp.accounts.passwords import measure_hash
from idp.commands.checks.plan_model import ASSUMED, Machine, size_fleet
from idp.db import db
from idp.oidc.jose.own import sign
from idp.oidc.keys import key_ring
from idp.settings import current_settings, settings
from idp.state import StateDown, state

PEAKS = "for 13.5 million accounts 45 on an ordinary day, 400 on payment day, 1500 on a bad one"
_PAGE = "/help/easy"


def draw_plan(peak: float) -> dict[str, Any]:
    """Measure for some seconds, and return what was measured, assumed and needed."""
    machine = _measure()
    measured = {
        "processors": machine.processors,
        "hash alone, ms": round(machine.hash_seconds * 1000, 1),
        "hashes a second, all processors": round(machine.hashes_per_second, 1),
        "page, ms of processor": round(machine.page_seconds * 1000, 2),
        **{f"{alg} signature, ms": round(_median(_signer(alg), 20) * 1000, 3) for alg in sorted(key_ring().active)},
        "database round trip, ms": _round_trip(lambda: db.session.execute(text("SELECT 1")).close()),
        "state round trip, ms": _round_trip(state.store.ping),
    }
    db.session.rollback()
    assumed = {name: f"{value:g} ({why})" for name, (value, why) in ASSUMED.items()}
    return {"peak, sign-ins a second": peak, **measured, **assumed, **size_fleet(peak, machine, current_settings())}


def _measure() -> Machine:
    processors = len(os.sched_getaffinity(0))
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    measure_hash()
    alone = statistics.median(measure_hash() for _ in range(5))

    def hash_here(_number: int) -> float:
        with app.app_context():
            return measure_hash()

    many = max(8, 6 * processors)
    with ThreadPoolExecutor(processors) as pool:
        started = perf_counter()
        list(pool.map(hash_here, range(many)))
        together = many / (perf_counter() - started)
    return Machine(processors, alone, together, _page_seconds())


def _page_seconds() -> float:
    """Return what one page takes of a processor, from the request to its last byte."""
    browser = current_app.test_client()
    browser.get(_PAGE, base_url=settings.issuer)
    started = process_time()
    for _ in range(30):
        browser.get(_PAGE, base_url=settings.issuer)
    return (process_time() - started) / 30


def _signer(alg: str) -> Callable[[], object]:
    key = key_ring().active[alg]
    return lambda: sign({"iss": settings.issuer, "sub": "nobody"}, key, typ="JWT")


def _round_trip(act: Callable[[], object]) -> float | str:
    try:
        return round(_median(act, 30) * 1000, 2)
    except (SQLAlchemyError, StateDown):
        return "away"


def _median(act: Callable[[], object], times: int) -> float:
    took = []
    for _ in range(times):
        started = perf_counter()
        act()
        took.append(perf_counter() - started)
    return statistics.median(took)
