"""One operation at one provider, measured: rate, CPU of server and stores per request, times, errors."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.flows import Target
from bench.load import Result, run
from bench.machine import cpu_seconds


@dataclass(frozen=True)
class Figures:
    """One row: CPU in microseconds per operation, times in milliseconds."""

    operation: str
    provider: str
    rate: float
    server: float
    stores: float
    generator: float
    p50: float
    p99: float
    errors: int
    requests: int
    # Of the process that sends the mails, where it is one of its own; and HTTP requests per operation.
    worker: float = 0.0
    asked: float = 1.0


def measure(
    name: str, prepare: Any, operate: Any, target: Target, *, server: int, stores: tuple[int, ...], users: int,
    seconds: float, worker: tuple[int, ...] = (),
) -> Figures:  # fmt: skip
    """Run an operation once."""
    print(f"  {time.strftime('%H:%M:%S')} {name}, {target.name}", file=sys.stderr, flush=True)
    result, before, after = run(
        target.port, prepare, operate, target, users=users, seconds=seconds,
        around=lambda: (cpu_seconds(server), cpu_seconds(*stores), cpu_seconds(*worker)),
    )  # fmt: skip
    if result.errors:
        print(f"  {target.name}, {name}: {result.errors} errors, the first: {result.first_error!r}")
    return figures(name, target.name, result, *(then - first for first, then in zip(before, after, strict=True)))


def figures(name: str, provider: str, result: Result, server: float, stores: float, worker: float = 0.0) -> Figures:
    """Put one run into a row."""
    each = 1e6 / max(result.requests, 1)
    return Figures(
        name, provider, result.requests / result.seconds, server * each, stores * each, result.generator_cpu * each,
        result.p50 * 1000, result.p99 * 1000, result.errors, result.requests, worker * each,
        result.asked / max(result.requests, 1),
    )  # fmt: skip


def middle(rows: list[Figures]) -> Figures:
    """Return the medians of several rounds; errors are added up."""

    def of(read: Callable[[Figures], float]) -> float:
        return median(map(read, rows))

    return Figures(
        rows[0].operation, rows[0].provider, of(lambda r: r.rate), of(lambda r: r.server), of(lambda r: r.stores),
        of(lambda r: r.generator), of(lambda r: r.p50), of(lambda r: r.p99), sum(r.errors for r in rows),
        sum(r.requests for r in rows), of(lambda r: r.worker), of(lambda r: r.asked),
    )  # fmt: skip


def print_rows(rows: list[Figures]) -> None:
    """Print one line per operation."""
    print(f"{'operation':<24}{'provider':<22}{'req/s':>8}{'server us':>11}{'stores us':>11}{'gen us':>8}"
          f"{'p50 ms':>8}{'p99 ms':>8}{'errors':>8}")  # fmt: skip
    for r in rows:
        print(f"{r.operation:<24}{r.provider:<22}{r.rate:>8.0f}{r.server:>11.0f}{r.stores:>11.0f}{r.generator:>8.0f}"
              f"{r.p50:>8.2f}{r.p99:>8.2f}{r.errors:>8}")  # fmt: skip
