"""How SMS leave by SMPP: bound once, bound again when it breaks, patient with a busy centre."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from idp.messages.gsm7 import count_septets, is_gsm7
from idp.messages.smpp import SmppFault, SmppSender
from idp.messages.transport import Answer, Letter
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
    assert answer.relay_ref == "id-1"


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


@pytest.mark.parametrize("to", ["0612345678", "+33 6", "+33612345678\0", "", "+", "+٣٣"])
def test_number_in_another_spelling_is_refused_before_the_centre_hears_of_it(
    send: Any, open_smsc: Open, to: str
) -> None:
    smsc = open_smsc()

    assert send(smsc.port, letter(to))[0] == Answer("refused", "address")
    assert smsc.binds == 0


@pytest.mark.parametrize("url", ["", "http://a", "smpp://", "tcp://host:1"])
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
