"""What holds for every SMS: where it may go, what it may cost, and who carries it when one operator is down."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from prometheus_client import REGISTRY

from idp.messages import sms_budget
from idp.messages.models import Message, Outbox
from idp.messages.numbers import may_be_sent_to
from idp.messages.senders import open_senders
from idp.messages.transport import Answer
from tests.conftest import ALICE_MOBILE, Clock
from tests.messages.conftest import letter
from tests.messages.gateway_server import Reply
from tests.messages.relay import free_port
from tests.messages.test_http_sms import OWN, TAKEN

Row = Callable[[int], Outbox]
SMS = {"channel": "sms", "to": ALICE_MOBILE, "message": Message("", "Code : 482915")}
REUNION = "+262692123456"


@pytest.fixture
def send(configure: Any) -> Callable[..., list[Answer]]:
    """Return a sender of one SMS to each of some numbers, with the transports of these settings."""

    def go(*to: str, **sms: Any) -> list[Answer]:
        settings = configure(sms={"timeout": 2, **sms})

        async def run() -> list[Answer]:
            senders = open_senders(settings)
            try:
                return [await senders["sms"].send(letter(number, "Code")) for number in to]
            finally:
                for sender in senders.values():
                    await sender.close()

        return asyncio.run(run())

    return go


@pytest.mark.parametrize(
    ("to", "allowed"),
    [
        (ALICE_MOBILE, True),
        (REUNION, True),
        ("+33899123456", False),
        ("+33142345678", False),
        ("+88213123456", False),
        ("+447400123456", False),
        ("+12025550123", False),
        ("+3361234564", False),
        ("0612345647", False),
        ("", False),
    ],
    ids=[
        "mobile",
        "overseas",
        "premium",
        "landline",
        "satellite",
        "country",
        "other plan",
        "short",
        "national",
        "none",
    ],
)
def test_only_mobiles_of_allowed_countries_are_written_to_AC_37(
    configure: Any, send: Any, open_smsc: Any, to: str, allowed: bool
) -> None:
    smsc = open_smsc()
    url = f"smpp://test:test@127.0.0.1:{smsc.port}"

    answer = send(to, transport="smpp", smpp_url=url)[0]

    assert (answer.outcome, len(smsc.texts)) == (("accepted", 1) if allowed else ("refused", 0))
    assert may_be_sent_to(to, configure().sms) is allowed


def test_second_operator_carries_what_the_first_cannot_RC_19(send: Any, open_gateway: Any) -> None:
    first, second = open_gateway(Reply(503)), open_gateway(TAKEN["brevo"])

    answers = send(
        ALICE_MOBILE, ALICE_MOBILE, transport="twilio", second_transport="brevo",
        twilio={**OWN["twilio"], "url": first.url}, brevo={**OWN["brevo"], "url": second.url},
    )  # fmt: skip

    assert [(answer.outcome, answer.relay) for answer in answers] == [("accepted", "brevo")] * 2
    # Distrusted for a minute: the second message does not wait for it again.
    assert (len(first.asked), len(second.asked)) == (1, 2)


def test_number_that_one_operator_refuses_is_not_tried_with_the_other(send: Any, open_gateway: Any) -> None:
    first, second = open_gateway(Reply(400, {"code": 21211})), open_gateway(TAKEN["brevo"])

    answer = send(
        ALICE_MOBILE, transport="twilio", second_transport="brevo",
        twilio={**OWN["twilio"], "url": first.url}, brevo={**OWN["brevo"], "url": second.url},
    )[0]  # fmt: skip

    assert (answer.outcome, len(second.asked)) == ("refused", 0)


def test_both_operators_down_is_tried_again_later(send: Any) -> None:
    down = f"http://127.0.0.1:{free_port()}"

    answer = send(
        ALICE_MOBILE, transport="twilio", second_transport="brevo",
        twilio={**OWN["twilio"], "url": down}, brevo={**OWN["brevo"], "url": down},
    )[0]  # fmt: skip

    assert (answer.outcome, answer.answer_class) == ("later", "unreachable")


def test_cost_is_counted_by_prefix_for_what_was_accepted(send: Any, open_gateway: Any) -> None:
    server = open_gateway(TAKEN["brevo"], TAKEN["brevo"], Reply(400, {}))
    costs = {"33": 0.045, "262": 0.12, "2626": 0.2}
    before = [cost_of(prefix) for prefix in costs]

    send(ALICE_MOBILE, REUNION, ALICE_MOBILE, transport="brevo", costs=costs,
         brevo={**OWN["brevo"], "url": server.url})  # fmt: skip

    spent = [cost_of(prefix) - was for prefix, was in zip(costs, before, strict=True)]
    assert spent == pytest.approx([0.045, 0, 0.2])


def cost_of(prefix: str) -> float:
    return REGISTRY.get_sample_value("idp_sms_cost_total", {"prefix": prefix, "provider": "brevo"}) or 0.0


def test_prefix_has_its_own_budget_a_day(context: Flask, configure: Any, clock: Clock) -> None:
    configure(sms={"prefix_budgets": {"33": 2, "262": 0}})

    assert [sms_budget.take(ALICE_MOBILE, "x", clock()) for _ in range(3)] == [True, True, False]
    assert not sms_budget.take(REUNION, "x", clock())
    assert not sms_budget.is_open(ALICE_MOBILE, clock())
    clock.step(days=1)
    assert sms_budget.is_open(ALICE_MOBILE, clock())
    assert sms_budget.take(ALICE_MOBILE, "x", clock())


def test_spend_of_a_day_has_a_cap_that_counts_parts(context: Flask, configure: Any, clock: Clock) -> None:
    configure(sms={"costs": {"33": 0.1}, "daily_spend": 0.3})

    # Two parts, then one, then none is left; ten thousand tenths would not be a thousand in floats.
    assert [sms_budget.take(ALICE_MOBILE, text, clock()) for text in ("x" * 161, "x", "x")] == [True, True, False]
    assert not sms_budget.is_open(ALICE_MOBILE, clock())
    clock.step(days=1)
    assert sms_budget.is_open(ALICE_MOBILE, clock())


def test_worker_keeps_back_what_no_budget_is_left_for_and_says_so(
    configure: Any, open_smsc: Any, write: Any, deliver: Any, row_of: Row, told: list[dict[str, Any]]
) -> None:
    smsc = open_smsc()
    url = f"smpp://test:test@127.0.0.1:{smsc.port}"
    configure(sms={"transport": "smpp", "smpp_url": url, "prefix_budgets": {"33": 1}, "smpp_window": 1})
    rows = [write(ref=f"challenge-{number}:1:1", **SMS) for number in range(3)]

    deliver()

    states = sorted((row_of(row).state, row_of(row).answer_class, row_of(row).content) for row in rows)
    assert states == [("accepted", "accepted", None), ("refused", "budget", None), ("refused", "budget", None)]
    assert len(smsc.texts) == 1
    assert "sms-budget-reached" in {line["event"] for line in told}


def test_repeat_of_a_message_is_not_taken_from_the_budget_again(
    configure: Any, open_smsc: Any, write: Any, deliver: Any, row_of: Row, clock: Clock
) -> None:
    smsc = open_smsc(statuses=[0x14, 0])
    url = f"smpp://test:test@127.0.0.1:{smsc.port}"
    configure(sms={"transport": "smpp", "smpp_url": url, "prefix_budgets": {"33": 1}})
    row_id = write(**SMS)

    deliver()
    clock.step(minutes=2)
    deliver()

    assert (row_of(row_id).state, len(smsc.texts)) == ("accepted", 1)


def test_operator_that_asks_to_come_back_is_obeyed(
    configure: Any, open_gateway: Any, write: Any, deliver: Any, row_of: Row, clock: Clock
) -> None:
    server = open_gateway(Reply(429, {}, (("Retry-After", "5"),)), TAKEN["brevo"])
    configure(sms={"transport": "brevo", "brevo": {**OWN["brevo"], "url": server.url}})
    row_id = write(**SMS)

    deliver()
    assert row_of(row_id).not_before == clock() + timedelta(seconds=5)
    clock.step(seconds=5)
    deliver()

    row = row_of(row_id)
    assert (row.state, row.relay, row.relay_ref) == ("accepted", "brevo", "1511882900176220")


@pytest.mark.parametrize(
    ("sms", "fault"),
    [
        ({"costs": {"+33": 0.1}}, "first digits"),
        ({"prefix_budgets": {"FR": 1}}, "first digits"),
        ({"daily_spend": 1}, "daily_spend needs costs"),
        ({"hook_secret": "short"}, "hook_secret"),
        ({"hook_secret": "with/slash" * 5}, "hook_secret"),
        ({"second_transport": "smpp"}, "another one"),
        ({"costs": {"33": -1}}, "greater than or equal"),
    ],
)
def test_settings_that_make_no_sense_stop_the_start(configure: Any, sms: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        configure(sms=sms)
