"""What an operator does by day: a new signing key, a new version and back, while people sign in."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.drills.figures import Figures
from tests.drills.jwks import Jwks
from tests.drills.load import Load, signing_in
from tests.drills.promises import assert_nothing_is_open
from tests.drills.site import ROOT, Process, Site, wait_until
from tests.drills.tomorrow import OURS, TABLES, version_of_tomorrow
from tests.drills.visitor import Visitor

pytestmark = [pytest.mark.drill, pytest.mark.timeout(400)]
# How old copies of the JWKS may be in this drill; in production an hour.
FRESH = {
    "IDP_KEYS__JWKS_MAX_AGE": "4", "IDP_KEYS__CLOCK_SKEW": "1", "IDP_LIFETIMES__KEY_CACHE": "1",
    "IDP_KEYS__PUBLISH_BEFORE_USE": "6",
}  # fmt: skip
SOONEST_USE = 6.0
LEAVES_WITHIN = 40
_BY_VERSION = "SELECT of_tomorrow, count(*) FROM session_records WHERE created_at > :since GROUP BY of_tomorrow"


def test_key_rotation_under_load(site: Site, figures: Figures) -> None:
    """Signing keys are rotated while people sign in at two nodes (RC-24).

    A key signs only when every copy of the JWKS that `Cache-Control` allows can have it: no service meets a token whose
    key its copy lacks, everybody gets in, and what the old key signed goes on being verified.
    """
    jwks = Jwks(site)
    with (
        site.served_by([site.new_node(f"keys-{number}", **FRESH) for number in (1, 2)]),
        signing_in(site, lambda got: jwks.check(got.id_token)) as load,
    ):
        load.wait_for(4)
        published_at, published = time.monotonic(), rotate(site)
        too_soon = rotate(site) if time.monotonic() < published_at + SOONEST_USE else published
        before = set(jwks.used)
        time.sleep(max(0.0, published_at + SOONEST_USE + 1 - time.monotonic()))
        rotated = rotate(site)
        # Some are signed before the nodes know, within a second; then all by the new one.
        wait_until(lambda: load.faults or set(jwks.used) - before, 30, "the new key signs nothing")
        load.wait_for(8)
        troubles = site.troubles()

    late = load.late()
    assert {*published.values()} == {"published"}
    assert {*too_soon.values()} <= {"waiting", "published"}
    assert {*rotated.values()} == {"rotated"}
    assert jwks.unknown == []
    assert late <= troubles["StateDown"] + troubles["OperationalError"], troubles
    figures.add("sign-ins that succeed", f"{len(load.done)} of {len(load.visitors)}")
    figures.add("ID tokens verified, by key", ", ".join(map(str, jwks.used.values())))
    figures.add("ID tokens whose key a service's copy lacked", len(jwks.unknown))
    figures.add("people who met a 503 on the way", late)


def test_deploy_and_rollback_under_load(site: Site, figures: Figures) -> None:
    """Version N+1 takes the place of N, node after node, and N comes back the same way (RC-27, RC-28).

    Its tables have columns more, what it keeps in Redis fields more. Whoever is under way goes on where they are, from
    version to version; nobody fails to sign in, no connection is cut, and the audit trail is whole.
    """
    tomorrow = version_of_tomorrow(site.folder)
    held = [Visitor(site, person).start().identify().ask_for_code() for person in site.people(2)]
    codes = [visitor.code for visitor in held]
    with signing_in(site) as load:
        since = add_columns(site)
        roll(site, load, "next", tomorrow)
        begun_before = [held[0].type_code(codes[0]).grant]
        between = Visitor(site, site.people(1)[0]).start().identify().ask_for_code()
        code = between.code
        roll(site, load, "back", ROOT)
        begun_before += [held[1].type_code(codes[1]).grant, between.type_code(code).grant]
        load.wait_for(4)

    # Beginning with the new columns: what was there before has their default.
    by_version = {row.of_tomorrow: row.count for row in site.rows(_BY_VERSION, since=since)}
    mails_by_next = site.rows(f"SELECT count(*) FROM outbox WHERE of_tomorrow = '{OURS}'")[0][0]
    drop_columns(site)
    late, troubles = load.late(*held, between), site.troubles()
    assert all(begun_before), [(one.status, one.heading, one.path) for one in (*held, between)]
    assert late <= troubles["StateDown"] + troubles["OperationalError"], troubles
    assert min(by_version["today"], by_version[OURS]) >= 4, by_version
    assert mails_by_next
    assert_nothing_is_open(site, [*load.visitors, *held, between])
    figures.add("replaced while people signed in", "2 nodes and the worker, and back")
    figures.add("sign-ins that succeed", f"{len(load.done)} of {len(load.visitors)}")
    figures.add("of them ended by N, by N+1", f"{by_version['today']}, {by_version[OURS]}")
    figures.add("begun by one version, ended by the other", f"{len(begun_before)} of 3")
    figures.add("people who met a 503 on the way", late)


def roll(site: Site, load: Load, name: str, root: Path) -> None:
    """Replace the worker, then node after node, as docs/howto/upgrade.md says."""
    coming = [site.new_node(f"{name}-{number}", root=root) for number, _ in enumerate(site.nodes)]
    worker = site.new_worker(f"{name}-worker", root=root)
    for process in (worker, *coming):
        process.start().give_way(does=True)
    wait_until(lambda: "worker-started" in worker.log.read_text(), 180, worker.log.read_text)
    worker.give_way(does=False)
    for old in site.workers:
        end(old)
    site.workers[:] = [worker]
    for node in coming:
        node.wait_until_ready().give_way(does=False)
        old_node = site.nodes[0]
        site.nodes.append(node)
        load.wait_for(2)
        old_node.ask_to_stop()
        # The proxy learns of it by its probe, and sends nobody new.
        wait_until(lambda old_node=old_node: not old_node.is_ready, 10, "a node that leaves says that it is ready")
        site.nodes.remove(old_node)
        assert old_node.wait(LEAVES_WITHIN) == 0, old_node.log.read_text()[-3000:]


def end(process: Process) -> None:
    """Ask a process to end, and see that it does in good order."""
    process.ask_to_stop()
    assert process.wait(LEAVES_WITHIN) == 0, process.log.read_text()[-3000:]


def rotate(site: Site) -> Mapping[str, str]:
    """Run `idp keys rotate --anyway` as an operator does; return what came of it, by algorithm."""
    words = [sys.executable, "-m", "idp.commands", "keys", "rotate", "--anyway", "--json"]
    ran = subprocess.run(words, env={**site.environ, **FRESH}, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode in {0, 3}, ran.stderr
    return {step["alg"]: step["outcome"] for step in json.loads(ran.stdout)}


def add_columns(site: Site) -> datetime:
    """Bring the tables up to N+1 while N serves, as docs/howto/upgrade.md says; return when."""
    for table in TABLES:
        site.postgresql.ask(f"ALTER TABLE {table} ADD COLUMN of_tomorrow varchar(20) DEFAULT 'today'", "sesame")
    return datetime.now(UTC)


def drop_columns(site: Site) -> None:
    for table in TABLES:
        site.postgresql.ask(f"ALTER TABLE {table} DROP COLUMN of_tomorrow", "sesame")
