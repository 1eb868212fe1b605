"""How what one machine does becomes a fleet: arithmetic only, and every assumption in one table."""

import math
from dataclasses import dataclass
from typing import Any

from idp.capacity import find_demand
from idp.settings import Settings

# What it is taken to be, and why.
ASSUMED: dict[str, tuple[float, str]] = {
    "share by password and code": (0.6, "the others by passkey or refresh token"),
    "passwords typed for one right": (1.15, "one in seven is mistyped"),
    "requests of a sign-in": (10, "pages, their redirects, token, userinfo"),
    "codes sent for one typed": (1.1, "one in ten is asked for again"),
    "load at the peak": (0.6, "of the processors: the rest is for bursts and for a node that is away"),
}


@dataclass(frozen=True)
class Machine:
    """What one machine does."""

    processors: int
    hash_seconds: float
    hashes_per_second: float
    page_seconds: float


def size_fleet(peak: float, machine: Machine, ours: Settings) -> dict[str, Any]:
    """Return what ``peak`` sign-ins a second need of machines like this one."""
    given = {name: value for name, (value, _why) in ASSUMED.items()}
    by_password = peak * given["share by password and code"]
    hashes = by_password * given["passwords typed for one right"]
    requests = peak * given["requests of a sign-in"]
    # Hashing slows itself down on shared memory: what was measured on all processors at once counts.
    processors = hashes * machine.processors / machine.hashes_per_second + requests * machine.page_seconds
    nodes = max(1, math.ceil(processors / machine.processors / given["load at the peak"])) + 1
    codes = by_password * given["codes sent for one typed"]
    fleet = ours.fleet.model_copy(
        update={"web_nodes": nodes, "web_processes": machine.processors, "worker_processes": max(2, nodes // 2)}
    )
    demand = find_demand(ours.model_copy(update={"fleet": fleet}))
    return {
        "hashes a second": round(hashes, 1),
        "requests a second": round(requests),
        "processors busy": round(processors, 1),
        "web nodes like this one, one to spare": nodes,
        "`idp serve --workers`": machine.processors,
        "`idp worker` processes": fleet.worker_processes,
        "PostgreSQL max_connections, at least": demand.database,
        "Redis maxclients, at least": demand.redis,
        "messages a second": round(codes, 1),
        "messages an hour": round(codes * 3600),
    }
