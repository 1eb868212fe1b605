"""What the machine says of a run: CPU and memory of processes from /proc, free ports, the stores under load."""

import os
import re
import socket
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import start_postgresql, start_redis


@dataclass(frozen=True)
class Stores:
    """A PostgreSQL and a Redis of this run's own."""

    database_url: str
    redis_url: str
    postgresql: int
    redis: int


@contextmanager
def own_stores(folder: Path) -> Iterator[Stores]:
    """Start both, and stop them at the end."""
    folder.chmod(0o711)
    with ExitStack() as running:
        database_url = start_postgresql(running, folder / "postgresql")
        redis_url = start_redis(running, folder / "redis")
        port = database_url.rsplit(":", 1)[1].split("/")[0]
        yield Stores(
            database_url,
            redis_url,
            _pid_of("-D", str(folder / "postgresql/data"), "-p", port),
            _pid_of(f"127.0.0.1:{redis_url.rsplit(':', 1)[1]}"),
        )


def cpu_seconds(*pids: int) -> float:
    """Return the CPU-seconds of processes and all that they have started."""
    return sum(_ticks(pid) for pid in family(pids)) / os.sysconf("SC_CLK_TCK")


def memory_mb(*pids: int) -> float:
    """Return the resident memory of the largest of these processes and of those that they have started."""
    return max(resident_mb(pid) for pid in family(pids))


def resident_mb(pid: int) -> float:
    """Return the resident memory of one process."""
    return _field(pid, 21) * os.sysconf("SC_PAGE_SIZE") / 1e6


def all_memory_mb(*pids: int) -> tuple[int, float]:
    """Return how many processes these are with those that they have started, and the memory of all of them together.

    What several share is counted once (proportional set size).
    """
    members = family(pids)
    return len(members), sum(_proportional(pid) for pid in members)


def family(pids: Iterable[int]) -> set[int]:
    """Return processes with their descendants."""
    parents = {int(entry.name): _field(int(entry.name), 1) for entry in Path("/proc").glob("[0-9]*")}
    found = set(pids)
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_it_answers(url: str, is_running: Callable[[], bool], within: float = 60) -> float:
    """Return how long a server took to answer; raises `RuntimeError` when it does not."""
    started = time.perf_counter()
    while time.perf_counter() - started < within and is_running():
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.02)
        else:
            return time.perf_counter() - started
    raise RuntimeError(f"nothing answers at {url}")


def _ticks(pid: int) -> int:
    # Of children that have ended, too.
    return sum(_field(pid, number) for number in (11, 12, 13, 14))


def _proportional(pid: int) -> float:
    try:
        found = re.search(r"^Pss: *(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)
    except OSError:
        return 0.0
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def _field(pid: int, number: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[number])
    except (OSError, IndexError, ValueError):
        return 0


def _pid_of(*words: str) -> int:
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if all(word in line for word in words):
            return int(entry.parent.name)
    raise RuntimeError(f"no process {words}")
