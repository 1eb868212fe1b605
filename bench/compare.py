"""`make bench`: Sésame and its peers side by side, A B A B, on one machine, with one PostgreSQL and one Redis.

Prints every median; with BENCH_REPORT=1 writes the chart and the tables of `docs/performance.md`.
BENCH_SECONDS, BENCH_ROUNDS, BENCH_USERS, BENCH_THREADS, BENCH_ONLY (a word of an operation's name), BENCH_PEERS (words
of peers' names), BENCH_PEOPLE (accounts; each signs in once) and BENCH_STARTS (of each provider alone) change the run.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import floor, peers, report
from bench.alone import measure_alone
from bench.flows import OPERATIONS
from bench.machine import Stores, free_port, own_stores
from bench.measure import Figures, measure, middle, print_rows
from bench.postbox import Mailbox
from bench.programs import Program, Running, started
from bench.quick import ONLY, SECONDS, THREADS, USERS
from bench.sesame import ROOT, sesame
from bench.visit import SIGN_IN, sign_in, wait_for_mails

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PEOPLE = int(os.environ.get("BENCH_PEOPLE", "1200"))
STARTS = int(os.environ.get("BENCH_STARTS", "5"))
WANTED = os.environ.get("BENCH_PEERS", "").split()
# People who sign in at the same time: they wait for mails, and the server shall not.
VISITORS = 8


def main() -> None:
    """Install, start, measure in turn, print, and write the report if asked to."""
    peers.install()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sesame-bench-")))
        stores = stack.enter_context(own_stores(folder))
        pids = (stores.postgresql, stores.redis)
        with _everybody(folder, stores) as all_running:
            rows = [
                row
                for operation in (one for one in OPERATIONS if ONLY in one[0])
                for row in _in_turn(operation, all_running, pids)
            ]
            hashes: list[float] = []
            if ONLY in SIGN_IN:
                rows += _sign_ins(all_running, pids, hashes)
        print_rows(rows)
        alone = measure_alone(all_running, STARTS)
        for name, found in alone.items():
            print(f"{name:<22} {found.processes} processes, largest {found.largest:.0f} MB, all {found.all:.0f} MB, "
                  f"first answer after {found.start:.1f} s")  # fmt: skip
        parts = floor.measure_parts(folder, hashes)
        for name, cpu in parts.items():
            print(f"{name:<52}{cpu:>10.1f} us")
        print(f"1 process each, {THREADS} thread(s), {USERS} connections, {ROUNDS} rounds of {SECONDS:g} s")
        cannot = {running.target.name: running.target.cannot for running in all_running}
        measured = report.Measured(rows, cannot, alone, parts)
        print(measured.markdown())
        if os.environ.get("BENCH_REPORT"):
            report.write(measured)


def _in_turn(operation: Any, all_running: list[Running], stores: tuple[int, ...]) -> list[Figures]:
    """Measure every provider once, then every provider again: what the machine does meanwhile hits all of them."""
    able = [running for running in all_running if operation[0] not in running.target.cannot]
    rounds = [
        measure(*operation, running.target, server=running.pid, stores=stores, users=USERS, seconds=SECONDS)
        for _ in range(ROUNDS)
        for running in able
    ]
    return [middle(rounds[number :: len(able)]) for number in range(len(able))]


def _sign_ins(all_running: list[Running], stores: tuple[int, ...], hashes: list[float]) -> list[Figures]:
    """Measure whole sign-ins the same way, a bare hash before each round; whoever mails runs only meanwhile."""
    able = [running for running in all_running if SIGN_IN not in running.target.cannot]
    each = max(1, (PEOPLE - 1) // ROUNDS // VISITORS)
    rounds: list[Figures] = []
    for number in range(ROUNDS):
        for running in able:
            hashes.append(floor.argon2_once())
            target = replace(running.target, first_person=1 + number * each * VISITORS, people_each=each)
            with ExitStack() as meanwhile:
                worker = (meanwhile.enter_context(started(running.worker))[0],) if running.worker else ()
                rounds.append(
                    measure(SIGN_IN, wait_for_mails, sign_in, target, server=running.pid, stores=stores, users=VISITORS,
                            seconds=max(SECONDS, 4), worker=worker)
                )  # fmt: skip
    return [middle(rounds[number :: len(able)]) for number in range(len(able))]


@contextmanager
def _everybody(folder: Path, stores: Stores) -> Iterator[list[Running]]:
    """Run every provider on one pair of stores, and a mailbox for all."""
    with ExitStack() as stack:
        mailbox = Mailbox(free_port(), free_port())
        command = (sys.executable, "-m", "bench.postbox", str(mailbox.smtp), str(mailbox.questions))
        stack.enter_context(started(Program(command, ROOT, os.environ)))
        ours, _app = stack.enter_context(
            sesame(folder, database_url=stores.database_url, redis_url=f"{stores.redis_url}/0", threads=THREADS,
                   mailbox=mailbox, people=PEOPLE)
        )  # fmt: skip
        wanted = [peer for peer in peers.PEERS if not WANTED or peer.__name__ in WANTED]
        yield [ours, *(stack.enter_context(peer(folder, stores, mailbox, PEOPLE)) for peer in wanted)]


if __name__ == "__main__":
    main()
