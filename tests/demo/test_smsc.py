"""The demonstration's SMS centre, spoken to by a real SMPP client."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
import smpplib.client
import smpplib.consts
import smpplib.gsm
from pydantic import SecretStr

from idp.demo.inbox import Inbox
from idp.demo.mailbox import LOOPBACK, Mailbox
from idp.demo.smpp_pdu import HEADER
from idp.demo.sms_text import UnreadableText, parse_header, parse_text
from idp.messages.smpp import SmppSender
from idp.messages.transport import Receipt
from idp.settings import Settings
from tests.messages.conftest import letter


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    mailbox = Mailbox(web_port=0, system_id="demo", password="demo")
    mailbox.start()
    yield mailbox
    mailbox.stop()


@pytest.fixture
def inbox(mailbox: Mailbox) -> Inbox:
    return mailbox.inbox


@pytest.fixture
def phone(mailbox: Mailbox) -> Iterator[Any]:
    """Return a bound SMPP client; what it receives by deliver_sm is kept in `phone.receipts`."""
    client = smpplib.client.Client(LOOPBACK, mailbox.smpp_port, timeout=5, allow_unknown_opt_params=True)
    client.receipts = []
    client.set_message_received_handler(lambda pdu: client.receipts.append(pdu))
    client.set_message_sent_handler(lambda pdu: None)
    client.connect()
    client.bind_transceiver(system_id="demo", password="demo")
    yield client
    client.unbind()
    client.disconnect()


def send(phone: Any, text: str, *, receipt: bool = False) -> None:
    parts, coding, esm_class = smpplib.gsm.make_parts(text)
    for part in parts:
        phone.send_message(
            source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
            source_addr="CAF",
            dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
            dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
            destination_addr="33612345678",
            short_message=part,
            data_coding=coding,
            esm_class=esm_class,
            registered_delivery=receipt,
        )
        phone.read_once()


@pytest.mark.parametrize(
    "text",
    [
        "Mon Compte: 012345 est votre code.",
        "GSM : àéèùìòÇØøÅå Ä Ö Ñ Ü § ¿ äöñü {[~]} \\ ^ | €",
        "œuvre et emoji 🙂",
        "long " * 60,
        "ж" * 150,
    ],
    ids=["ascii", "gsm extended", "UCS-2", "several GSM parts", "several UCS-2 parts"],
)
def test_text_arrives_as_it_was_sent(phone: Any, inbox: Inbox, text: str) -> None:
    before = len(inbox.list_messages())

    send(phone, text)

    received = inbox.list_messages()
    assert len(received) == before + 1
    assert (received[0].text, received[0].to, received[0].sender) == (text, "+33612345678", "CAF")


def test_receipt_says_delivered(phone: Any) -> None:
    send(phone, "bonjour", receipt=True)
    phone.read_once()

    receipt = phone.receipts[0]

    assert receipt.message_state == 2
    assert receipt.short_message.startswith(b"id:" + receipt.receipted_message_id.rstrip(b"\0"))
    assert receipt.source_addr == b"33612345678"


def test_enquire_link_is_answered(phone: Any) -> None:
    phone.send_pdu(smpplib.smpp.make_pdu("enquire_link", client=phone))

    assert phone.read_pdu().command == "enquire_link_resp"


def exchange(mailbox: Mailbox, pdu: bytes) -> tuple[int, int]:
    """Send octets on a new connection; return the command and status of the answer."""
    with socket.create_connection((LOOPBACK, mailbox.smpp_port), timeout=5) as connection:
        connection.sendall(pdu)
        answer = connection.recv(HEADER.size, socket.MSG_WAITALL)
    _length, command, status, _number = HEADER.unpack(answer)
    return command, status


def pdu(command: int, body: bytes = b"") -> bytes:
    return HEADER.pack(HEADER.size + len(body), command, 0, 7) + body


def test_wrong_password_is_refused(mailbox: Mailbox) -> None:
    assert exchange(mailbox, pdu(0x09, b"demo\0wrong\0\0\x34\0\0\0")) == (0x80000009, 0x0E)


def test_unknown_system_id_is_refused(mailbox: Mailbox) -> None:
    assert exchange(mailbox, pdu(0x09, b"other\0demo\0\0\x34\0\0\0")) == (0x80000009, 0x0D)


def test_submit_before_bind_is_refused(mailbox: Mailbox) -> None:
    assert exchange(mailbox, pdu(0x04, b"\0" * 20)) == (0x80000004, 0x04)


@pytest.mark.parametrize(
    ("octets", "answer"),
    [
        (pdu(0x7F), (0x80000000, 0x03)),
        (struct.pack("!IIII", 9_999_999, 0x15, 0, 1), (0x80000000, 0x02)),
        (struct.pack("!IIII", 4, 0x15, 0, 1), (0x80000000, 0x02)),
        (pdu(0x09, b"\xff"), (0x80000009, 0x02)),
    ],
    ids=["unknown command", "too long", "too short", "not ASCII"],
)
def test_nonsense_is_answered_and_does_not_stop_the_centre(
    mailbox: Mailbox, octets: bytes, answer: tuple[int, int]
) -> None:
    assert exchange(mailbox, octets) == answer
    assert exchange(mailbox, pdu(0x15)) == (0x80000015, 0)


@pytest.mark.parametrize(("octets", "coding"), [(b"\x80", 0), (b"\xd8", 8), (b"x", 4)])
def test_unreadable_text_is_refused(octets: bytes, coding: int) -> None:
    with pytest.raises(UnreadableText):
        parse_text(octets, coding)


@pytest.mark.parametrize("octets", [b"", b"\x05\0\x03\x01", b"\x05\0\x03\x01\x02\x03"])
def test_unreadable_header_is_refused(octets: bytes) -> None:
    with pytest.raises(UnreadableText):
        parse_header(octets)


def test_the_providers_own_sender_gets_its_receipt(mailbox: Mailbox, inbox: Inbox, idp_settings: Settings) -> None:
    sms = idp_settings.sms.model_copy(
        update={"smpp_url": SecretStr(f"smpp://demo:demo@{LOOPBACK}:{mailbox.smpp_port}"), "timeout": 5.0}
    )
    heard: list[Receipt] = []

    async def hear(receipt: Receipt) -> None:
        heard.append(receipt)

    async def run() -> Any:
        sender = SmppSender(idp_settings.model_copy(update={"sms": sms}))
        sender.listen(hear)
        answer = await sender.send(letter("+33612345678", "Code : 482915. À vous.\n\n@idp.test #482915"))
        async with asyncio.timeout(5):
            while not heard:
                await asyncio.sleep(0.02)
        await sender.close()
        return answer

    answer = asyncio.run(run())

    assert heard == [Receipt(answer.relay, answer.relay_ref, "delivered")]
    # What the alphabet lacks sends the whole text in UCS-2.
    assert inbox.list_messages()[0].text == "Code : 482915. À vous.\n\n@idp.test #482915"
