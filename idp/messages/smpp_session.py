"""One bound SMPP 3.4 connection: several messages under way at once, and what the centre says in between answered."""

import asyncio
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from smpplib import consts, exceptions, smpp
from smpplib.client import SimpleSequenceGenerator

# §5.1.3
TEMPORARY_FAULT = consts.SMPP_ESME_RX_T_APPN
_HEADER = struct.Struct("!IIII")
_LARGEST_PDU = 65_536
_REPLY = 0x80000000
_QUIET_FOR = 30.0
_UNREADABLE = (exceptions.PDUError, exceptions.UnknownCommandError, struct.error, ValueError, IndexError)
# What the centre delivers; returns the command_status of our answer.
OnDeliver = Callable[[Any], Awaitable[int]]


class Broken(Exception):
    """The connection ended, or the centre broke the protocol."""


class NotBound(Exception):
    """The centre does not take our system id or password."""


class SmppSession:
    """A connection from bind to unbind; used from one event loop."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, on_deliver: OnDeliver, timeout: float
    ) -> None:
        self._reader, self._writer, self._on_deliver, self._timeout = reader, writer, on_deliver, timeout
        self._numbers = SimpleSequenceGenerator()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._heard_at = _loop_time()
        self.closed = asyncio.Event()
        self._reading = asyncio.create_task(self._read())
        self._keeping = asyncio.create_task(self._keep())

    @classmethod
    async def open(
        cls, host: str, port: int, *, tls: ssl.SSLContext | None, login: dict[str, str], on_deliver: OnDeliver,
        timeout: float,
    ) -> "SmppSession":  # fmt: skip
        """Connect and bind as a transceiver; raises `NotBound`, `Broken` or `OSError`."""
        reader, writer = await asyncio.open_connection(
            host, port, ssl=tls, server_hostname=host if tls else None, limit=_LARGEST_PDU
        )
        session = cls(reader, writer, on_deliver, timeout)
        try:
            reply = await session.exchange("bind_transceiver", **login)
        except BaseException:
            session.cut()
            raise
        if reply.status != consts.SMPP_ESME_ROK:
            session.cut()
            raise NotBound
        return session

    @property
    def is_open(self) -> bool:
        """Whether messages can still be sent on it."""
        return not self.closed.is_set()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, so that nothing tells whether the other side is still there."""
        return not self._waiting

    async def exchange(self, command: str, **fields: Any) -> Any:
        """Send a request and return its own reply, whatever its status; raises `Broken`."""
        if self.closed.is_set():
            raise Broken
        pdu = smpp.make_pdu(command, client=self._numbers, **fields)
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[pdu.sequence] = reply
        try:
            await self._write(pdu)
            return await reply
        finally:
            self._waiting.pop(pdu.sequence, None)

    async def unbind(self) -> None:
        """Say goodbye and close."""
        with suppress(Broken, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await self.exchange("unbind")
        self.cut()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(self._reading, self._keeping, *self._answering, return_exceptions=True)

    def cut(self) -> None:
        """Close at once; who waits hears `Broken`."""
        self.closed.set()
        for task in (self._reading, self._keeping, *self._answering):
            if task is not asyncio.current_task():
                task.cancel()
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(Broken())
                # Whoever waited may have given up already.
                reply.exception()
        self._writer.transport.abort()

    async def _write(self, pdu: Any) -> None:
        try:
            self._writer.write(pdu.generate())
            await self._writer.drain()
        except OSError as fault:
            self.cut()
            raise Broken from fault

    async def _read(self) -> None:
        try:
            while True:
                head = await self._reader.readexactly(_HEADER.size)
                length, command, status, number = _HEADER.unpack(head)
                if not _HEADER.size <= length <= _LARGEST_PDU:
                    break
                body = await self._reader.readexactly(length - _HEADER.size)
                self._heard_at = _loop_time()
                if not await self._take(head + body, command, status, number):
                    break
        except (OSError, EOFError, Broken):
            pass
        self.cut()

    async def _take(self, raw: bytes, command: int, status: int, number: int) -> bool:
        """Handle one PDU; say whether the connection goes on."""
        try:
            pdu = smpp.parse_pdu(raw, client=self._numbers, allow_unknown_opt_params=True)
        except _UNREADABLE:
            if command & _REPLY:
                # A refusal need have no body (§4.4.2), which the library may choke on; its status is all we need.
                return self._resolve(number, _Refusal(status)) or status != consts.SMPP_ESME_ROK
            await self._reply("generic_nack", number, status=consts.SMPP_ESME_RINVCMDID)
            return True
        if command & _REPLY:
            self._resolve(number, pdu)
            return True
        if pdu.command in {"deliver_sm", "data_sm"}:
            # Beside the reading: writing a receipt down takes its time, and other replies must not wait for it.
            task = asyncio.create_task(self._deliver(pdu))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        elif pdu.command == "enquire_link":
            await self._reply("enquire_link_resp", number)
        elif pdu.command == "unbind":
            await self._reply("unbind_resp", number)
            return False
        return True

    def _resolve(self, number: int, reply: Any) -> bool:
        waiting = self._waiting.get(number)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(reply)
        return True

    async def _deliver(self, pdu: Any) -> None:
        status = await self._on_deliver(pdu)
        with suppress(Broken):
            await self._reply(f"{pdu.command}_resp", pdu.sequence, status=status)

    async def _reply(self, command: str, number: int, status: int = consts.SMPP_ESME_ROK) -> None:
        pdu = smpp.make_pdu(command, client=self._numbers, status=status)
        pdu.sequence, pdu.status = number, status
        await self._write(pdu)

    async def _keep(self) -> None:
        """Ask now and then whether the centre is there (§2.8); receipts come on a line that says nothing for hours."""
        while True:
            await asyncio.sleep(_QUIET_FOR)
            if _loop_time() - self._heard_at < _QUIET_FOR:
                continue
            try:
                async with asyncio.timeout(self._timeout):
                    await self.exchange("enquire_link")
            except (TimeoutError, Broken):
                self.cut()
                return


class _Refusal:
    """A reply of which only the status can be read."""

    message_id = None

    def __init__(self, status: int) -> None:
        self.status = status or consts.SMPP_ESME_RSYSERR


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
