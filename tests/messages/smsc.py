"""An SMS centre that behaves as badly as a test wants: it speaks real SMPP 3.4 on a loopback port."""

import socket
import ssl
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

HEADER = struct.Struct("!IIII")
BIND_TRANSCEIVER, SUBMIT, DELIVER, ENQUIRE, UNBIND = 0x09, 0x04, 0x05, 0x15, 0x06
REPLY = 0x80000000


@dataclass
class Text:
    sender: str
    to: str
    octets: bytes
    coding: int
    esm_class: int
    wants_receipt: bool
    at: float = field(default_factory=time.time)


@dataclass
class Smsc:
    """Answers with the next of ``statuses``, then always the last; knows one system id and password, ``test``."""

    statuses: list[int] = field(default_factory=lambda: [0])
    delay: float = 0.0
    password: str = "test"
    hang_up_on_submits: int = 0
    chatter: bool = False
    # What to say of each accepted text that wants a receipt: DELIVRD, UNDELIV …; nothing if empty.
    receipt: str = ""
    receipt_before_reply: bool = False
    # Answers nothing until so many texts are under way.
    hold: int = 0
    hexadecimal_ids: bool = False
    tls: ssl.SSLContext | None = None
    texts: list[Text] = field(default_factory=list)
    submits: int = 0
    binds: int = 0
    unbinds: int = 0
    acknowledged: int = 0
    # The command_status of each answer to what we delivered.
    receipt_statuses: list[int] = field(default_factory=list)
    enquiries: int = 0
    port: int = 0

    def start(self, port: int = 0) -> "Smsc":
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._connections: list[socket.socket] = []
        self._held: list[tuple[socket.socket, int, int, int, bytes]] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        return self

    def stop(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def hang_up(self) -> None:
        """End every connection from our side."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError, EOFError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection:
                while self._answer(connection):
                    pass

    def _answer(self, connection: socket.socket) -> bool:
        length, command, status_of_reply, number = HEADER.unpack(_exactly(connection, 16))
        body = _exactly(connection, length - 16)
        if command == BIND_TRANSCEIVER:
            self.binds += 1
            good = body.split(b"\0")[:2] == [b"test", self.password.encode()]
            _send(connection, command | REPLY, 0 if good else 0x0E, number, b"SMSC\0" if good else b"")
        elif command == SUBMIT:
            self.submits += 1
            time.sleep(self.delay)
            if self.hang_up_on_submits:
                self.hang_up_on_submits -= 1
                return False
            if self.chatter:
                _send(connection, ENQUIRE, 0, 901)
                _send(connection, DELIVER, 0, 902, _deliver_body())
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            if status == 0:
                self.texts.append(_text(body))
            message_id = f"{self.submits + 0xA0:X}" if self.hexadecimal_ids else f"id-{self.submits}"
            receipt_id = str(int(message_id, 16)) if self.hexadecimal_ids else message_id
            says = self.receipt if status == 0 and _text(body).wants_receipt else ""
            if says and self.receipt_before_reply:
                self.deliver(connection, receipt_id, says)
            reply = (connection, command | REPLY, status, number, message_id.encode() + b"\0" if status == 0 else b"")
            self._held.append(reply)
            if len(self._held) >= self.hold:
                # Out of order: who asked is told by the number alone.
                while self._held:
                    _send(*self._held.pop())
            if says and not self.receipt_before_reply:
                self.deliver(connection, receipt_id, says)
        elif command == ENQUIRE:
            self.enquiries += 1
            _send(connection, command | REPLY, 0, number)
        elif command == UNBIND:
            self.unbinds += 1
            _send(connection, command | REPLY, 0, number)
            return False
        elif command in {ENQUIRE | REPLY, DELIVER | REPLY}:
            self.acknowledged += 1
            if command == DELIVER | REPLY:
                self.receipt_statuses.append(status_of_reply)
        return True

    def deliver(self, connection: socket.socket, message_id: str, word: str) -> None:
        """Send a receipt as Appendix B writes it, and nothing in optional parameters."""
        text = (
            f"id:{message_id} sub:001 dlvrd:001 submit date:2611231402 done date:2611231403 stat:{word} err:000 text:"
        )
        body = b"\0\1\1" + b"33612345647\0" + b"\5\0CAF\0" + b"\x04\0\0\0\0\0\0\0\0"
        _send(connection, DELIVER, 0, 7000 + self.submits, body + bytes((len(text),)) + text.encode())


def _send(connection: socket.socket, command: int, status: int, number: int, body: bytes = b"") -> None:
    connection.sendall(HEADER.pack(16 + len(body), command, status, number) + body)


def _exactly(connection: socket.socket, length: int) -> bytes:
    octets = b""
    while len(octets) < length:
        part = connection.recv(length - len(octets))
        if not part:
            raise EOFError
        octets += part
    return octets


def _text(body: bytes) -> Text:
    # service_type, then TON and NPI before each address.
    rest = body.split(b"\0", 1)[1]
    sender, rest = rest[2:].split(b"\0", 1)
    to, rest = rest[2:].split(b"\0", 1)
    esm_class = rest[0]
    rest = rest[3:].split(b"\0", 1)[1].split(b"\0", 1)[1]
    registered, coding, length = rest[0], rest[2], rest[4]
    return Text(sender.decode(), to.decode(), rest[5 : 5 + length], coding, esm_class, bool(registered & 1))


def _deliver_body() -> bytes:
    return b"\0\1\1" + b"33600000000\0" + b"\1\1CAF\0" + b"\0\0\0\0\0\0\0\0\0" + bytes((4,)) + b"STOP"
