"""No room left: the disk of PostgreSQL, the memory of Redis, the disk of a node. Writes fail closed, reads go on."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from idp.db import db
from tests.drills.figures import Figures
from tests.drills.promises import assert_nothing_is_open, assert_unavailable, finish, status_of
from tests.drills.site import Site, wait_until
from tests.drills.small import SmallSite
from tests.drills.visitor import Visitor
from tests.drills.volume import Volume, small_volume

pytestmark = [pytest.mark.drill, pytest.mark.timeout(150)]
READ_ONLY = ("/.well-known/openid-configuration", "/jwks.json", "/healthz/live")
# What is half empty takes some more rows before it is full.
NEWCOMERS = 40
LONGEST_PAGE = 10.0


def test_disk_of_postgresql_full(site: Site, figures: Figures) -> None:
    """The disk with PostgreSQL's tables is full, then has room again (RC-23).

    Whoever needs a row written is told 503, and nothing is given that leaves no trace; who is signed in reaches
    services on. With room again everybody goes on where they were, without a restart, and the audit trail is whole.
    """
    with tables_on_small_disk(site) as disk:
        signed_in, under_way = (Visitor(site, person) for person in site.people(2))
        signed_in.sign_in()
        code = under_way.start().identify().ask_for_code().code
        newcomers = [Visitor(site, person) for person in site.people(NEWCOMERS)]

        disk.fill()
        refused = come_until_refused(newcomers)
        reaches_on = bool(signed_in.start().grant)
        reads = [status_of(site, path) for path in READ_ONLY]
        typed_meanwhile = under_way.type_code(code).grant
        disk.free()
        freed = time.monotonic()
        site.wait_until_ready(10)
        came = [visitor for visitor in newcomers if visitor.answer is not None]
        grants = [finish(visitor) for visitor in (*came, under_way)]
        took = time.monotonic() - freed

    for visitor in refused:
        assert_refused(visitor)
    assert reaches_on
    assert reads == [200] * 3
    assert typed_meanwhile is None or under_way.digits == {code}
    assert all(grants)
    assert_nothing_is_open(site, [*came, under_way, signed_in])
    report(figures, refused, f"{len(grants)} of {len(came) + 1}", took)
    figures.add("signed-in browser reaches a service meanwhile", "yes")


def test_memory_of_redis_full(site: Site, figures: Figures) -> None:
    """Redis has reached `maxmemory` and takes no write, then has room again (RC-04).

    New sign-ins are told 503 within 3 s; nothing that Redis has is thrown away: the code that was mailed before opens
    its sign-in afterwards, once, where it was.
    """
    visitors = [Visitor(site, person).start().identify().ask_for_code() for person in site.people(3)]
    codes = [visitor.code for visitor in visitors]
    newcomer = Visitor(site, site.people(1)[0])

    site.redis.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        kept = site.redis.ask("DBSIZE")
        for visitor, code in zip(visitors, codes, strict=True):
            assert_unavailable(visitor.type_code(code))
        assert_unavailable(newcomer.start())
        reads = [status_of(site, path) for path in READ_ONLY]
        lost = kept - site.redis.ask("DBSIZE")
    finally:
        site.redis.ask("CONFIG", "SET", "maxmemory", "0")
    freed = time.monotonic()
    site.wait_until_ready(5)
    done = [visitor.open(visitor.path).type_code(code) for visitor, code in zip(visitors, codes, strict=True)]
    took = time.monotonic() - freed

    assert reads == [200] * 3
    assert lost <= 0, "Redis threw something away"
    assert all(visitor.grant for visitor in done), [visitor.seen[-1] for visitor in done]
    assert newcomer.open(newcomer.path).sign_in()
    report(figures, [*visitors, newcomer], f"{len(done)} of 3", took)
    figures.add("entries that Redis threw away", max(lost, 0))


def test_disk_of_a_node_full(figures: Figures) -> None:
    """The disk of a machine alone is full: SQLite, state and log are on it (RC-22, RC-23).

    The log loses lines, counts them, and stops nobody; what must be written and cannot be is refused with 503; JWKS and
    discovery answer. With room again the node goes on by itself, everybody where they were.
    """
    with (
        tempfile.TemporaryDirectory(prefix="sesame-drill-") as folder,
        small_volume(Path(folder) / "disk", 64) as disk,
        SmallSite(disk.path).running() as site,
    ):
        signed_in, under_way = (Visitor(site, person) for person in site.people(2))
        signed_in.sign_in()
        code = under_way.start().identify().ask_for_code().code
        newcomers = [Visitor(site, person) for person in site.people(NEWCOMERS)]

        disk.fill()
        log_was = site.nodes[0].log.stat().st_size
        refused = come_until_refused(newcomers)
        reads = [status_of(site, path) for path in READ_ONLY]
        wrong = under_way.type_code("000000" if code != "000000" else "111111").grant
        log_is = site.nodes[0].log.stat().st_size
        disk.free()
        freed = time.monotonic()
        site.wait_until_ready(10)
        came = [visitor for visitor in newcomers if visitor.answer is not None]
        grants = [finish(visitor) for visitor in came]
        grants.append(str(under_way.open(under_way.path).type_code(code).grant))
        took = time.monotonic() - freed
        wait_until(lambda: site.nodes[0].log.stat().st_size > log_is, 10, "the log does not go on")
        for visitor in refused:
            assert_refused(visitor)
        assert reads == [200] * 3
        assert wrong is None
        assert log_is - log_was < 4096, "the log had room"
        assert all(grants)
        assert_nothing_is_open(site, [*came, under_way, signed_in])
    report(figures, refused, f"{len(grants)} of {len(came) + 1}", took)


def come_until_refused(newcomers: list[Visitor], enough: int = 3) -> list[Visitor]:
    """Let people come until some were refused at whatever they would have written; return those."""
    refused: list[Visitor] = []
    for visitor in newcomers:
        visitor.start()
        if visitor.status == 200:
            visitor.identify()
        if visitor.status == 200 and "send" in visitor.forms:
            visitor.ask_for_code()
        if visitor.status != 200:
            refused.append(visitor)
        if len(refused) == enough:
            return refused
    raise AssertionError("there was room for everybody")


def assert_refused(visitor: Visitor) -> None:
    """It was a page for people, in time, that says when to come back; whatever came after it."""
    first = visitor.seen[0]
    assert (first.status, first.heading) == (503, "Le service ne répond pas pour le moment")
    assert first.retry_after
    assert first.took < LONGEST_PAGE


def report(figures: Figures, refused: list[Visitor], succeed: str, took: float) -> None:
    figures.add("slowest 503", max(visitor.seen[0].took for visitor in refused))
    figures.add("sign-ins that went on where they were", succeed)
    figures.add("all of them done after there was room", took)


@contextmanager
def tables_on_small_disk(site: Site) -> Iterator[Volume]:
    """Move the database to a small disk for a while; PostgreSQL's own log of changes stays where it is."""
    with small_volume(site.folder / "tables", 192) as disk:
        place = disk.path / "place"
        place.mkdir()
        shutil.chown(place, site.postgresql.folder.stat().st_uid, site.postgresql.folder.stat().st_gid)
        site.postgresql.ask(f"CREATE TABLESPACE small LOCATION '{place}'")
        try:
            move(site, "small")
            yield disk
        finally:
            disk.free()
            move(site, "pg_default")
            site.postgresql.ask("DROP TABLESPACE small")


def move(site: Site, tablespace: str) -> None:
    """Move the database while nobody is connected."""
    site.database_proxy.cut()
    with site.app.app_context():
        db.engine.dispose()
    site.postgresql.ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'sesame'")
    site.postgresql.ask(f"ALTER DATABASE sesame SET TABLESPACE {tablespace}")
    site.database_proxy.heal()
    site.wait_until_ready(20)
