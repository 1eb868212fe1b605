"""How fast the audit trail is linked and verified: ``python -m bench.audit --events 1000000``.

Makes a database of its own in a temporary folder (or uses ``--database``, an empty PostgreSQL one), writes events as
sign-ins do, links them, verifies them all, and prints one line of figures for each.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from idp import audit, create_app, entropy
from idp.audit.chain import AT_ONCE
from idp.audit.sealing import seal
from idp.audit.trail import NAMES, AuditEvent, canonical, mac_of
from idp.audit.verify import verify
from idp.db import db
from idp.settings import Settings
from tests.conftest import example_settings

_BULK = 10_000


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--database", default="", help="an empty PostgreSQL database; SQLite when absent")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = asked.database or f"sqlite:///{folder}/bench.db"
        changes = {"database_url": url, "state_file": Path(folder) / "state.db", "log_level": "error"}
        app = create_app(Settings.model_validate(example_settings(**changes)))
        with app.app_context():
            db.create_all()
            _measure(asked.events)
        app.extensions["sesame"]["state"].store.close()


def _measure(count: int) -> None:
    _say("written by sign-ins, one transaction each", 2000, _timed(lambda: [_write_one() for _ in range(2000)]))
    _say("written in bulk (not a figure of the product)", count - 2000, _timed(lambda: _write(count - 2000)))
    _say(f"linked and signed, {AT_ONCE} in a transaction", count, _timed(_seal_all))
    verdicts = []
    _say("verified", count, _timed(lambda: verdicts.append(verify(datetime.now(UTC)))))
    verdict = verdicts[0]
    sys.stdout.write(f"events {verdict.events}, findings {verdict.found}, waiting {verdict.waiting}\n")
    if verdict.events != count or not verdict.is_good:
        sys.exit(1)


def _write_one() -> None:
    audit.record("password", account_id=entropy.identifier(), recognised=True)
    audit.flush()


def _write(count: int) -> None:
    began = datetime.now(UTC)
    for start in range(0, count, _BULK):
        rows = [_row(began + timedelta(microseconds=start + number)) for number in range(min(_BULK, count - start))]
        db.session.execute(insert(AuditEvent), rows)
        db.session.commit()


def _row(at: datetime) -> dict[str, Any]:
    values = (
        entropy.identifier(), at, "sign-in", "ok", None, entropy.identifier(), "demo-web", None, "7KQ-4MX",
        {"proofs": "pwd email", "recognised": True},
    )  # fmt: skip
    return dict(zip(NAMES, values, strict=True)) | {"mac": mac_of(canonical(values))}


def _seal_all() -> None:
    now = datetime.now(UTC)
    while seal(now):
        db.session.commit()
    db.session.commit()


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _say(what: str, count: int, seconds: float) -> None:
    sys.stdout.write(f"{count:>9} {what}: {seconds:.1f} s, {count / seconds:,.0f} a second\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
