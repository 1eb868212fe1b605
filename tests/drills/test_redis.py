"""Redis stopped, paused, slow, restarted, lost with lag: nobody gets in by it, and everybody can go on."""

import time

import pytest

from tests.drills.figures import Figures
from tests.drills.site import Site
from tests.drills.visitor import RelyingParty, Visitor

pytestmark = [pytest.mark.drill, pytest.mark.timeout(120)]


def test_redis_stopped(site: Site, figures: Figures) -> None:
    """Redis is stopped between the password and the code (RC-01, RC-43).

    x
    """
    [person] = site.people(1)
    started = time.monotonic()
    visitor = Visitor(site, person)
    grant = visitor.sign_in()
    figures.add("a sign-in", time.monotonic() - started)
    answer = RelyingParty(site).exchange(grant)
    assert answer is not None and answer.status_code == 200, answer
