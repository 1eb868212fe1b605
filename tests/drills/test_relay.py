"""The mail relay down, slow, greylisting, refusing; the SMS centre throttling and hanging up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.drills.figures import Figures
from tests.drills.site import Site, wait_until
from tests.drills.visitor import Visitor

pytestmark = [pytest.mark.drill, pytest.mark.timeout(150)]
ESME_RTHROTTLED = 0x58


def test_relay_slow(site: Site, figures: Figures) -> None:
    """The relay takes each mail after a second and a half (RC-12).

    No page waits for it: « Envoyer le code » is answered in less than a second, and the codes arrive.
    """
    visitors = [Visitor(site, person).start().identify() for person in site.people(8)]
    with behaving(site, delay=1.5):
        slowest = max(timed(visitor) for visitor in visitors)
        assert all(visitor.type_code().grant for visitor in visitors)
    figures.add("« Envoyer le code », slowest", slowest)
    figures.add("sign-ins that succeed", "8 of 8")
    assert slowest < 1.0


def test_relay_down(site: Site, figures: Figures) -> None:
    """Nothing listens where the relay was, then it is back (RC-11).

    The page comes in less than a second and says that the message is under way; the code waits in the outbox and is
    sent, once and unchanged, when the relay is back.
    """
    visitor = Visitor(site, site.people(1)[0]).start().identify()
    port = site.relay.port
    site.relay.stop()
    try:
        took = timed(visitor)
        time.sleep(3)
        waiting = site.rows("SELECT state, attempts FROM outbox WHERE account_id = :a", a=visitor.person.account_id)
    finally:
        site.relay.restart(port)
    back = time.monotonic()
    code = visitor.code
    arrived = time.monotonic() - back
    assert visitor.type_code(code).grant
    assert len(visitor.messages) == 1
    figures.add("« Envoyer le code »", took)
    figures.add("tries while it was down", waiting[0].attempts)
    figures.add("the code arrives after the relay is back", arrived)
    assert took < 1.0


def test_relay_greylists(site: Site, figures: Figures) -> None:
    """The relay says 451 to who is new, and takes the second try (RC-13).

    The same code is sent again after half a minute and arrives once; asking again before brings the same digits.
    """
    visitor = Visitor(site, site.people(1)[0]).start().identify()
    with behaving(site, rcpt_answers=["451 4.7.1 greylisted, come back", "250 ok"]):
        started = time.monotonic()
        visitor.ask_for_code()
        wait_until(lambda: visitor.messages, 60, "the second try does not come")
        took = time.monotonic() - started
        assert visitor.type_code().grant
    assert len(visitor.messages) == 1
    assert took > 25
    figures.add("arrives after", took)
    figures.add("messages received", 1)


def test_relay_refuses(site: Site, figures: Figures) -> None:
    """The relay says 550: no such mailbox (RC-14).

    It is not tried again; the page says that the message cannot be delivered and offers the other channel, by which
    the person gets in.
    """
    visitor = Visitor(site, site.people(1)[0]).start().identify()
    with behaving(site, rcpt_answers=["550 5.1.1 no such user"]):
        visitor.ask_for_code()
        wait_until(lambda: state_of(site, visitor) == ["refused"], 15, "the refusal is not recorded")
        heading = visitor.open(visitor.path).heading
        attempts = site.rows("SELECT attempts FROM outbox WHERE account_id = :a", a=visitor.person.account_id)
    visitor.channel = "sms"
    time.sleep(1.1)
    visitor._messages_before = len(visitor.messages)
    visitor.submit(next(name for name in ("resend", "send") if name in visitor.forms), channel="sms")
    visitor.type_code()
    # The address is marked, and its owner asked for another one: this can be put off.
    assert visitor.path.endswith("/address")
    assert visitor.submit("address").grant
    assert [row.attempts for row in attempts] == [1]
    figures.add("tries", 1)
    figures.add("the page says", f"« {heading} »")
    figures.add("signs in with the other channel", "yes")


def test_smsc_throttles_and_hangs_up(site: Site, figures: Figures) -> None:
    """The SMS centre says ESME_RTHROTTLED and drops every bind (RC-19).

    Codes arrive once it lets them; the page never waits.
    """
    visitors = [Visitor(site, person, channel="sms").start().identify() for person in site.people(3)]
    site.smsc.statuses[:] = [ESME_RTHROTTLED, ESME_RTHROTTLED, 0]
    site.smsc.hang_up()
    started = time.monotonic()
    slowest = max(timed(visitor) for visitor in visitors)
    for visitor in visitors:
        wait_until(lambda visitor=visitor: visitor.messages, 45, "no text came")
    took = time.monotonic() - started
    assert all(visitor.type_code().grant for visitor in visitors)
    figures.add("« Envoyer le code », slowest", slowest)
    figures.add("last text after", took)
    figures.add("sign-ins that succeed", "3 of 3")
    assert slowest < 1.0


def timed(visitor: Visitor) -> float:
    """Press « Envoyer le code »; return how long the page took."""
    started = time.monotonic()
    visitor.ask_for_code()
    assert visitor.status == 200
    return time.monotonic() - started


def state_of(site: Site, visitor: Visitor) -> list[str]:
    return [
        row.state for row in site.rows("SELECT state FROM outbox WHERE account_id = :a", a=visitor.person.account_id)
    ]


@contextmanager
def behaving(site: Site, **behaviour: Any) -> Iterator[None]:
    """Let the relay behave otherwise for a while."""
    for name, value in behaviour.items():
        setattr(site.relay, name, value)
    try:
        yield
    finally:
        site.relay.delay, site.relay.rcpt_answers = 0.0, ["250 ok"]
