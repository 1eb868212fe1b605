"""One answer for the figures of a node, whichever of its processes is asked, whichever have died since.

Each process counts into files of a folder of its own, which it keeps locked while it lives. Whoever has the port adds
up all folders; a folder that nobody locks is folded into one folder of the past, so that no total ever goes back.
"""

import fcntl
import os
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry, Metric, start_http_server, values
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from idp import entropy, logs, metrics

# Seconds after which a process that stands by tries to have the port.
_STAND_BY = 1.0
# What keeps its meaning when its process is gone; gauges do not.
_LASTING = ("counter", "histogram")
_LIST = "folded"

log = logs.get_logger()


def show_metrics(*, kind: str, folder: Path, port: int, address: str) -> None:
    """Count into ``folder`` from now on, as a process of ``kind``; answer Prometheus unless another process does.

    What cannot be counted or shown is logged, no more: sign-ins matter more than figures.
    """
    try:
        _count_into(folder)
    except OSError as fault:
        log.error("metrics-folder-unusable", error_type=type(fault).__name__)
        return
    metrics.PROCESSES.labels(kind).set(1)
    registry = CollectorRegistry()
    registry.register(NodeFigures(folder))
    threading.Thread(target=_stand_by, args=(port, address, registry), name="metrics", daemon=True).start()


class NodeFigures(Collector):
    """What all processes of this node have counted, added up at each question."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """Return every metric; gauges are those of living processes."""
        with _alone(self._folder):
            _fold_the_dead(self._folder)
            files = [str(file) for part in _parts(self._folder) for file in part.glob("*.db")]
            return list(MultiProcessCollector.merge(files))  # type: ignore[no-untyped-call]


def _count_into(folder: Path) -> None:
    """Make this process's part of the folder, locked before it has the name by which others look for it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    name = f"{os.getpid()}-{entropy.identifier()[:8]}"
    new = folder / f".{name}"
    new.mkdir(mode=0o700)
    # Kept open until the process ends, however it ends.
    fcntl.flock(os.open(new, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    own = new.rename(folder / name)
    # The library asks for it at each new value.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(own.absolute())
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    for collector in {c for c in REGISTRY._names_to_collectors.values() if getattr(c, "_name", "").startswith("idp_")}:
        # Values made before are in memory only.
        if collector._labelnames:  # type: ignore[attr-defined]
            collector.clear()  # type: ignore[attr-defined]
        else:
            collector._metric_init()  # type: ignore[attr-defined]


def _stand_by(port: int, address: str, registry: CollectorRegistry) -> None:
    """Serve the port as soon as no other process does: when that one dies, the node is silent for a second."""
    while True:
        try:
            start_http_server(port, addr=address, registry=registry)
        except OSError:
            time.sleep(_STAND_BY)
        else:
            log.info("metrics-served", port=port)
            return


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / ".tidy").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _parts(folder: Path) -> list[Path]:
    """Return the folders of processes and of the past, without those that the past holds already."""
    parts = [part for part in folder.iterdir() if part.is_dir() and not part.name.startswith(".")]
    folded = {name for part in parts if (part / _LIST).exists() for name in (part / _LIST).read_text().split()}
    return [part for part in parts if part.name not in folded]


def _fold_the_dead(folder: Path) -> None:
    """Put what dead processes counted into one folder.

    The new folder names those that it stands for, and appears at once: killed at any moment, nothing counts twice.
    """
    dead = [part for part in _parts(folder) if _is_dead(part)]
    if any(not (part / _LIST).exists() for part in dead):
        new = folder / f".{entropy.identifier()}"
        new.mkdir(mode=0o700)
        for kind in _LASTING:
            _add_up([file for part in dead for file in part.glob(f"{kind}_*.db")], new / f"{kind}_past.db")
        (new / _LIST).write_text("\n".join(part.name for part in dead))
        new.rename(folder / f"past-{entropy.identifier()[:8]}")
    kept = {part.name for part in _parts(folder)}
    for part in folder.iterdir():
        if part.is_dir() and not part.name.startswith(".") and part.name not in kept:
            shutil.rmtree(part, ignore_errors=True)


def _add_up(files: list[Path], into: Path) -> None:
    sums: defaultdict[str, float] = defaultdict(float)
    for file in files:
        for key, value, _at, _place in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
            sums[key] += value
    out = MmapedDict(str(into))  # type: ignore[no-untyped-call]
    for key, value in sums.items():
        out.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    out.close()  # type: ignore[no-untyped-call]


def _is_dead(part: Path) -> bool:
    held = os.open(part, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True
