"""The SMPP 3.4 messages that the demonstration's SMS centre reads and writes."""

import struct
from dataclasses import dataclass
from datetime import datetime
from typing import Final

# SMPP 3.4 §5.1.2.1
BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER = 0x01, 0x02, 0x09
SUBMIT_SM, DELIVER_SM, UNBIND, ENQUIRE_LINK = 0x04, 0x05, 0x06, 0x15
ANSWER, GENERIC_NACK = 0x80000000, 0x80000000
# §5.1.3
OK, INVALID_LENGTH, INVALID_COMMAND, INVALID_BIND_STATUS, ALREADY_BOUND = 0x00, 0x02, 0x03, 0x04, 0x05
BIND_FAILED, INVALID_PASSWORD, SUBMIT_FAILED = 0x0D, 0x0E, 0x45
HEADER: Final = struct.Struct("!IIII")
_INTERNATIONAL: Final = 1
_MESSAGE_PAYLOAD: Final = 0x0424


@dataclass(frozen=True)
class Submitted:
    """The fields of a submit_sm that matter here (§4.4.1)."""

    source: str
    destination: str
    esm_class: int
    data_coding: int
    octets: bytes
    wants_receipt: bool


def parse_submit(body: bytes) -> Submitted:
    """Read the body of a submit_sm; IndexError when it ends too early."""
    at = 0

    def text() -> str:
        nonlocal at
        start, at = at, body.index(0, at) + 1 if 0 in body[at:] else len(body) + 1
        if at > len(body):
            raise IndexError(start)
        return body[start : at - 1].decode("ascii")

    def octet() -> int:
        nonlocal at
        at += 1
        return body[at - 1]

    text()  # service_type
    octet(), octet()  # source type and plan
    source, destination_type, _plan, destination = text(), octet(), octet(), text()
    esm_class, _protocol, _priority = octet(), octet(), octet()
    text(), text()  # schedule and validity
    registered, _replace, data_coding, _default = octet(), octet(), octet(), octet()
    length = octet()
    if at + length > len(body):
        raise IndexError(at)
    octets = body[at : at + length] or _find_option(body[at:], _MESSAGE_PAYLOAD)
    plus = "+" if destination_type == _INTERNATIONAL and not destination.startswith("+") else ""
    return Submitted(source, plus + destination, esm_class, data_coding, octets, bool(registered & 0x03))


def _find_option(options: bytes, wanted: int) -> bytes:
    while options:
        tag, length = struct.unpack_from("!HH", options)
        if tag == wanted:
            return options[4 : 4 + length]
        options = options[4 + length :]
    return b""


def format_receipt(submitted: Submitted, message_id: str, now: datetime) -> bytes:
    """Return the body of the deliver_sm that says `message_id` has reached the phone."""
    text = (
        f"id:{message_id} sub:001 dlvrd:001 submit date:{now:%y%m%d%H%M} done date:{now:%y%m%d%H%M} "
        f"stat:DELIVRD err:000 text:"
    ).encode()
    source = submitted.destination.removeprefix("+").encode()
    options = struct.pack("!HH", 0x001E, len(message_id) + 1) + message_id.encode() + b"\0"
    options += struct.pack("!HHB", 0x0427, 1, 2)  # message_state: DELIVERED
    addresses = b"\0\x01\x01" + source + b"\0\x05\0" + submitted.source.encode() + b"\0"
    return addresses + b"\x04\0\0\0\0\0\0\0\0" + bytes([len(text)]) + text + options
