"""Start and memory of each provider, measured while no other runs: medians of several starts, in turn."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.flows import chain
from bench.load import run
from bench.machine import all_memory_mb, memory_mb
from bench.programs import Running, started

# Seconds of work, after which memory is read.
_WORK = 2.0


@dataclass(frozen=True)
class Alone:
    """Processes and their memory in megabytes, seconds from the start of the process to its first answer."""

    processes: int
    largest: float
    all: float
    start: float


def measure_alone(all_running: Sequence[Running], times: int) -> dict[str, Alone]:
    """Start each provider so many times; its stores keep running, the providers must have been stopped."""
    found: dict[str, list[Alone]] = {running.target.name: [] for running in all_running}
    for _ in range(times):
        for running in all_running:
            with started(running.program) as (pid, took):
                run(running.target.port, None, chain, running.target, users=4, seconds=_WORK)
                count, together = all_memory_mb(pid)
                found[running.target.name].append(Alone(count, memory_mb(pid), together, took))
    return {name: middle_of(ones) for name, ones in found.items() if ones}


def middle_of(ones: Sequence[Alone]) -> Alone:
    """Return the medians; of processes the most."""
    return Alone(
        max(one.processes for one in ones),
        median(one.largest for one in ones),
        median(one.all for one in ones),
        median(one.start for one in ones),
    )
