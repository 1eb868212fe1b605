"""The SMS centre of the demonstration: speaks SMPP 3.4 on a loopback port and puts every text in the inbox."""

import asyncio
import itertools
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from idp import clock
from idp.demo.inbox import Inbox
from idp.demo.smpp_pdu import (
    ALREADY_BOUND,
    ANSWER,
    BIND_FAILED,
    BIND_RECEIVER,
    BIND_TRANSCEIVER,
    BIND_TRANSMITTER,
    DELIVER_SM,
    ENQUIRE_LINK,
    GENERIC_NACK,
    HEADER,
    INVALID_BIND_STATUS,
    INVALID_COMMAND,
    INVALID_LENGTH,
    INVALID_PASSWORD,
    OK,
    SUBMIT_FAILED,
    SUBMIT_SM,
    UNBIND,
    Submitted,
    format_receipt,
    parse_submit,
)
from idp.demo.sms_text import UnreadableText, parse_header, parse_text

_LARGEST_PDU: Final = 65_536
_UNFINISHED_KEPT: Final = 50


@dataclass(eq=False)
class Bound:
    """One connection of a sender and what it was bound as."""

    writer: asyncio.StreamWriter
    system_id: str = ""
    kind: int = 0
    sequence: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def send(self, command: int, status: int, sequence: int, body: bytes = b"") -> None:
        self.writer.write(HEADER.pack(HEADER.size + len(body), command, status, sequence) + body)


class Smsc:
    """Accepts one system id and password; gathers the parts of long messages; reports each as delivered."""

    def __init__(self, inbox: Inbox, *, system_id: str, password: str) -> None:
        self._inbox, self._system_id, self._password = inbox, system_id, password
        self._bound: set[Bound] = set()
        self._message_ids = itertools.count(1)
        self._unfinished: dict[tuple[str, str, int, int], dict[int, str]] = {}
        self._commands: dict[int, Callable[[Bound, int, int, bytes], None]] = {
            BIND_RECEIVER: self._bind,
            BIND_TRANSMITTER: self._bind,
            BIND_TRANSCEIVER: self._bind,
            SUBMIT_SM: self._submit,
            ENQUIRE_LINK: lambda bound, command, number, _: bound.send(command | ANSWER, OK, number),
            UNBIND: lambda bound, command, number, _: bound.send(command | ANSWER, OK, number),
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it unbinds, closes or stops making sense."""
        bound = Bound(writer)
        try:
            while await self._answer(bound, reader):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._bound.discard(bound)
            writer.close()

    async def _answer(self, bound: Bound, reader: asyncio.StreamReader) -> bool:
        command: int
        length, command, _status, number = HEADER.unpack(await reader.readexactly(HEADER.size))
        if not HEADER.size <= length <= _LARGEST_PDU:
            bound.send(GENERIC_NACK, INVALID_LENGTH, number)
            return False
        body = await reader.readexactly(length - HEADER.size)
        if command & ANSWER:  # the answer to one of our receipts
            return True
        act = self._commands.get(command)
        if act is None:
            bound.send(GENERIC_NACK, INVALID_COMMAND, number)
            return True
        try:
            act(bound, command, number, body)
        except (IndexError, struct.error, UnicodeDecodeError):
            bound.send(command | ANSWER, INVALID_LENGTH, number)
        return command != UNBIND

    def _bind(self, bound: Bound, command: int, number: int, body: bytes) -> None:
        system_id, password = (text.decode("ascii") for text in body.split(b"\0")[:2])
        faults = {
            ALREADY_BOUND: bound.kind != 0,
            BIND_FAILED: system_id != self._system_id,
            INVALID_PASSWORD: password != self._password,
        }
        status = next((status for status, wrong in faults.items() if wrong), OK)
        if status == OK:
            bound.system_id, bound.kind = system_id, command
            self._bound.add(bound)
        bound.send(command | ANSWER, status, number, b"DEMO\0" if status == OK else b"")

    def _submit(self, bound: Bound, command: int, number: int, body: bytes) -> None:
        if bound.kind not in {BIND_TRANSMITTER, BIND_TRANSCEIVER}:
            bound.send(command | ANSWER, INVALID_BIND_STATUS, number)
            return
        submitted = parse_submit(body)
        try:
            self._receive(submitted)
        except UnreadableText:
            bound.send(command | ANSWER, SUBMIT_FAILED, number)
            return
        message_id = f"{next(self._message_ids):010d}"
        bound.send(command | ANSWER, OK, number, message_id.encode() + b"\0")
        if submitted.wants_receipt:
            self._report(bound.system_id, submitted, message_id)

    def _receive(self, submitted: Submitted) -> None:
        part, octets = parse_header(submitted.octets) if submitted.esm_class & 0x40 else (None, submitted.octets)
        text = parse_text(octets, submitted.data_coding)
        if part is not None:
            key = (submitted.source, submitted.destination, part.reference, part.total)
            if key not in self._unfinished and len(self._unfinished) >= _UNFINISHED_KEPT:
                self._unfinished.pop(next(iter(self._unfinished)))
            pieces = self._unfinished.setdefault(key, {})
            pieces[part.number] = text
            if len(pieces) < part.total:
                return
            del self._unfinished[key]
            text = "".join(piece for _, piece in sorted(pieces.items()))
        self._inbox.add("sms", to=submitted.destination, sender=submitted.source, text=text)

    def _report(self, system_id: str, submitted: Submitted, message_id: str) -> None:
        """Send the receipt (Appendix B) to a connection of the same sender that can receive."""
        receivers = {BIND_RECEIVER, BIND_TRANSCEIVER}
        for bound in self._bound:
            if bound.system_id == system_id and bound.kind in receivers:
                bound.send(DELIVER_SM, OK, next(bound.sequence), format_receipt(submitted, message_id, clock.now()))
                return
