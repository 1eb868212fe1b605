"""How SMS leave by SMPP 3.4: a window of messages on one connection, at the centre's pace, bound again if it breaks."""

import asyncio
import re
import ssl
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import unquote, urlsplit

from smpplib import consts

from idp import entropy, logs, metrics
from idp.messages.gsm7 import is_gsm7, split_text
from idp.messages.numbers import is_e164
from idp.messages.relays import is_loopback
from idp.messages.smpp_session import TEMPORARY_FAULT, Broken, NotBound, SmppSession
from idp.messages.transport import Answer, AnswerClass, Letter, Receipt, Told
from idp.settings import Settings

_SCHEMES = {"smpp": (False, 2775), "smpps": (True, 3550)}
# SMPP 3.4 §5.1.3. Busy, or ill (RSYSERR); everything else but OK is about this message or our account.
_BUSY = frozenset({consts.SMPP_ESME_RTHROTTLED, consts.SMPP_ESME_RMSGQFUL})
_RECEIPT = 0x04
_LONGEST_REST = 30.0
# While receipts may still come, a broken connection is bound again by itself.
_LISTENS_FOR = 3600.0
_BIND_AGAIN_AFTER = (1.0, 2.0, 5.0, 10.0, 30.0)
_RECEIPT_IN_TEXT = re.compile(rb"id:(\S+) .*?stat:(\w+)", re.DOTALL | re.IGNORECASE)
# §5.2.28 and Appendix B; what is not here is no end yet.
_ENDS_BY_STATE = {2: "delivered", 3: "failed", 4: "failed", 5: "failed", 8: "failed"}
_ENDS_BY_WORD = {
    b"DELIVRD": "delivered", b"EXPIRED": "failed", b"DELETED": "failed", b"UNDELIV": "failed", b"REJECTD": "failed",
}  # fmt: skip

log = logs.get_logger()


class SmppFault(Exception):
    """The SMS centre's URL cannot be used; the message never quotes it."""


class SmppSender:
    """Sends SMS to one SMS centre and hears what became of them."""

    def __init__(self, settings: Settings) -> None:
        self._sms = sms = settings.sms
        try:
            parts = urlsplit(sms.smpp_url.get_secret_value())
            port = parts.port
        except ValueError as fault:
            raise SmppFault("sms.smpp_url has a bad host or port") from fault
        if parts.scheme not in _SCHEMES or not parts.hostname:
            raise SmppFault("sms.smpp_url is smpp://system_id:password@host:port or smpps://…")
        has_tls, usual_port = _SCHEMES[parts.scheme]
        if not has_tls and not is_loopback(parts.hostname) and not sms.smpp_in_tunnel:
            raise SmppFault("sms.smpp_url is smpps:// beyond this machine, unless sms.smpp_in_tunnel says VPN")
        self._host, self._port = parts.hostname, port or usual_port
        self._login = {"system_id": unquote(parts.username or ""), "password": unquote(parts.password or "")}
        self._tls = ssl.create_default_context(cafile=str(sms.ca_file) if sms.ca_file else None) if has_tls else None
        self._label = f"{self._host}:{self._port}"
        self._session: SmppSession | None = None
        self._opening = asyncio.Lock()
        self._told: Told | None = None
        self._watching: asyncio.Task[None] | None = None
        self._sent_at = self._next_turn = self._resting_until = self._rest = 0.0
        self.lanes = sms.smpp_window

    def listen(self, told: Told) -> None:
        """Hand receipts to ``told``."""
        self._told = told

    async def send(self, letter: Letter) -> Answer:
        """Hand the text to the centre, in as many parts as it needs."""
        if not is_e164(letter.to):
            return Answer("refused", "address")
        with metrics.OTP_PROVIDER.labels("sms", self._label).time():
            try:
                async with asyncio.timeout(self._sms.timeout):
                    answer = await self._send(letter)
            except TimeoutError:
                self._cut()
                answer = self._trouble("timeout")
            except NotBound:
                answer = self._trouble("auth")
            except ssl.SSLError:
                answer = self._trouble("tls")
            except (Broken, OSError):
                answer = self._trouble("unreachable")
        if answer.answer_class in {"unreachable", "timeout", "tls", "auth"}:
            log.error("relay-trouble", relay=self._label, reason=answer.answer_class)
        return answer

    async def probe(self) -> AnswerClass | None:
        """Bind and unbind; say what is wrong, or None."""
        try:
            async with asyncio.timeout(self._sms.timeout):
                await self._bound()
        except TimeoutError:
            return "timeout"
        except NotBound:
            return "auth"
        except ssl.SSLError:
            return "tls"
        except (Broken, OSError):
            return "unreachable"
        finally:
            await self.close()
        return None

    async def close_idle(self) -> None:
        """Nothing: the connection stays, for receipts come on it; the session itself asks whether it lives."""

    async def close(self) -> None:
        """Unbind and stop listening."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        if self._session is not None:
            await self._session.unbind()
            self._session = None

    async def _send(self, letter: Letter) -> Answer:
        session = await self._bound()
        is_short = is_gsm7(letter.message.text)
        parts = split_text(letter.message.text)
        header = bytes((5, 0, 3, *entropy.random_bytes(1), len(parts)))
        message_id = ""
        for number, part in enumerate(parts, 1):
            if not await self._turn():
                return self._busy()
            is_whole, is_last = len(parts) == 1, number == len(parts)
            reply = await session.exchange(
                "submit_sm",
                source_addr_ton=consts.SMPP_TON_ALNUM,
                source_addr_npi=consts.SMPP_NPI_UNK,
                source_addr=self._sms.sender,
                dest_addr_ton=consts.SMPP_TON_INTL,
                dest_addr_npi=consts.SMPP_NPI_ISDN,
                destination_addr=letter.to[1:],
                short_message=part if is_whole else header + bytes((number,)) + part,
                data_coding=consts.SMPP_ENCODING_DEFAULT if is_short else consts.SMPP_ENCODING_ISO10646,
                esm_class=consts.SMPP_MSGTYPE_DEFAULT if is_whole else consts.SMPP_GSMFEAT_UDHI,
                # A phone shows a long text when all of it is there: the last part's receipt speaks for the whole.
                registered_delivery=1 if is_last else 0,
            )
            if reply.status != consts.SMPP_ESME_ROK:
                log.warning("sms-not-taken", relay=self._label, status=int(reply.status))
            if reply.status in _BUSY:
                self._rest = min(max(1.0, self._rest * 2), _LONGEST_REST)
                self._resting_until = _loop_time() + self._rest
                return self._busy()
            if reply.status == consts.SMPP_ESME_RSYSERR:
                return self._trouble("later")
            if reply.status != consts.SMPP_ESME_ROK:
                return Answer("refused", "refused", self._label)
            message_id = (reply.message_id or b"").decode("ascii", "replace")
        self._rest = 0.0
        self._sent_at = _loop_time()
        return Answer("accepted", "accepted", self._label, self._spell(message_id))

    async def _turn(self) -> bool:
        """Wait for our place in the agreed pace; say no if that is more than a moment."""
        now = _loop_time()
        # Waiting here keeps a lane, and counts against the time in which the centre has to answer.
        if self._resting_until - now > 1.0 or self._next_turn - now > self._sms.timeout / 2:
            return False
        turn = max(now, self._next_turn, self._resting_until)
        pace = self._sms.smpp_per_second
        self._next_turn = turn + (1.0 / pace if pace else 0.0)
        await asyncio.sleep(turn - now)
        return True

    def _busy(self) -> Answer:
        rest = max(self._resting_until, self._next_turn) - _loop_time()
        return Answer("later", "later", self._label, retry_after=timedelta(seconds=rest) if rest > 0 else None)

    def _trouble(self, answer_class: AnswerClass) -> Answer:
        return Answer("later", answer_class, self._label)

    async def _bound(self) -> SmppSession:
        async with self._opening:
            if self._session is not None and self._session.is_open and self._session.is_idle:
                # Finds out whether the centre hung up meanwhile, before a message is at stake.
                with suppress(Broken):
                    await self._session.exchange("enquire_link")
            if self._session is None or not self._session.is_open:
                self._session = await SmppSession.open(
                    self._host, self._port, tls=self._tls, login=self._login, on_deliver=self._hear,
                    timeout=self._sms.timeout,
                )  # fmt: skip
                if self._watching is None:
                    self._watching = asyncio.create_task(self._watch())
            return self._session

    def _cut(self) -> None:
        """A centre that does not answer keeps everybody waiting: begin anew."""
        if self._session is not None:
            self._session.cut()

    async def _watch(self) -> None:
        """Bind again when the connection breaks, as long as receipts may come."""
        failures = 0
        while True:
            if self._session is not None and self._session.is_open:
                failures = 0
                await self._session.closed.wait()
            await asyncio.sleep(_BIND_AGAIN_AFTER[min(failures, len(_BIND_AGAIN_AFTER) - 1)])
            if self._sent_at and _loop_time() - self._sent_at < _LISTENS_FOR:
                try:
                    async with asyncio.timeout(self._sms.timeout):
                        await self._bound()
                except (NotBound, Broken, OSError, TimeoutError):
                    failures += 1

    async def _hear(self, pdu: Any) -> int:
        """Take a receipt; messages of people are nothing to us. Not acknowledged until it is written down."""
        receipt = self._read_receipt(pdu)
        if receipt is not None and self._told is not None:
            try:
                await self._told(receipt)
            except Exception as fault:  # whatever keeps us from writing it down, the centre is asked to say it again
                log.error("receipt-not-recorded", relay=self._label, exc_info=fault)
                return int(TEMPORARY_FAULT)
        return int(consts.SMPP_ESME_ROK)

    def _read_receipt(self, pdu: Any) -> Receipt | None:
        # §5.2.12: a delivery receipt, not a person's message.
        if (pdu.esm_class or 0) & 0x3C != _RECEIPT:
            return None
        message_id, end = pdu.receipted_message_id, _ENDS_BY_STATE.get(pdu.message_state)
        told = _RECEIPT_IN_TEXT.search(pdu.short_message or b"")
        if not message_id and told:
            message_id = told[1]
        if pdu.message_state is None and told:
            end = _ENDS_BY_WORD.get(told[2].upper())
        if not message_id or end is None:
            return None
        name = message_id.decode("ascii", "replace") if isinstance(message_id, bytes) else str(message_id)
        spelt = self._spell(name.rstrip("\0"), is_receipt=True)
        return Receipt(self._label, spelt, "delivered" if end == "delivered" else "failed")

    def _spell(self, message_id: str, *, is_receipt: bool = False) -> str:
        """Return one spelling of an id: some centres answer in hexadecimal and write receipts in decimal."""
        if self._sms.smpp_receipt_ids == "same":
            return message_id
        try:
            return str(int(message_id, 10 if is_receipt else 16))
        except ValueError:
            return message_id


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
