"""A relay that fails for one domain is tried last there, and only there, until that is half an hour ago."""

from collections.abc import Callable
from typing import Any

from idp.messages.domain_health import DomainHealth, label_of
from idp.messages.smtp import SmtpSender
from tests.messages.conftest import letter
from tests.messages.relay import Relay


def test_most_of_the_last_sendings_decide() -> None:
    health = DomainHealth()
    for good in (True, False, False):
        health.note("orange.fr", "one:25", is_good=good, at=0.0)
    assert not health.is_failing("orange.fr", "one:25", 1.0)

    health.note("orange.fr", "one:25", is_good=False, at=1.0)

    assert health.is_failing("orange.fr", "one:25", 2.0)
    assert not health.is_failing("free.fr", "one:25", 2.0)
    assert not health.is_failing("orange.fr", "two:25", 2.0)
    assert not health.is_failing("orange.fr", "one:25", 1802.0)


def test_only_great_providers_are_named_in_metrics() -> None:
    assert (label_of("orange.fr"), label_of("durand.fr")) == ("orange.fr", "other")


def test_second_relay_takes_over_for_a_domain_that_refuses_the_first(
    configure: Any, open_relay: Callable[..., Relay], app: Any
) -> None:
    import asyncio

    first, second = open_relay(rcpt=["450 4.7.1 your network is blocked"]), open_relay()
    settings = configure(smtp_url=first.url, smtp={"relays": [second.url]})

    async def work() -> list[str]:
        sender = SmtpSender(settings)
        try:
            answers = [await sender.send(letter(f"p{n}@orange.fr")) for n in range(5)]
            first.rcpt_answers = ["250 ok"]
            answers.append(await sender.send(letter("someone@free.fr")))
        finally:
            await sender.close()
        return [f"{answer.outcome} {answer.relay}" for answer in answers]

    with app.app_context():
        answers = asyncio.run(work())

    one, two = (f"127.0.0.1:{relay.port}" for relay in (first, second))
    assert answers == [f"later {one}"] * 4 + [f"accepted {two}", f"accepted {one}"]
