"""How SMS leave by SMPP 3.4: one bound connection in a thread of its own, bound again when it breaks."""

import asyncio
import socket
import ssl
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import unquote, urlsplit

from smpplib import consts, exceptions, gsm, smpp
from smpplib.client import Client

from idp import logs, metrics
from idp.messages.gsm7 import is_gsm7
from idp.messages.transport import Answer, Letter
from idp.settings import Settings

_SCHEMES = {"smpp": (False, 2775), "smpps": (True, 3550)}
# SMPP 3.4 §5.1.3: the centre is busy or ill; everything else but OK is about this message or our account.
_LATER = frozenset({consts.SMPP_ESME_RTHROTTLED, consts.SMPP_ESME_RMSGQFUL, consts.SMPP_ESME_RSYSERR})
_QUIET_FOR = 30.0
_BROKEN = (exceptions.ConnectionError, exceptions.PDUError, exceptions.UnknownCommandError, OSError, struct.error)

log = logs.get_logger()


class SmppFault(Exception):
    """The SMS centre's URL cannot be used; the message never quotes it."""


class _Client(Client):  # type: ignore[misc]
    """smpplib's client with IPv6, and certificates verified against the host's name, which it leaves out."""

    def connect(self) -> None:
        raw = socket.create_connection((self.host, self.port), timeout=self.timeout)
        try:
            context: ssl.SSLContext | None = self._ssl_context
            self._socket = context.wrap_socket(raw, server_hostname=self.host) if context else raw
        except BaseException:
            raw.close()
            raise
        self.state = consts.SMPP_CLIENT_STATE_OPEN


class SmppSender:
    """Sends SMS to one SMS centre."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.sms.smpp_url.get_secret_value())
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise SmppFault("sms.smpp_url is smpp://system_id:password@host:port or smpps://…")
        has_tls, usual_port = _SCHEMES[parts.scheme]
        self._host, self._port = parts.hostname, parts.port or usual_port
        self._login = {"system_id": unquote(parts.username or ""), "password": unquote(parts.password or "")}
        self._tls = ssl.create_default_context() if has_tls else None
        self._sender, self._timeout = settings.sms.sender, settings.sms.timeout
        self._label = f"{self._host}:{self._port}"
        self._client: Client | None = None
        self._used_at = 0.0
        self._thread = ThreadPoolExecutor(1, "smpp")
        # The connection takes one message after the other.
        self.lanes = 1

    async def send(self, letter: Letter) -> Answer:
        """Hand the text to the centre, in as many parts as it needs."""
        if not (letter.to.startswith("+") and letter.to[1:].isascii() and letter.to[1:].isdigit()):
            return Answer("refused", "address")
        loop = asyncio.get_running_loop()
        with metrics.OTP_PROVIDER.labels("sms", self._label).time():
            answer = await loop.run_in_executor(self._thread, self._submit, letter)
        self._used_at = loop.time()
        if answer.answer_class in {"unreachable", "timeout", "tls", "auth"}:
            log.error("relay-trouble", relay=self._label, reason=answer.answer_class)
        return answer

    async def close_idle(self) -> None:
        """Unbind after half a minute of silence; the centre would hang up sooner or later, and we notice too late."""
        loop = asyncio.get_running_loop()
        if self._client is not None and loop.time() - self._used_at > _QUIET_FOR:
            await loop.run_in_executor(self._thread, self._leave)

    async def close(self) -> None:
        """Unbind and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._leave)
        self._thread.shutdown(wait=False)

    # -- in the thread ---------------------------------------------------------------------------------------------

    def _submit(self, letter: Letter) -> Answer:
        try:
            client = self._bound()
        except exceptions.PDUError:
            self._leave()
            return Answer("later", "auth", self._label)
        except _BROKEN as fault:
            self._leave()
            return Answer("later", _why(fault), self._label)
        coding = consts.SMPP_ENCODING_DEFAULT if is_gsm7(letter.message.text) else consts.SMPP_ENCODING_ISO10646
        parts, coding, esm_class = gsm.make_parts(letter.message.text, coding)
        message_id = ""
        try:
            for part in parts:
                reply = self._exchange(client, self._pdu(client, letter.to, part, coding, esm_class))
                if reply.status != consts.SMPP_ESME_ROK:
                    is_busy = reply.status in _LATER
                    log.warning("sms-not-taken", relay=self._label, status=reply.status)
                    outcome = Answer("later", "later", self._label) if is_busy else None
                    return outcome or Answer("refused", "refused", self._label)
                message_id = message_id or (reply.message_id or b"").decode("ascii", "replace")
        except _BROKEN as fault:
            self._leave()
            return Answer("later", _why(fault), self._label)
        return Answer("accepted", "accepted", self._label, message_id)

    def _bound(self) -> Client:
        if self._client is not None:
            try:
                # What came since: receipts, enquiries, or the centre's goodbye.
                self._client.poll()
            except _BROKEN:
                self._leave()
        if self._client is None:
            client = _Client(
                self._host, self._port, timeout=self._timeout, ssl_context=self._tls, allow_unknown_opt_params=True
            )
            client.set_message_received_handler(lambda pdu: None)
            client.set_message_sent_handler(lambda pdu: None)
            self._client = client
            client.connect()
            client.bind_transceiver(**self._login)
        return self._client

    def _pdu(self, client: Client, to: str, part: bytes, coding: int, esm_class: int) -> Any:
        return smpp.make_pdu(
            "submit_sm",
            client=client,
            source_addr_ton=consts.SMPP_TON_ALNUM,
            source_addr_npi=consts.SMPP_NPI_UNK,
            source_addr=self._sender,
            dest_addr_ton=consts.SMPP_TON_INTL,
            dest_addr_npi=consts.SMPP_NPI_ISDN,
            destination_addr=to[1:],
            short_message=part,
            data_coding=coding,
            esm_class=esm_class,
            registered_delivery=False,
        )

    @staticmethod
    def _exchange(client: Client, pdu: Any) -> Any:
        """Send one PDU and wait for its own reply, answering what comes in between."""
        client.send_pdu(pdu)
        # A centre that talks about other things only will not keep us here.
        for _ in range(100):
            reply = client.read_pdu()
            if reply.command in {"submit_sm_resp", "generic_nack"} and reply.sequence == pdu.sequence:
                return reply
            if reply.command == "deliver_sm":
                client._message_received(reply)
            elif reply.command == "enquire_link":
                client._enquire_link_received(reply)
            elif reply.command == "unbind":
                break
        raise exceptions.ConnectionError("no reply to our message")

    def _leave(self) -> None:
        client, self._client = self._client, None
        if client is None or client._socket is None:
            return
        try:
            if client.state != consts.SMPP_CLIENT_STATE_OPEN:
                client._socket.settimeout(1)
                client.unbind()
        except _BROKEN:
            pass
        finally:
            client._socket.close()
            client._socket = None
            client.state = consts.SMPP_CLIENT_STATE_CLOSED


def _why(fault: BaseException) -> Any:
    if isinstance(fault, ssl.SSLError):
        return "tls"
    return "timeout" if isinstance(fault, TimeoutError) else "unreachable"
