"""What holds for an SMS whichever transport carries it: where it may go, what it cost, who carries it instead."""

import asyncio
from collections.abc import Sequence

from idp import metrics
from idp.messages.numbers import find_prefix, may_be_sent_to
from idp.messages.sms_budget import price_of
from idp.messages.transport import Answer, Letter, Sender, Told
from idp.settings import Settings

# What the transport has, not the number: another transport may do.
_TROUBLE = frozenset({"unreachable", "timeout", "tls", "auth", "credit", "later"})
_DISTRUSTED_FOR = 60.0


class SmsSender:
    """Hands each SMS to the first transport that works; one that failed is asked last for a minute (RC-19)."""

    def __init__(self, settings: Settings, transports: Sequence[Sender]) -> None:
        self._sms, self._transports = settings.sms, tuple(transports)
        self._distrusted_until: dict[int, float] = {}
        self.lanes = transports[0].lanes

    async def send(self, letter: Letter) -> Answer:
        """Try once, the other transport after the first if that one is in trouble."""
        if not may_be_sent_to(letter.to, self._sms):
            return Answer("refused", "address")
        answers = []
        for transport in self._in_order():
            answer = await transport.send(letter)
            if answer.answer_class not in _TROUBLE:
                self._distrusted_until.pop(id(transport), None)
                self._count(letter, answer)
                return answer
            self._distrusted_until[id(transport)] = _loop_time() + _DISTRUSTED_FOR
            answers.append(answer)
        # The one that asks to come back soonest.
        return next((answer for answer in answers if answer.answer_class == "later"), answers[0])

    def listen(self, told: Told) -> None:
        """Have every transport hand over its receipts."""
        for transport in self._transports:
            transport.listen(told)

    async def close_idle(self) -> None:
        """Tend every transport's connections."""
        for transport in self._transports:
            await transport.close_idle()

    async def close(self) -> None:
        """Close every transport."""
        for transport in self._transports:
            await transport.close()

    def _in_order(self) -> list[Sender]:
        now = _loop_time()
        return sorted(self._transports, key=lambda transport: self._distrusted_until.get(id(transport), 0.0) > now)

    def _count(self, letter: Letter, answer: Answer) -> None:
        prefix = find_prefix(letter.to, self._sms.costs)
        if answer.outcome == "accepted" and prefix:
            metrics.SMS_COST.labels(prefix, answer.relay).inc(price_of(letter.to, letter.message.text, self._sms))


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
