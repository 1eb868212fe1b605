"""`make soak`: half an hour of mixed visits on two nodes and two workers; nothing lost, nothing twice, memory flat.

Visits begin by the clock (`SOAK_RATE` a second, their gaps drawn from an exponential distribution), however long the
others take. SOAK_MINUTES, SOAK_WARM_UP (minutes before memory counts), SOAK_PEOPLE change the run; SOAK_REPORT=1 writes
docs/soak.md; SOAK_FACTS names a JSON file for what was measured. Ends with 1 when anything is not as it has to be.
"""

import json
import os
import platform
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from joserfc.jwk import KeySet

from bench import people, soak_books, soak_report, soak_watch
from bench.soak_guest import Guest, Service, Visit, use
from bench.soak_ledger import Wanted
from bench.soak_mix import KINDS, Kind
from bench.soak_site import ALERT_AFTER, SoakSite, TimedFront
from bench.soak_watch import Watch, cpu_of
from idp.accounts import directory
from tests.drills.site import Person, wait_until

SEED = 6
MINUTES = float(os.environ.get("SOAK_MINUTES", "30"))
WARM_UP = float(os.environ.get("SOAK_WARM_UP", str(MINUTES / 3)))
RATE = float(os.environ.get("SOAK_RATE", "1.0"))
# Seconds before the first visit in which nothing happens, and after the last in which everything has to settle.
REST = 30.0
TELL_EVERY = 100
SETTLE_WITHIN = 240.0
_WAITS = """
    SELECT (SELECT count(*) FROM new_devices),
        (SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending')),
        (SELECT count(*) FROM outbox WHERE channel = 'sms' AND state = 'accepted')
"""
PEOPLE = int(os.environ.get("SOAK_PEOPLE", "20000"))


class Crowd:
    """Who comes, when; each person once."""

    def __init__(self, site: SoakSite) -> None:
        self.site = site
        self.visits: list[Visit] = []
        self._chance = random.Random(SEED)
        self._people = iter(range(PEOPLE))
        self._under_way = 0
        self._lock = threading.Lock()
        answer = site.front.send(requests.Session(), "GET", "/jwks.json")
        assert answer is not None
        self._keys = KeySet.import_key_set(answer.json())

    def come(self, seconds: float) -> None:
        """Begin visits by the clock until the time is over, and wait for the last to end."""
        threads, began, due = [], time.monotonic(), 0.0
        while (due := due + self._chance.expovariate(RATE)) < seconds:
            time.sleep(max(0.0, began + due - time.monotonic()))
            visit, person = self._invite(time.monotonic() - began - due)
            thread = threading.Thread(target=self._visit, args=(visit, person, self._chance.getrandbits(64)))
            thread.start()
            threads = [one for one in (*threads, thread) if one.is_alive()]
            if len(self.visits) % TELL_EVERY == 0:
                faults = sum(bool(one.fault) for one in self.visits)
                print(f"{time.strftime('%H:%M:%S')} {len(self.visits)} visits, {faults} faults", file=sys.stderr)
        for thread in threads:
            thread.join()

    def under_way(self) -> float:
        """Return how many are at it now."""
        return self._under_way

    def _invite(self, late: float) -> tuple[Visit, Person]:
        kind: Kind = self._chance.choices(KINDS, [kind.share for kind in KINDS])[0]
        number = next(number for number in self._people if kind.channel == "email" or people.mobile_of(number))
        email, mobile = people.email_of(number), people.mobile_of(number)
        nir = people.nir_of(number if kind.is_known else number + PEOPLE)
        account = str(self.site.in_app(lambda: directory.find_credentials(nir)).account_id) if kind.is_known else ""
        visit = Visit(kind.name, number, kind.channel, account, late)
        self.visits.append(visit)
        return visit, Person(account, nir, email, f"+33{mobile[1:]}" if mobile else "")

    def _visit(self, visit: Visit, person: Person, seed: int) -> None:
        kind = next(kind for kind in KINDS if kind.name == visit.kind)
        guest, service = Guest(self.site, person, kind.channel, random.Random(seed)), Service(self.site, self._keys)
        with self._lock:
            self._under_way += 1
        began = time.monotonic()
        try:
            kind.act(guest)
            if kind.finishes:
                # Everybody comes on a device that is new to their account, and is told so on every channel.
                self.site.ledger.want(*(Wanted("alert", to, time.time()) for to in (person.email, person.mobile) if to))
                use(service, guest, visit)
        except Exception as fault:  # noqa: BLE001 - whatever it is, it is counted, and the others go on
            visit.fault = f"{type(fault).__name__}: {str(fault)[:300]}"
        finally:
            guest.browser.close()
            service.session.close()
            visit.took, visit.waited = time.monotonic() - began, guest.waited
            with self._lock:
                self._under_way -= 1


def main() -> int:
    """Run all of it; return the status to end with."""
    # Asked to stop, it ends what it has started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="sesame-soak-") as folder:
        Path(folder).chmod(0o711)
        with SoakSite(Path(folder)).running() as site:
            facts = _run(site)
    if path := os.environ.get("SOAK_FACTS"):
        Path(path).write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")
    text = soak_report.text(facts)
    print(text)
    if os.environ.get("SOAK_REPORT") == "1":
        soak_report.write(text)
    return 0 if facts["is_good"] else 1


def _run(site: SoakSite) -> dict[str, Any]:
    site.take_in(PEOPLE)
    crowd = Crowd(site)
    watch = Watch(site, crowd.under_way)
    at_rest = _rest(site)
    size, cpu, began = _database_size(site), cpu_of(site), datetime.now(UTC)
    watch.start()
    try:
        crowd.come(MINUTES * 60)
    finally:
        watch.stop()
    took, used = datetime.now(UTC) - began, {name: end - cpu[name] for name, end in cpu_of(site).items()}
    _settle(site)
    return {
        "began": f"{began:%d %B %Y, %H:%M} UTC", "minutes": MINUTES, "took": took.total_seconds(), "rate": RATE,
        "people": PEOPLE, "cores": os.cpu_count(), "python": platform.python_version(), "warm_up": WARM_UP,
        "cpu": used, "at_rest": at_rest,
        "database_bytes": _database_size(site) - size,
        **_account(site, crowd, watch),
    }  # fmt: skip


def _account(site: SoakSite, crowd: Crowd, watch: Watch) -> dict[str, Any]:
    """Return everything that was counted and timed, and whether it is good."""
    times, visits, ledger = TimedFront.times, crowd.visits, site.ledger
    arrived = Counter("sms" if message.to.startswith("+") else "email" for message in ledger.arrived)
    memory = soak_watch.flatness(watch, WARM_UP * 60)
    lines = [
        *soak_books.visits_lines(visits, ledger.findings(), soak_books.unwanted_answers(times.statuses, visits)),
        *soak_books.store_lines(site, visits, arrived),
        soak_books.Line("lines of errors in the logs", 0, site.logs().count('"level": "error"')),
        soak_books.Line("keys of Redis that never end", 0, int(watch.most("Redis, keys that never end"))),
        soak_books.Line("processes whose memory is not flat", 0, sum(not row["is_flat"] for row in memory)),
    ]
    return {
        "is_good": all(line.is_good for line in lines),
        "lines": [[line.what, line.due, line.found] for line in lines],
        "faults": Counter(f"{visit.kind}: {visit.fault}" for visit in visits if visit.fault).most_common(20),
        "visits": {kind.name: sum(visit.kind == kind.name for visit in visits) for kind in KINDS},
        "finished": sum(visit.finished for visit in visits),
        "signed_out": sum(visit.signed_out for visit in visits),
        "refreshes": sum(visit.refreshes for visit in visits),
        "waiting_pages": sum(visit.waited for visit in visits),
        "late": percentiles([visit.began_late for visit in visits]),
        "messages": {
            f"{kind}, {channel}": percentiles(ledger.delays(kind, channel))
            for kind in ("code", "alert") for channel in ("email", "sms")
        },
        "arrived": dict(arrived),
        "times": {name: percentiles(took) for name, took in sorted(times.of.items())},
        "memory": memory,
        "most": {name: watch.most(name) for name in watch.samples},
        "mean": {name: watch.mean(name) for name in watch.samples},
        "ends": {name: [points[0][1], points[-1][1]] for name, points in watch.samples.items()},
    }  # fmt: skip


def percentiles(values: Sequence[float]) -> dict[str, float]:
    """Return how many, the middle, the 99th of a hundred, the largest; in seconds."""
    ordered = sorted(values) or [0.0]
    return {"n": len(values), "p50": ordered[len(ordered) // 2], "p99": ordered[len(ordered) * 99 // 100],
            "most": ordered[-1]}  # fmt: skip


def _settle(site: SoakSite) -> None:
    """Wait until everybody was told of their new device, and every SMS has its receipt."""
    with suppress(AssertionError):
        # What still waits then is in the books.
        wait_until(lambda: tuple(site.rows(_WAITS)[0]) == (0, 0, 0), ALERT_AFTER + SETTLE_WITHIN, "it does not settle")


def _rest(site: SoakSite) -> dict[str, float]:
    """Return what share of a core everything uses while nobody comes."""
    before = cpu_of(site)
    time.sleep(REST)
    return {name: (used - before[name]) / REST for name, used in cpu_of(site).items()}


def _database_size(site: SoakSite) -> int:
    return int(site.postgresql.ask("SELECT pg_database_size('sesame')")[0][0])


if __name__ == "__main__":
    sys.exit(main())
