"""Redis stopped, paused, slow, half open, restarted, lost with lag: nobody gets in by it, and everybody can go on."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.drills.figures import Figures
from tests.drills.promises import assert_everybody_is_themselves, assert_unavailable, finish, status_of
from tests.drills.site import Site, wait_until
from tests.drills.visitor import RelyingParty, Visitor

pytestmark = [pytest.mark.drill, pytest.mark.timeout(150)]
NEEDS_NO_STORE = ("/.well-known/openid-configuration", "/jwks.json", "/healthz/live")


def test_redis_stopped(site: Site, figures: Figures) -> None:
    """Redis killed in the middle of sign-ins, started again empty (RC-01, RC-03, RC-05, RC-43).

    Visitors get a page with 503, `Retry-After` and words in French within 3 s; services get
    `temporarily_unavailable`; discovery, JWKS and liveness go on, readiness does not. Afterwards nodes are ready
    within 5 s without a restart, sign-ins that were under way begin again, what they had is worth nothing.
    """
    visitors = [Visitor(site, person).start().identify().ask_for_code() for person in site.people(3)]
    codes = [visitor.code for visitor in visitors]
    other = Visitor(site, site.people(1)[0])
    grant = other.sign_in()

    site.redis.kill()
    for visitor, code in zip(visitors, codes, strict=True):
        assert_unavailable(visitor.type_code(code))
    token = RelyingParty(site).exchange(grant)
    assert token is not None
    assert (token.status_code, token.json()["error"]) == (503, "temporarily_unavailable")
    assert [status_of(site, path) for path in NEEDS_NO_STORE] == [200] * 3
    assert [node.probe("ready") for node in site.nodes] == [503, 503]
    # A node that comes up now waits for Redis, and is not restarted meanwhile.
    newcomer = site.new_node("late-node")
    try:
        newcomer.start()
        wait_until(lambda: newcomer.probe("live") == 200, 60, "a node does not start without Redis")
        assert newcomer.probe("ready") == 503
        site.redis.start()
        back = site.wait_until_ready(5)
        newcomer.wait_until_ready(5)
    finally:
        newcomer.kill()

    refused = [visitor.open(visitor.path).refusal for visitor in visitors]
    assert RelyingParty(site).exchange(grant).json()["error"] == "invalid_grant"  # type: ignore[union-attr]
    again = [Visitor(site, visitor.person).sign_in() for visitor in visitors]
    assert [RelyingParty(site).exchange(code).status_code for code in again] == [200] * 3  # type: ignore[union-attr]
    figures.add("page while it is down, slowest", max(visitor.seen[0].took for visitor in visitors))
    figures.add("nodes ready after", back)
    figures.add("what the unfinished are told", refused[0].heading if refused[0] else "")
    figures.add("new sign-ins that succeed", "3 of 3")
    assert {(one.status, one.heading) for one in refused if one} == {(400, "Cette connexion a attendu trop longtemps")}


def test_redis_paused(site: Site, figures: Figures) -> None:
    """Redis stands still for five seconds, connections open (RC-03, RC-31).

    Every page comes within 3 s all the same, as 503; nothing is lost: when Redis goes on, the code that was mailed
    before opens its sign-in, once, and no answer reaches somebody else than who asked.
    """
    visitors = [Visitor(site, person).start().identify().ask_for_code() for person in site.people(6)]
    codes = [visitor.code for visitor in visitors]

    site.redis.pause()
    ends_at, asked = time.monotonic() + 5, 0
    with ThreadPoolExecutor(6) as threads:
        while time.monotonic() < ends_at:
            for visitor in threads.map(lambda visitor: visitor.open(visitor.path), visitors):
                assert_unavailable(visitor)
                asked += 1
    site.redis.resume()
    back = site.wait_until_ready(5)
    with ThreadPoolExecutor(6) as threads:
        done = list(
            threads.map(lambda pair: pair[0].open(pair[0].path).type_code(pair[1]), zip(visitors, codes, strict=True))
        )

    assert all(visitor.grant for visitor in done), [visitor.seen[-1] for visitor in done if not visitor.grant]
    assert_everybody_is_themselves(site, done)
    figures.add("pages answered 503 meanwhile", asked)
    figures.add("slowest of them", max(seen.took for visitor in visitors for seen in visitor.seen))
    figures.add("nodes ready after", back)
    figures.add("sign-ins that went on where they were", f"{len(done)} of {len(visitors)}")


def test_redis_slow(site: Site, figures: Figures) -> None:
    """Redis answers after two seconds, under sixteen visitors at once (RC-03, RC-31).

    Our timeout is half a second: pages are 503 within 3 s, the threads of a node are never all taken, so that
    discovery and JWKS answer all the while. Late answers are thrown away with their connection.
    """
    visitors = [Visitor(site, person).start().identify().ask_for_code() for person in site.people(16)]
    codes = [visitor.code for visitor in visitors]

    site.redis_proxy.delay = 2.0
    ends_at, cached = time.monotonic() + 6, []
    with ThreadPoolExecutor(16) as threads:
        while time.monotonic() < ends_at:
            under_way = [threads.submit(visitor.open, visitor.path) for visitor in visitors]
            started = time.monotonic()
            assert status_of(site, "/jwks.json") == 200
            cached.append(time.monotonic() - started)
            for one in under_way:
                assert_unavailable(one.result())
    site.heal()
    back = site.wait_until_ready(5)
    with ThreadPoolExecutor(8) as threads:
        done = list(
            threads.map(lambda pair: pair[0].open(pair[0].path).type_code(pair[1]), zip(visitors, codes, strict=True))
        )

    assert all(visitor.grant for visitor in done)
    assert_everybody_is_themselves(site, done)
    figures.add("slowest 503", max(seen.took for visitor in visitors for seen in visitor.seen))
    figures.add("JWKS meanwhile, slowest", max(cached))
    figures.add("nodes ready after", back)
    figures.add("answers that reached somebody else", 0)


def test_redis_half_open(site: Site, figures: Figures) -> None:
    """Every connection to Redis goes deaf, as behind a firewall that forgot it; new ones work (RC-03, RC-31).

    Each connection costs at most one 503, within 3 s; nobody has to begin again.
    """
    visitors = [Visitor(site, person).start().identify() for person in site.people(4)]
    held = site.redis_proxy.connections

    site.redis_proxy.forget_flows()
    grants = [finish(visitor) for visitor in visitors]

    refusals = [seen for visitor in visitors for seen in visitor.seen]
    assert all(grants)
    assert len(refusals) <= held
    assert {seen.status for seen in refusals} <= {503}
    figures.add("connections that went deaf", held)
    figures.add("pages answered 503", len(refusals))
    figures.add("slowest", max((seen.took for seen in refusals), default=0.0))
