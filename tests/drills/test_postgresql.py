"""PostgreSQL crashed, standing still, locked, read-only, full: nothing is lost, nobody waits for ever."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import pytest

from tests.drills.figures import Figures
from tests.drills.promises import all_at_once, assert_nothing_is_open, assert_unavailable, status_of
from tests.drills.site import Site
from tests.drills.visitor import RelyingParty, Visitor

pytestmark = [pytest.mark.drill, pytest.mark.timeout(150)]
# What a page may take when the database says nothing: our own limit, and the time to connect anew.
LONGEST_PAGE = 10.0


def test_postgresql_crashes_under_load(site: Site, figures: Figures) -> None:
    """PostgreSQL crashes and comes back while forty people sign in, eight at a time (RC-07, RC-08).

    A connection costs at most one failed request; pages are 503 with `Retry-After`, service is back within 10 s of
    PostgreSQL's own start, everybody gets in, what was committed is there, and the audit trail is whole.
    """
    visitors = [Visitor(site, person) for person in site.people(40)]

    with ThreadPoolExecutor(1) as beside:
        under_way = beside.submit(all_at_once, visitors)
        time.sleep(2)
        held = site.database_proxy.connections
        site.postgresql.stop(signal.SIGQUIT)
        time.sleep(1)
        site.postgresql.start()
        back = site.wait_until_ready(10)
        grants = under_way.result()

    refusals = [seen for visitor in visitors for seen in visitor.seen]
    assert len(grants) == 40
    assert refusals, "the crash came too late to be felt"
    assert {seen.status for seen in refusals if seen.took < LONGEST_PAGE} <= {400, 503}
    service = RelyingParty(site)
    assert {service.exchange(grant).status_code for grant in grants} == {200}  # type: ignore[union-attr]
    begun = assert_nothing_is_open(site, visitors)
    figures.add("sign-ins that succeed", f"{len(grants)} of 40")
    figures.add("pages answered 503", sum(seen.status == 503 for seen in refusals))
    figures.add("connections that nodes and worker had", held)
    figures.add("slowest of them", max(seen.took for seen in refusals))
    figures.add("nodes ready after PostgreSQL's start", back)
    figures.add("sessions begun, with a code each", begun)


def test_postgresql_stands_still(site: Site, figures: Figures) -> None:
    """PostgreSQL stands still, connections open, for longer than a page may take (RC-08, RC-09).

    Every page ends, as 503, within 10 s; discovery and JWKS come from memory. When PostgreSQL goes on, so do people,
    where they were, and the worker sends what waits.
    """
    visitors = [Visitor(site, person).start().identify().ask_for_code() for person in site.people(4)]
    codes = [visitor.code for visitor in visitors]

    with standing_still(site):
        started = time.monotonic()
        with ThreadPoolExecutor(4) as threads:
            stopped = list(threads.map(lambda visitor: visitor.open(visitor.path), visitors))
        took = time.monotonic() - started
        for visitor in stopped:
            assert_unavailable(visitor, within=LONGEST_PAGE)
        assert [status_of(site, path) for path in ("/jwks.json", "/healthz/live")] == [200, 200]
    back = site.wait_until_ready(20)
    for visitor, code in zip(visitors, codes, strict=True):
        visitor.open(visitor.path).type_code(code)
    newcomer = Visitor(site, site.people(1)[0])

    assert newcomer.sign_in(), "the worker sends again"
    assert all(visitor.grant for visitor in visitors)
    figures.add("pages answered 503", len(stopped))
    figures.add("slowest of them", took)
    figures.add("nodes ready after it goes on", back)
    figures.add("sign-ins that went on where they were", f"{len(visitors)} of 4")


def test_postgresql_flows_forgotten(site: Site, figures: Figures) -> None:
    """Every connection to PostgreSQL goes deaf, as behind a firewall that forgot it; new ones work (RC-08, RC-31).

    Nodes and worker give them up by themselves: everybody gets in, and the code of who came first is sent too.
    """
    visitors = [Visitor(site, person) for person in site.people(6)]
    held = site.database_proxy.connections

    site.database_proxy.forget_flows()
    started = time.monotonic()
    grants = all_at_once(visitors, within=60)
    took = time.monotonic() - started

    refusals = [seen for visitor in visitors for seen in visitor.seen]
    assert len(grants) == 6
    assert len(refusals) <= held
    assert {seen.status for seen in refusals} <= {503}
    figures.add("connections that went deaf", held)
    figures.add("pages answered 503", len(refusals))
    figures.add("slowest of them", max((seen.took for seen in refusals), default=0.0))
    figures.add("all six signed in after", took)


def test_postgresql_table_locked(site: Site, figures: Figures) -> None:
    """Somebody holds a lock on the outbox, as a bad migration does (RC-09, RC-29).

    Who needs the table waits a bounded time and is told 503; the others notice nothing.
    """
    waiting, signed_in = (Visitor(site, person) for person in site.people(2))
    signed_in.sign_in()
    waiting.start().identify()

    with site.postgresql.connect("sesame") as holder, holder.transaction():
        holder.execute("LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE")
        waiting.ask_for_code()
        assert_unavailable(waiting, within=LONGEST_PAGE)
        started = time.monotonic()
        assert signed_in.start().grant, "a session that stands needs no outbox"
        others = time.monotonic() - started
    grant = waiting.open(waiting.path).sign_in()

    assert grant
    figures.add("page of who needs the table", waiting.seen[0].took)
    figures.add("page of somebody else meanwhile", others)


def test_postgresql_read_only(site: Site, figures: Figures) -> None:
    """PostgreSQL takes reads only, as a standby that is not promoted yet (RC-10).

    Who is signed in reaches services on, JWKS and UserInfo answer; what would change something is refused cleanly,
    and nothing is given that leaves no trace.
    """
    signed_in, newcomer = (Visitor(site, person) for person in site.people(2))
    service = RelyingParty(site)
    access_token = service.exchange(signed_in.sign_in()).json()["access_token"]  # type: ignore[union-attr]
    newcomer.start()

    with read_only(site):
        reaches_on = bool(signed_in.start().grant)
        told = service.userinfo(access_token)
        jwks = status_of(site, "/jwks.json")
        token = service.exchange(str(signed_in.grant))
        newcomer.identify()
        if newcomer.status == 200:
            newcomer.ask_for_code()
        assert_unavailable(newcomer)
    grant = newcomer.open(newcomer.path).sign_in()

    assert reaches_on
    assert told is not None
    assert (told.status_code, jwks) == (200, 200)
    assert token is not None
    assert token.status_code == 503, "a refresh token cannot be kept"
    assert grant
    figures.add("signed-in browser reaches a service", "yes")
    figures.add("UserInfo, JWKS", f"{told.status_code}, {jwks}")
    figures.add("token request that would keep something", token.status_code)
    figures.add("a new sign-in", f"{newcomer.seen[0].status}, « {newcomer.seen[0].heading} »")


def test_postgresql_full_of_connections(site: Site, figures: Figures) -> None:
    """No connection is left on the server (RC-09).

    Nodes say 503 after a bounded wait, deadlock nowhere, and go on when connections are free again.
    """
    visitors = [Visitor(site, person) for person in site.people(8)]
    site.postgresql.stop()
    site.postgresql.start(max_connections="12", superuser_reserved_connections="0")
    with ExitStack() as held:
        while len(held._exit_callbacks) < 12:  # type: ignore[attr-defined]
            held.enter_context(site.postgresql.connect())
        with ThreadPoolExecutor(8) as threads:
            refused = list(threads.map(lambda visitor: visitor.start().identify(), visitors))
        for visitor in refused:
            assert_unavailable(visitor, within=LONGEST_PAGE)
    back = site.wait_until_ready(10)
    # Fewer than the nodes' pools would like: they take turns.
    grants = all_at_once(visitors)
    site.postgresql.stop()
    site.postgresql.start()

    assert len(grants) == 8
    figures.add("pages answered 503", len(refused))
    figures.add("slowest of them", max(visitor.seen[0].took for visitor in refused))
    figures.add("nodes ready after", back)
    figures.add("sign-ins on twelve connections", f"{len(grants)} of 8")


@contextmanager
def standing_still(site: Site) -> Iterator[None]:
    """Nothing comes back from PostgreSQL, and nobody says that it is gone."""
    site.database_proxy.is_deaf = True
    try:
        yield
    finally:
        site.database_proxy.is_deaf = False


@contextmanager
def read_only(site: Site) -> Iterator[None]:
    site.postgresql.ask("ALTER SYSTEM SET default_transaction_read_only = on")
    site.postgresql.ask("SELECT pg_reload_conf()")
    try:
        time.sleep(0.3)
        yield
    finally:
        # Ours is read-only too.
        with site.postgresql.connect() as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute("ALTER SYSTEM RESET default_transaction_read_only")
            connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.3)
