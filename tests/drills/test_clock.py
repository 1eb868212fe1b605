"""The clock of one node stepped, on and back: nobody notices, no code lives longer, no session shorter."""

import json
import os
import subprocess
import sys
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.drills.figures import Figures
from tests.drills.promises import assert_everybody_is_themselves
from tests.drills.site import Node, Site, wait_until
from tests.drills.visitor import RelyingParty, Visitor

pytestmark = [pytest.mark.drill, pytest.mark.timeout(400)]
# A line of this file is what libfaketime adds to the time of day, read anew at each call.
STEPS = {"stepped on": "+20m", "stepped back": "-20m"}
LIFETIME = 20


@pytest.mark.parametrize("how", STEPS)
def test_clock_of_one_node(how: str, site: Site, figures: Figures) -> None:
    """The clock of one node of two is stepped by twenty minutes, on or back, while people are under way (RC-21).

    Codes made on one node are good on the other, and end after their lifetime on both; who is signed in stays so;
    tokens say the right time; sign-ins go on, and the node says by how much its clock is wrong.
    """
    with stepping_node(site, "clock-node", IDP_CODE__LIFETIME=str(LIFETIME), IDP_CODE__RESEND_SAME_WHILE="10") as (
        odd,
        steps,
    ):
        signed_in, under_way, late = (Visitor(site, person) for person in site.people(3))
        signed_in.sign_in()
        for visitor in (under_way, late):
            visitor.start().identify().ask_for_code()
        code, late_code, sent_at = under_way.code, late.code, time.monotonic()
        steps.write_text(STEPS[how])
        assert abs(_time_there(steps) - time.time()) > 1000, "libfaketime does nothing"

        # Each page of these at the odd node, by whose own clock the code is older or younger.
        site.front.only = odd
        stays = signed_in.start().grant
        after_step = under_way.open(under_way.path).type_code(code).grant
        wait_until(lambda: "clock-wrong" in odd.log.read_text(), 15, "the node does not say that its clock is wrong")
        newcomers = [Visitor(site, person) for person in site.people(4)]
        new = [visitor.sign_in() for visitor in newcomers[:2]]
        site.front.only = None
        new += [visitor.sign_in() for visitor in newcomers[2:]]
        exchanged_at, token = time.time(), RelyingParty(site).exchange(str(after_step))
        site.front.only = odd
        time.sleep(max(0.0, sent_at + LIFETIME + 1 - time.monotonic()))
        late.open(late.path).type_code(late_code)

        assert stays
        assert after_step
        assert len(new) == 4
        assert late.grant is None, "a code outlived its lifetime"
        assert token is not None
        issued_at = _issued_at(token.json()["id_token"])
        assert abs(issued_at - exchanged_at) < 5
        assert_everybody_is_themselves(site, newcomers)
        assert signed_in.start().grant, "who is signed in stays so"
        said = _said(odd)
    figures.add("signed in before, and still", "yes")
    figures.add("code that was under way", "good on the odd node, once")
    figures.add(f"code after its lifetime (here {LIFETIME} s), on the odd node", "refused")
    figures.add("new sign-ins that succeed", "4 of 4")
    figures.add("`iat` of a token of the time of day, off by", abs(issued_at - exchanged_at))
    figures.add("the node's log", said)


@contextmanager
def stepping_node(site: Site, name: str, **changes: str) -> Iterator[tuple[Node, Path]]:
    """Put a node whose clock can be stepped in the place of the second; yields it, and the file of its steps."""
    steps = site.folder / f"{name}.step"
    steps.write_text("+0")
    odd = site.new_node(name, **changes, **_faked(steps))
    with site.served_by([site.new_node(f"{name}-even", **changes), odd]):
        yield odd, steps
    # Its lines tell another time than those of the drills that follow.
    odd.log.write_text("")


def _faked(steps: Path) -> dict[str, str]:
    """Return the variables with which a process lives by libfaketime; ticks of the machine stay what they are."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    assert found, "faketime is not installed: .ci/install-programs faketime"
    return {
        "LD_PRELOAD": str(found[0]), "FAKETIME_TIMESTAMP_FILE": str(steps), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip


def _time_there(steps: Path) -> float:
    """Return what time it is for a process that lives by the file."""
    words = [sys.executable, "-c", "import time; print(time.time())"]
    answer = subprocess.run(words, env={**os.environ, **_faked(steps)}, check=True, capture_output=True, text=True)
    return float(answer.stdout)


def _issued_at(id_token: str) -> float:
    payload = id_token.split(".")[1]
    return float(json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["iat"])


def _said(node: Node) -> str:
    """Return what the node wrote about its clock."""
    told = [json.loads(line) for line in node.log.read_text().splitlines() if '"clock-wrong"' in line]
    assert told
    return f"clock-wrong, {told[0]['seconds']} s"
