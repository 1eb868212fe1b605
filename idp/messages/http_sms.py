"""How SMS leave by an operator's HTTP interface: one sender for all, what differs is in `sms_gateways`."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from idp import logs, metrics
from idp.messages.http_client import HttpClient, HttpFault, Reply
from idp.messages.numbers import is_e164
from idp.messages.sms_gateways import GATEWAYS
from idp.messages.sms_gateways.gateway import Outcome, Text
from idp.messages.transport import Answer, AnswerClass, Letter, Told
from idp.settings import Settings

_LONGEST_WAIT = timedelta(minutes=5)
_OUR_TROUBLE = frozenset({"unreachable", "timeout", "tls", "auth", "credit"})
log = logs.get_logger()


class HttpSmsSender:
    """Sends SMS through one gateway."""

    def __init__(self, name: str, settings: Settings) -> None:
        self._name, self._timeout = name, settings.sms.timeout
        self._client = HttpClient(timeout=settings.sms.timeout, ca_file=settings.sms.ca_file)
        self._gateway = GATEWAYS[name].make(settings, self._client)
        self.lanes = settings.sms.http_connections

    @classmethod
    def of(cls, name: str) -> Callable[[Settings], "HttpSmsSender"]:
        """Return what makes a sender for the gateway ``name``."""
        return lambda settings: cls(name, settings)

    async def send(self, letter: Letter) -> Answer:
        """Hand the text to the gateway."""
        if not is_e164(letter.to):
            return Answer("refused", "address")
        with metrics.OTP_PROVIDER.labels("sms", self._name).time():
            answer = await self._send(Text(letter.to, letter.message.text, letter.reference))
        if answer.answer_class in _OUR_TROUBLE:
            log.error("relay-trouble", relay=self._name, reason=answer.answer_class)
        return answer

    def listen(self, told: Told) -> None:
        """Gateways tell `sms_hooks`, by HTTP."""

    async def close_idle(self) -> None:
        """Nothing: the client closes by itself what is not used."""

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def _send(self, text: Text) -> Answer:
        try:
            async with asyncio.timeout(self._timeout):
                outcome = await self._gateway.send(text)
        except HttpFault as fault:
            return self._later(fault.answer_class)
        except TimeoutError:
            return self._later("timeout")
        return self._judge(outcome)

    def _judge(self, outcome: Outcome) -> Answer:
        if outcome.message_id is not None:
            return Answer("accepted", "accepted", self._name, outcome.message_id[:80])
        reply = outcome.reply
        log.warning("sms-not-taken", relay=self._name, status=reply.status, refusal=outcome.code[:20])
        if outcome.answer_class is not None:
            is_final = outcome.answer_class in {"refused", "address"}
            return Answer("refused" if is_final else "later", outcome.answer_class, self._name,
                          retry_after=_retry_after(reply))  # fmt: skip
        if reply.status in {401, 403}:
            return self._later("auth")
        if reply.status == 402:
            return self._later("credit")
        if reply.status in {408, 425, 429} or reply.status >= 500:
            return Answer("later", "later", self._name, retry_after=_retry_after(reply))
        if 400 <= reply.status < 500:
            return Answer("refused", "refused", self._name)
        # A redirect, or a success that names no message: not the interface that we know.
        return self._later("unreachable")

    def _later(self, answer_class: AnswerClass) -> Answer:
        return Answer("later", answer_class, self._name)


def _retry_after(reply: Reply) -> timedelta | None:
    """RFC 9110 §10.2.3, in seconds; a date is left to our own pauses."""
    value = reply.headers.get("retry-after", "")
    return min(timedelta(seconds=int(value)), _LONGEST_WAIT) if value.isdecimal() and len(value) < 9 else None
