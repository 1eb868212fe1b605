"""Web processes and workers killed at random while people sign in (DRILL_SIGN_INS: how many people)."""

import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.drills.figures import Figures
from tests.drills.promises import assert_nothing_is_open, exchanged
from tests.drills.site import Site
from tests.drills.visitor import RelyingParty, Visitor

pytestmark = [pytest.mark.drill, pytest.mark.timeout(2400)]
SIGN_INS = int(os.environ.get("DRILL_SIGN_INS", "300"))
# People at once. More only stand in line for the two cores on which everything here runs.
AT_ONCE = 5
FEWEST_KILLS = min(3, SIGN_INS // 20)


def test_processes_killed_over_300_sign_ins(site: Site, figures: Figures) -> None:
    """SIGKILL to nodes and workers at random over three hundred sign-ins (RC-16, RC-17, RC-31).

    A supervisor starts them again, as systemd does. Everybody gets in as themselves; a code that comes twice has the
    same digits; no code opens two sign-ins, no authorization code is exchanged twice, no account's counters are left
    in a pause, and the audit trail is whole.
    """
    visitors = [Visitor(site, person) for person in site.people(SIGN_INS)]

    started = time.monotonic()
    with killing_at_random(site) as kills, ThreadPoolExecutor(AT_ONCE) as pool:
        grants = list(pool.map(lambda visitor: exchanged(visitor, within=400), visitors))
    took = time.monotonic() - started
    site.wait_until_ready(60)

    service = RelyingParty(site)
    second = [service.exchange(grant.code).status_code for grant in grants[-50:]]  # type: ignore[union-attr]
    begun = assert_nothing_is_open(site, visitors)
    paused = site.rows("SELECT count(*) FROM code_guards WHERE paused_until > now()")[0][0]
    assert [grant.email for grant in grants] == [visitor.person.email for visitor in visitors]
    assert [visitor.person for visitor in visitors if len(visitor.digits) > len(visitor.walks)] == []
    assert set(second) == {400}
    assert paused == 0
    assert min(kills.values()) >= FEWEST_KILLS, kills
    figures.add("killed", f"{kills['node']} nodes, {kills['worker']} workers")
    figures.add("sign-ins that succeed", f"{len(grants)} of {SIGN_INS} in {took:.0f} s")
    figures.add("people who saw a failed page on the way", sum(bool(visitor.seen) for visitor in visitors))
    figures.add("people who were sent their code more than once", sum(len(one.messages) > 1 for one in visitors))
    figures.add("with other digits within one sign-in", 0)
    figures.add("sessions begun, with a code each", begun)
    figures.add("authorization codes taken a second time", f"0 of {len(second)}")
    figures.add("let in as somebody else, or without a code", 0)


@contextmanager
def killing_at_random(site: Site) -> Iterator[dict[str, int]]:
    """Kill a node or a worker every few seconds, and start it again; yields how many, by kind."""
    chance, done, kills = random.Random(6), threading.Event(), {"node": 0, "worker": 0}

    def kill() -> None:
        while not done.wait(chance.uniform(4, 9)):
            kind = chance.choice(["node", "worker"])
            victim = chance.choice(site.nodes if kind == "node" else site.workers)
            # Never both nodes at once: that is an outage, not a death.
            if all(node.is_ready for node in site.nodes):
                victim.kill()
                kills[kind] += 1
                victim.start()

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield kills
    finally:
        done.set()
        killer.join()
