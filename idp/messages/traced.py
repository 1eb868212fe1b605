"""Every attempt to send as a span of OpenTelemetry: channel, relay and class of the answer, nothing of the letter."""

from typing import Any

from flask import Flask

from idp.messages.transport import Answer, Letter, Sender, Told
from idp.tracing import span_around, tracer_of


def traced(app: Flask, channel: str, sender: Sender) -> Sender:
    """Return ``sender``, in front of it what traces it if traces are wanted."""
    tracer = tracer_of(app)
    return sender if tracer is None else TracedSender(channel, sender, tracer)


class TracedSender:
    """A `Sender` that another one does the work of."""

    def __init__(self, channel: str, sender: Sender, tracer: Any) -> None:
        self._channel, self._sender, self._tracer = channel, sender, tracer
        self.lanes = sender.lanes

    async def send(self, letter: Letter) -> Answer:
        """Try once, as a span; what was no success is its ``error.type``."""
        facts: dict[str, str | int] = {"idp__channel": self._channel, "idp__attempt": letter.attempt}
        with span_around(self._tracer, f"send {self._channel}", messaging__operation__name="send", **facts) as span:
            answer = await self._sender.send(letter)
            span.set_attributes({"idp.outcome": answer.outcome, "idp.relay": answer.relay})
            if answer.outcome != "accepted":
                span.set_attribute("error.type", answer.answer_class)
            return answer

    def listen(self, told: Told) -> None:
        self._sender.listen(told)

    async def close_idle(self) -> None:
        await self._sender.close_idle()

    async def close(self) -> None:
        await self._sender.close()
