"""Redis comes back with less than it had: from an old snapshot, or as a replica that lagged behind the lost primary.

What it forgot may be that something was used. The promise: what is good once is good once all the same.
"""

import copy
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.drills.figures import Figures
from tests.drills.proxy import Proxy
from tests.drills.site import Site
from tests.drills.stores import Redis
from tests.drills.visitor import RelyingParty, Visitor

pytestmark = [pytest.mark.drill, pytest.mark.timeout(150)]


class Users:
    """People who each do something that can be done once, and who try it again afterwards."""

    def __init__(self, site: Site) -> None:
        self.site, self.service, self.plain_service = site, RelyingParty(site), RelyingParty(site, "plain")
        self.stays, self.leaves, self.exchanger, self.typist = (Visitor(site, one) for one in site.people(4))
        self.plain = Visitor(site, site.people(1)[0], client_id="plain")
        for visitor in (self.stays, self.leaves, self.exchanger, self.plain):
            visitor.sign_in()
        self.tokens = self._answer(self.service.exchange(str(self.stays.grant))).json()
        self.typist.start().identify().ask_for_code()
        self.digits = self.typist.code
        # Whoever copied this browser's cookies before they changed.
        self.copy, self.gone = copy.copy(self.typist), copy.copy(self.leaves)
        for thief, victim in ((self.copy, self.typist), (self.gone, self.leaves)):
            thief.browser, thief.seen = requests.Session(), []
            thief.browser.cookies.update(victim.browser.cookies)

    def use_everything(self) -> None:
        """Do each thing once: what Redis will have forgotten."""
        self.typist.type_code(self.digits)
        assert self.typist.grant
        assert self._answer(self.service.exchange(str(self.exchanger.grant))).status_code == 200
        assert self._answer(self.plain_service.exchange(str(self.plain.grant))).status_code == 200
        self.refreshed = self._answer(self.service.refresh(self.tokens["refresh_token"])).json()
        self.leaves.open("/logout").submit("logout")
        assert self.leaves.start().grant is None

    def try_again(self) -> dict[str, bool]:
        """Do each thing a second time; tell which of them was let through."""
        code_again = self._answer(self.service.exchange(str(self.exchanger.grant)))
        plain_again = self._answer(self.plain_service.exchange(str(self.plain.grant)))
        page = self.copy.open(self.copy.path)
        typed_again = page.type_code(self.digits).grant if page.status == 200 and "code" in page.forms else None
        return {
            "authorization code": code_again.json().get("error") != "invalid_grant",
            "authorization code without refresh token": plain_again.json().get("error") != "invalid_grant",
            "one-time code": typed_again is not None,
            "session that was signed out": self.gone.start().grant is not None,
        }

    def reuse_refresh_token(self) -> int:
        """Use the newest refresh token, and then the oldest once more; return what the latter is answered."""
        assert self._answer(self.service.refresh(self.refreshed["refresh_token"])).status_code == 200
        return self._answer(self.service.refresh(self.tokens["refresh_token"])).status_code

    @staticmethod
    def _answer(answer: requests.Response | None) -> requests.Response:
        assert answer is not None
        return answer


@pytest.fixture
def replica(site: Site) -> Iterator[tuple[Redis, Proxy]]:
    """Run a replica whose link to the primary goes through a proxy; the site has its old Redis back afterwards."""
    with tempfile.TemporaryDirectory(prefix="sesame-replica-") as folder:
        link = Proxy(site.redis.port).start()
        second = Redis(Path(folder) / "redis").start()
        try:
            yield second, link
        finally:
            site.redis.start() if site.redis.process is None else None
            site.redis_proxy.lead_to(site.redis.port)
            second.kill()
            link.stop()


def test_redis_restarted_with_an_old_snapshot(site: Site, figures: Figures) -> None:
    """Redis killed and started again from a snapshot taken before things were used (RC-01, RC-06).

    Authorization codes, one-time codes and sessions that were ended stay used and ended; whoever was signed in still
    is; refresh tokens are in PostgreSQL and know nothing of it.
    """

    def lose() -> None:
        site.redis.kill()
        site.redis.start(empty=False)

    drill(site, figures, before=site.redis.save, lose=lose)


def test_redis_primary_lost_with_lag(site: Site, figures: Figures, replica: tuple[Redis, Proxy]) -> None:
    """The primary is lost and a replica promoted that had not heard the last seconds (RC-02, RC-06).

    As after an old snapshot: nothing comes back. Every sign-in that begins after the switch succeeds; those in
    flight begin again.
    """
    second, link = replica

    def lag() -> None:
        second.follow(link.port)
        link.is_deaf = True

    def lose() -> None:
        site.redis.kill()
        second.promote()
        site.redis_proxy.lead_to(second.port)

    drill(site, figures, before=lag, lose=lose)


def drill(site: Site, figures: Figures, *, before: Callable[[], object], lose: Callable[[], object]) -> None:
    users = Users(site)
    in_flight = Visitor(site, site.people(1)[0]).start().identify().ask_for_code()
    before()
    users.use_everything()

    started = time.monotonic()
    lose()
    site.wait_until_ready(10)
    back = time.monotonic() - started
    stays = users.stays.start().grant
    came_back = users.try_again()
    old_refresh = users.reuse_refresh_token()
    going_on = in_flight.open(in_flight.path)
    anew = [Visitor(site, person).sign_in(10) for person in site.people(10)]

    figures.add("nodes ready after", back)
    for what, again in came_back.items():
        figures.add(f"{what}, a second time", "ACCEPTED" if again else "refused")
    figures.add("refresh token, a second time", "refused" if old_refresh == 400 else f"ACCEPTED ({old_refresh})")
    figures.add("still signed in", "yes" if stays else "no")
    figures.add("who was under way is told", going_on.refusal.heading if going_on.refusal else "to go on")
    figures.add("new sign-ins that succeed", f"{len(anew)} of 10")
    assert not any(came_back.values()), came_back
    assert old_refresh == 400
    assert stays
    assert going_on.status in {200, 400}
