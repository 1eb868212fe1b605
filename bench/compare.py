"""`make bench`: Sésame and its peers side by side, A B A B, on one machine, with one PostgreSQL and one Redis.

Prints every median; with BENCH_REPORT=1 writes the chart and the table of `docs/performance.md`.
BENCH_SECONDS, BENCH_ROUNDS, BENCH_USERS, BENCH_THREADS and BENCH_ONLY change the run.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench import floor, peers, report
from bench.flows import OPERATIONS
from bench.machine import memory_mb, own_stores
from bench.measure import Figures, measure, middle, print_rows
from bench.quick import ONLY, SECONDS, THREADS, USERS
from bench.sesame import Running, sesame

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))


def main() -> None:
    """Install, start, measure in turn, print, and write the report if asked to."""
    peers.install()
    with everything() as (all_running, stores, folder):
        rows: list[Figures] = []
        for operation in (one for one in OPERATIONS if ONLY in one[0]):
            # Every provider once, then every provider again: what the machine does meanwhile hits all of them.
            rounds = [
                measure(*operation, running.target, server=running.pid, stores=stores, users=USERS, seconds=SECONDS)
                for _ in range(ROUNDS)
                for running in all_running
            ]
            rows += [middle(rounds[number :: len(all_running)]) for number in range(len(all_running))]
        print_rows(rows)
        facts = {running.target.name: (memory_mb(running.pid), running.start_seconds) for running in all_running}
        for name, (memory, start) in facts.items():
            print(f"{name:<22} largest process {memory:.0f} MB, first answer after {start:.1f} s")
        parts = floor.measure_parts(folder)
        for part in parts:
            print(f"{part.name:<44}{part.cpu:>10.0f} us")
        print(f"1 process each, {THREADS} thread(s), {USERS} connections, {ROUNDS} rounds of {SECONDS:g} s")
        if os.environ.get("BENCH_REPORT"):
            report.write(rows, facts, parts)


@contextmanager
def everything() -> Iterator[tuple[list[Running], tuple[int, ...], Path]]:
    """Run every provider on one pair of stores."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sesame-bench-")))
        stores = stack.enter_context(own_stores(folder))
        ours, _app = stack.enter_context(
            sesame(folder, database_url=stores.database_url, redis_url=f"{stores.redis_url}/0", threads=THREADS)
        )
        theirs = [stack.enter_context(peer(folder, stores)) for peer in peers.PEERS]
        yield [ours, *theirs], (stores.postgresql, stores.redis), folder


if __name__ == "__main__":
    main()
