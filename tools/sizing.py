"""Writes the table of `docs/howto/size.md`: how many nodes, processors, connections and mails a peak needs.

The costs are read out of `docs/performance.md`, the assumptions stand here and nowhere else. ``make reference``.
"""

import math
import re
import sys
from collections.abc import Iterable
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "howto" / "size.md"
BEGIN, END = "<!-- sized: begin -->\n", "<!-- sized: end -->"
PEAKS = (400, 1500, 3000)

# What people do (security.md §6.1 of the requirements): the rest comes back with a refresh token or a passkey.
WEB_SHARE = 0.6
PAGES = 9  # answered by views in one sign-in with a code, `/authorize` twice among them
RESENT = 0.1  # codes sent again, of those asked for
ABANDONED = 0.2  # sign-ins that nobody finishes: they stay for `lifetimes.interaction`
# What machines are.
BUSY = 0.6  # of a processor, beyond which answers wait
PROCESSORS = 8  # of a web node
SPARE = 2  # nodes that may be away at a peak
PROCESSES = 4  # of a web node
POOL, REDIS_POOL = 10, 32  # connections of a process
RELAY_SECONDS, RELAY_CONNECTIONS = 0.2, 8  # of a relay to take a mail; at once of a worker
# What is kept of each.
INTERACTION_BYTES, SESSION_BYTES = 2048, 1024
INTERACTION_SECONDS, FINISHED_SECONDS, SESSION_SECONDS = 3600, 120, 1800
EVENTS = 5  # audit events of a sign-in
LINKED_PER_SECOND = 1_000_000 / 81  # docs/howto/audit.md


def measured() -> dict[str, float]:
    """Return CPU seconds of the server by operation, and of one Argon2id, out of the published measurement."""
    text = (DOCS / "performance.md").read_text(encoding="utf-8")
    costs = {name: int(micro) / 1e6 for name, micro in re.findall(r"^\| ([^|]+) \| Sésame \| (\d+) \|", text, re.M)}
    hashing = re.search(r"^\| one Argon2id[^|]*\| (\d+) \|", text, re.M)
    if hashing is None:
        raise ValueError("docs/performance.md has no measurement of Argon2id")
    return costs | {"argon2": int(hashing[1]) / 1e6}


def cost_of_a_sign_in(costs: dict[str, float]) -> tuple[float, float]:
    """Return CPU seconds of a mean sign-in, and those of them that are Argon2's."""
    hashing = WEB_SHARE * costs["argon2"]
    web = PAGES * costs["authorize, signed in"] + costs["code exchange"] + costs["userinfo"]
    back = costs["refresh, rotating"] + costs["userinfo"]
    return hashing + WEB_SHARE * web + (1 - WEB_SHARE) * back, hashing


def size(peak: int, costs: dict[str, float]) -> dict[str, str]:
    """Return what a peak of so many sign-ins a second needs."""
    whole, hashing = cost_of_a_sign_in(costs)
    processors = math.ceil(peak * whole / BUSY)
    nodes = math.ceil(processors / PROCESSORS) + SPARE
    web, mails = WEB_SHARE * peak, WEB_SHARE * peak * (1 + RESENT)
    workers = max(2, math.ceil(mails * RELAY_SECONDS / RELAY_CONNECTIONS / BUSY))
    waiting = web * ((1 - ABANDONED) * FINISHED_SECONDS + ABANDONED * INTERACTION_SECONDS) * INTERACTION_BYTES
    state = waiting + peak * SESSION_SECONDS * SESSION_BYTES
    processes = nodes * PROCESSES + workers
    return {
        "processors of web nodes": f"{processors}",
        "… of these for Argon2id": f"{math.ceil(peak * hashing / BUSY)}",
        f"web nodes of {PROCESSORS} processors, {SPARE} may be away": f"{nodes}",
        f"workers (a relay takes a mail in {RELAY_SECONDS:g} s)": f"{workers}",
        "mails a second that the relays must take": f"{math.ceil(mails):,}",
        f"connections to PostgreSQL (`database_pool = {POOL}`)": f"{processes * POOL:,}",
        "connections to Redis, at most": f"{processes * REDIS_POOL:,}",
        "memory of Redis (`maxmemory`, twice what is used)": f"{2 * state / 1e9:.1f} GB",
        "audit events a second": f"{peak * EVENTS:,}",
        "the chain falls behind by, each minute": _behind(peak * EVENTS),
    }


def _behind(events: float) -> str:
    late = (events - LINKED_PER_SECOND) * 60 / LINKED_PER_SECOND
    return f"{late:.0f} s" if late > 0 else "nothing"


def table() -> str:
    """Return the table of the page."""
    costs = measured()
    whole, hashing = cost_of_a_sign_in(costs)
    sized = [size(peak, costs) for peak in PEAKS]
    rows: Iterable[str] = (f"| {name} | " + " | ".join(one[name] for one in sized) + " |" for name in sized[0])
    said = (
        f"A mean sign-in costs {whole * 1000:.1f} ms of a web node's processor, {hashing * 1000:.1f} ms of it Argon2id:"
    )
    head = ["| at a peak of | " + " | ".join(f"{peak:,}/s" for peak in PEAKS) + " |", "|---|" + "---:|" * len(PEAKS)]
    return (
        f"{said}\n{1 / whole * BUSY:.0f} sign-ins a second for each processor at {BUSY:.0%}.\n\n"
        + "\n".join([*head, *rows])
        + "\n"
    )


def render(page: str) -> str:
    """Return the page with the table as it is now."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


def write() -> None:
    """Put the table into the page."""
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(write())
