"""What the soak sees of the machine every ten seconds, and whether memory grows: least squares, in KB a minute."""

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.machine import cpu_seconds, family, resident_mb
from bench.soak_site import SoakSite

EVERY = 10.0
# Flat: less than this share of its size in an hour.
FLAT_WITHIN = 0.05


@dataclass(frozen=True)
class Slope:
    """A line through samples, in units a minute, and how uncertain it is (one standard error)."""

    a_minute: float
    error: float
    first: float
    last: float


def slope(points: Sequence[tuple[float, float]]) -> Slope:
    """Fit (seconds, value) by least squares; ``first`` and ``last`` are the ends of the line."""
    n = len(points)
    if n < 3:
        raise ValueError("a slope needs three samples")
    x_mean, y_mean = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    per_second = sum((x - x_mean) * (y - y_mean) for x, y in points) / spread
    left = sum((y - y_mean - per_second * (x - x_mean)) ** 2 for x, y in points)
    error = math.sqrt(left / (n - 2) / spread)
    ends = [y_mean + per_second * (points[at][0] - x_mean) for at in (0, -1)]
    return Slope(per_second * 60, error * 60, ends[0], ends[1])


@dataclass
class Watch:
    """Samples by name: (seconds since the start, value); memory in KB."""

    site: SoakSite
    load: Callable[[], float]
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)
    _started: float = 0.0

    def start(self) -> None:
        """Begin to look."""
        self._started = time.monotonic()
        self._thread = threading.Thread(target=self._look_again, name="watch")
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()

    def slope_after(self, seconds: float, name: str) -> Slope:
        """Return the slope of what was seen after the warm-up."""
        return slope([point for point in self.samples[name] if point[0] >= seconds])

    def most(self, name: str) -> float:
        """Return the largest value that was seen."""
        return max(value for _, value in self.samples[name])

    def mean(self, name: str) -> float:
        """Return the mean of what was seen."""
        return sum(value for _, value in self.samples[name]) / len(self.samples[name])

    @property
    def processes(self) -> list[str]:
        """Return the names of the processes of the product."""
        return [name for name in self.samples if name.startswith(("node", "worker"))]

    def _look_again(self) -> None:
        names = self._name_processes()
        while not self._over.wait(EVERY if self.samples else 0):
            now, seen = time.monotonic() - self._started, self._see(names)
            for name, value in seen.items():
                self.samples.setdefault(name, []).append((now, value))

    def _name_processes(self) -> dict[str, int]:
        names = {}
        for process in (*self.site.nodes, *self.site.workers):
            parent = pid_of(process)
            children = sorted(family([parent]) - {parent})
            # `idp serve` looks after the processes that serve.
            names[f"{process.name}, supervisor" if children else process.name] = parent
            names |= {f"{process.name}{f', {at}' if at else ''}": child for at, child in enumerate(children)}
        return names

    def _see(self, names: Mapping[str, int]) -> dict[str, float]:
        redis = dict(
            line.split(":", 1) for line in str(self.site.redis.ask("INFO")).splitlines() if line.count(":") == 1
        )
        keyspace = dict(part.split("=") for part in redis.get("db0", "keys=0,expires=0").split(","))
        connections = self.site.postgresql.ask("SELECT count(*) FROM pg_stat_activity WHERE datname = 'sesame'")[0][0]
        return {
            **{name: resident_mb(pid) * 1000 for name, pid in names.items()},
            "Redis, used": int(redis["used_memory"]) / 1000,
            "Redis, resident": int(redis["used_memory_rss"]) / 1000,
            "Redis, connections": float(redis["connected_clients"]),
            "Redis, keys": float(keyspace["keys"]),
            "Redis, keys that never end": float(keyspace["keys"]) - float(keyspace["expires"]),
            "PostgreSQL, connections": float(connections),
            "load average": float(Path("/proc/loadavg").read_text().split()[0]),
            "visitors at once": self.load(),
        }


def flatness(watch: Watch, warm_up: float) -> list[dict[str, Any]]:
    """Return a row for each process of the product: KB at both ends, KB a minute, and whether that is flat."""
    rows = []
    for name in watch.processes:
        found = watch.slope_after(warm_up, name)
        is_flat = found.a_minute * 60 <= FLAT_WITHIN * found.first
        rows.append({"name": name, "first": found.first, "last": found.last, "a_minute": found.a_minute,
                     "error": found.error, "is_flat": is_flat})  # fmt: skip
    return rows


def pid_of(process: object) -> int:
    """Return the process id of one of the site's processes or servers."""
    inner = getattr(process, "_process", None) or getattr(process, "process", None)
    assert inner is not None
    return int(inner.pid)


def cpu_of(site: SoakSite) -> dict[str, float]:
    """Return the CPU-seconds that each kind of process has used, with what it has started."""
    return {
        "web nodes": cpu_seconds(*map(pid_of, site.nodes)),
        "workers": cpu_seconds(*map(pid_of, site.workers)),
        "PostgreSQL": cpu_seconds(pid_of(site.postgresql)),
        "Redis": cpu_seconds(pid_of(site.redis)),
        "the bench itself": time.process_time(),
    }
