"""How SMS leave by SMPP: bound once, bound again when it breaks, patient with a busy centre."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from idp.messages.gsm7 import count_septets, is_gsm7
from idp.messages.smpp import SmppFault, SmppSender
from idp.messages.transport import Answer, Letter, Receipt
from tests.conftest import ALICE_MOBILE
from tests.messages.conftest import letter
from tests.messages.relay import free_port
from tests.messages.smsc import Smsc

Open = Callable[..., Smsc]
THROTTLED, BAD_DESTINATION = 0x58, 0x0B


@pytest.fixture
def send(configure: Any) -> Callable[..., list[Answer]]:
    """Return a sender of letters through one `SmppSender`."""

    def go(port: int, *letters: Letter, before_next: Callable[[], Any] = lambda: None, **sms: Any) -> list[Answer]:
        url = f"smpp://test:test@127.0.0.1:{port}"
        settings = configure(sms={"transport": "smpp", "smpp_url": url, "timeout": 2, **sms})

        async def run() -> list[Answer]:
            sender = SmppSender(settings)
            try:
                answers = []
                for each in letters or (letter(ALICE_MOBILE),):
                    answers.append(await sender.send(each))
                    before_next()
                return answers
            finally:
                await sender.close()

        return asyncio.run(run())

    return go


@pytest.fixture
def listen(configure: Any) -> Iterator[Callable[..., tuple[list[Answer], list[Receipt]]]]:
    """Return a sender of letters, all at once, that goes on to listen until ``until`` holds."""
    kept: list[tuple[asyncio.Runner, SmppSender]] = []

    def go(
        smsc: Smsc, *, count: int = 1, until: Callable[[], bool] = lambda: True,
        then: Callable[[], None] = lambda: None, fault: Exception | None = None, scheme: str = "smpp",
        keep: bool = False, **sms: Any,
    ) -> tuple[list[Answer], list[Receipt]]:  # fmt: skip
        receipts: list[Receipt] = []

        async def hear(receipt: Receipt) -> None:
            if fault is not None:
                raise fault
            receipts.append(receipt)

        async def run(sender: SmppSender) -> list[Answer]:
            sender.listen(hear)
            answers = await asyncio.gather(*(sender.send(letter(ALICE_MOBILE)) for _ in range(count)))
            then()
            async with asyncio.timeout(10):
                while not until():
                    await asyncio.sleep(0.02)
            return answers

        if not kept:
            url = f"{scheme}://test:test@127.0.0.1:{smsc.port}"
            settings = configure(sms={"transport": "smpp", "smpp_url": url, "timeout": 3, **sms})
            kept.append((asyncio.Runner(), SmppSender(settings)))
        runner, sender = kept[0]
        answers = runner.run(run(sender))
        if not keep:
            runner.run(sender.close())
            runner.close()
            kept.clear()
        return answers, receipts

    yield go
    for runner, sender in kept:
        runner.run(sender.close())
        runner.close()


def test_text_arrives_in_seven_bits(send: Any, open_smsc: Open) -> None:
    smsc = open_smsc()

    answers = send(smsc.port, letter(ALICE_MOBILE, "Code : 482915. à é\n\n@connexion.example.fr #482915"))

    assert answers == [Answer("accepted", "accepted", f"127.0.0.1:{smsc.port}", "id-1")]
    text = smsc.texts[0]
    assert (text.sender, text.to, text.coding) == ("CAF", ALICE_MOBILE[1:], 0)
    assert text.octets == b"Code : 482915. \x7f \x05\n\n\x00connexion.example.fr #482915"
    assert (smsc.binds, smsc.unbinds) == (1, 1)


def test_text_beyond_seven_bits_goes_in_ucs2(send: Any, open_smsc: Open) -> None:
    smsc = open_smsc()

    send(smsc.port, letter(ALICE_MOBILE, "код ` ж"))

    assert (smsc.texts[0].coding, smsc.texts[0].octets.decode("utf-16-be")) == (8, "код ` ж")


def test_long_text_goes_in_parts(send: Any, open_smsc: Open) -> None:
    smsc = open_smsc()

    answer = send(smsc.port, letter(ALICE_MOBILE, "x" * 200))[0]

    assert [len(text.octets) - 6 for text in smsc.texts] == [153, 47]
    assert {text.esm_class for text in smsc.texts} == {0x40}
    # A phone shows a long text when all of it is there.
    assert [text.wants_receipt for text in smsc.texts] == [False, True]
    assert answer.relay_ref == "id-2"
    assert {text.octets[:5] for text in smsc.texts} == {smsc.texts[0].octets[:3] + smsc.texts[0].octets[3:4] + b"\x02"}
    assert [text.octets[5] for text in smsc.texts] == [1, 2]


def test_character_of_the_extension_table_is_not_torn_in_two(send: Any, open_smsc: Open) -> None:
    smsc = open_smsc()

    send(smsc.port, letter(ALICE_MOBILE, "x" * 152 + "€" + "y" * 20))

    assert [text.octets[6:] for text in smsc.texts] == [b"x" * 152, b"\x1be" + b"y" * 20]


def test_connection_is_used_again(send: Any, open_smsc: Open) -> None:
    smsc = open_smsc()

    send(smsc.port, *[letter(ALICE_MOBILE)] * 5)

    assert (smsc.binds, len(smsc.texts)) == (1, 5)


def test_busy_centre_is_asked_again_later_RC_19(send: Any, open_smsc: Open) -> None:
    smsc = open_smsc(statuses=[THROTTLED, 0])

    first, second = send(smsc.port, letter(ALICE_MOBILE), letter(ALICE_MOBILE))

    assert [(each.outcome, each.answer_class) for each in (first, second)] == [
        ("later", "later"),
        ("accepted", "accepted"),
    ]
    assert smsc.binds == 1


def test_number_that_the_centre_refuses_is_refused_at_once(send: Any, open_smsc: Open) -> None:
    smsc = open_smsc(statuses=[BAD_DESTINATION])

    assert send(smsc.port)[0].outcome == "refused"


def test_centre_that_hangs_up_is_bound_again(send: Any, open_smsc: Open) -> None:
    smsc = open_smsc(hang_up_on_submits=1)

    answers = send(smsc.port, letter(ALICE_MOBILE), letter(ALICE_MOBILE))

    assert [answer.answer_class for answer in answers] == ["unreachable", "accepted"]
    assert smsc.binds == 2


def test_centre_that_hung_up_between_two_messages_costs_nothing(send: Any, open_smsc: Open) -> None:
    smsc = open_smsc()

    answers = send(smsc.port, letter(ALICE_MOBILE), letter(ALICE_MOBILE), before_next=smsc.hang_up)

    assert [answer.outcome for answer in answers] == ["accepted", "accepted"]


def test_silent_centre_is_left_after_the_timeout_RC_19(send: Any, open_smsc: Open) -> None:
    smsc = open_smsc(delay=1)

    assert send(smsc.port, timeout=0.2)[0].answer_class == "timeout"


def test_centre_that_is_down_is_tried_later(send: Any) -> None:
    assert send(free_port())[0].answer_class == "unreachable"


def test_wrong_password_is_our_trouble_not_the_recipients(
    send: Any, open_smsc: Open, told: list[dict[str, Any]]
) -> None:
    smsc = open_smsc(password="other")

    answer = send(smsc.port)[0]

    assert (answer.outcome, answer.answer_class) == ("later", "auth")
    assert [line["reason"] for line in told] == ["auth"]


def test_what_the_centre_says_in_between_is_answered(send: Any, open_smsc: Open) -> None:
    smsc = open_smsc(chatter=True)

    answers = send(smsc.port, letter(ALICE_MOBILE), letter(ALICE_MOBILE))

    assert [answer.outcome for answer in answers] == ["accepted", "accepted"]
    assert smsc.acknowledged == 4


def test_several_messages_are_under_way_at_once_and_each_gets_its_own_answer(listen: Any, open_smsc: Open) -> None:
    smsc = open_smsc(hold=3, statuses=[0, BAD_DESTINATION, 0])

    answers, _receipts = listen(smsc, count=3, smpp_window=3)

    assert [(answer.outcome, answer.relay_ref) for answer in answers] == [
        ("accepted", "id-1"),
        ("refused", ""),
        ("accepted", "id-3"),
    ]


def test_agreed_pace_is_kept(listen: Any, open_smsc: Open) -> None:
    smsc = open_smsc()

    began = time.monotonic()
    listen(smsc, count=5, smpp_per_second=20)

    assert time.monotonic() - began >= 0.2
    assert len(smsc.texts) == 5


def test_what_is_beyond_the_pace_comes_back_later_and_breaks_nothing(listen: Any, open_smsc: Open) -> None:
    smsc = open_smsc()

    answers, _receipts = listen(smsc, count=4, smpp_per_second=0.5, timeout=4)

    assert [answer.outcome for answer in answers] == ["accepted", "accepted", "later", "later"]
    assert all(answer.retry_after > timedelta(seconds=2) for answer in answers[2:])
    assert (smsc.binds, len(smsc.texts)) == (1, 2)


def test_throttled_centre_is_left_alone_for_a_while_by_all(listen: Any, open_smsc: Open) -> None:
    smsc = open_smsc(statuses=[THROTTLED, THROTTLED, 0])

    first, second, third = (listen(smsc, count=1, keep=True)[0][0] for _ in range(3))

    # One second, then two: the third message does not even reach the centre.
    assert first.retry_after is not None
    assert timedelta(seconds=0) < first.retry_after <= timedelta(seconds=1)
    assert second.retry_after is not None
    assert timedelta(seconds=1) < second.retry_after <= timedelta(seconds=2)
    assert (third.outcome, smsc.submits) == ("later", 2)


@pytest.mark.parametrize(
    ("word", "outcome"),
    [("DELIVRD", "delivered"), ("UNDELIV", "failed"), ("EXPIRED", "failed"), ("REJECTD", "failed"), ("ACCEPTD", None)],
)
def test_receipt_is_read_and_acknowledged(listen: Any, open_smsc: Open, word: str, outcome: Any) -> None:
    smsc = open_smsc(receipt=word)

    _answers, receipts = listen(smsc, until=lambda: smsc.acknowledged == 1)

    expected = [Receipt(f"127.0.0.1:{smsc.port}", "id-1", outcome)] if outcome else []
    assert (receipts, smsc.receipt_statuses) == (expected, [0])


def test_receipt_that_cannot_be_written_down_is_asked_for_again(
    listen: Any, open_smsc: Open, told: list[dict[str, Any]]
) -> None:
    smsc = open_smsc(receipt="DELIVRD")

    listen(smsc, until=lambda: smsc.acknowledged == 1, fault=RuntimeError("no database"))

    assert smsc.receipt_statuses == [0x64]
    assert [line["event"] for line in told] == ["receipt-not-recorded"]


def test_ids_in_two_spellings_are_one_where_the_operator_says_so(listen: Any, open_smsc: Open) -> None:
    smsc = open_smsc(receipt="DELIVRD", hexadecimal_ids=True)

    answers, receipts = listen(smsc, until=lambda: smsc.acknowledged == 1, smpp_receipt_ids="decimal")

    assert answers[0].relay_ref == receipts[0].relay_ref == "161"


def test_messages_of_people_are_acknowledged_and_no_receipts(listen: Any, open_smsc: Open) -> None:
    smsc = open_smsc(chatter=True)

    _answers, receipts = listen(smsc, until=lambda: smsc.acknowledged == 2)

    assert receipts == []


def test_broken_connection_is_bound_again_by_itself_for_receipts(listen: Any, open_smsc: Open) -> None:
    smsc = open_smsc()

    listen(smsc, then=smsc.hang_up, until=lambda: smsc.binds == 2)

    assert smsc.binds == 2


def test_tls_is_verified_and_used(listen: Any, open_smsc: Open, certificates: Any) -> None:
    authority, context = certificates
    smsc = open_smsc(tls=context)

    (trusted,), _ = listen(smsc, scheme="smpps", ca_file=authority)
    (strange,), _ = listen(smsc, scheme="smpps", ca_file=None)
    (plain,), _ = listen(smsc, scheme="smpp", timeout=0.5)

    assert [answer.answer_class for answer in (trusted, strange)] == ["accepted", "tls"]
    assert plain.outcome == "later"
    assert len(smsc.texts) == 1


@pytest.mark.parametrize("to", ["0612345678", "+33 6", "+33612345678\0", "", "+", "+٣٣"])
def test_number_in_another_spelling_is_refused_before_the_centre_hears_of_it(
    send: Any, open_smsc: Open, to: str
) -> None:
    smsc = open_smsc()

    assert send(smsc.port, letter(to))[0] == Answer("refused", "address")
    assert smsc.binds == 0


@pytest.mark.parametrize("url", ["http://a", "smpp://", "tcp://host:1", "smpp://a:b@smsc.example:2775", "smpp://h:x"])
def test_unusable_centre_stops_the_start(configure: Any, url: str) -> None:
    settings = configure(sms={"smpp_url": url})

    with pytest.raises(SmppFault):
        SmppSender(settings)


@pytest.mark.parametrize(
    ("text", "fits"),
    [("é è à ù ì ò Ç É € [x]", True), ("ê", False), ("’", False), ("« x »", False), ("\u00a0", False), ("`", False)],
)
def test_gsm_alphabet(text: str, fits: bool) -> None:
    assert is_gsm7(text) is fits


def test_characters_of_the_extension_table_count_twice() -> None:
    assert count_septets("a€[") == 5
