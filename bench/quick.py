"""`make bench-quick`: what each operation of Sésame costs here, one process on PostgreSQL and Redis; no peers.

CPU-microseconds per request compare better than rates on a machine that does other things as well.
BENCH_SECONDS, BENCH_ROUNDS, BENCH_USERS, BENCH_THREADS and BENCH_ONLY (a word of an operation's name) change the run.
"""

import os
import tempfile
from pathlib import Path

from bench.flows import OPERATIONS
from bench.machine import memory_mb, own_stores
from bench.measure import Figures, measure, middle, print_rows
from bench.sesame import sesame

SECONDS = float(os.environ.get("BENCH_SECONDS", "2"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "1"))
USERS = int(os.environ.get("BENCH_USERS", "4"))
THREADS = int(os.environ.get("BENCH_THREADS", "1"))
ONLY = os.environ.get("BENCH_ONLY", "")


def main() -> None:
    """Start everything, measure, print."""
    with (
        tempfile.TemporaryDirectory(prefix="sesame-bench-") as name,
        own_stores(Path(name)) as stores,
        sesame(Path(name), database_url=stores.database_url, redis_url=f"{stores.redis_url}/0", threads=THREADS) as (
            ours,
            _app,
        ),
    ):
        rows = []
        for operation in (one for one in OPERATIONS if ONLY in one[0]):
            rounds: list[Figures] = [
                measure(
                    *operation, ours.target, server=ours.pid, stores=(stores.postgresql, stores.redis),
                    users=USERS, seconds=SECONDS,
                )
                for _ in range(ROUNDS)
            ]  # fmt: skip
            rows.append(middle(rounds))
        print_rows(rows)
        print(f"memory of the largest process: {memory_mb(ours.pid):.0f} MB")


if __name__ == "__main__":
    main()
