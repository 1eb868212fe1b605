"""How one worker delivers: claim as many messages as it has free lanes, send them, record each answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from flask import Flask

from idp import clock, leases, logs, metrics, operations
from idp.lanes import Lanes
from idp.messages import events, outbox, receipts, sms_budget
from idp.messages.models import Outbox
from idp.messages.outbox import Claimed, Fate
from idp.messages.senders import open_senders
from idp.messages.traced import traced
from idp.messages.transport import Answer, AnswerClass, Letter, Receipt, Sender
from idp.settings import Settings

# Of the lease: the answer must be written down before another worker may take the message.
_SENDING_SHARE = 0.8

log = logs.get_logger()


@dataclass(frozen=True, slots=True)
class _Rules:
    batch: int
    lease: timedelta
    keep_finished: timedelta


class Courier:
    """Takes messages out of the outbox and hands them to the senders; lives in one event loop."""

    def __init__(self, app: Flask, *, name: str, on_lane_free: Callable[[], None]) -> None:
        settings: Settings = app.extensions["sesame"]["settings"]
        self._name = name
        self._rules = _Rules(settings.outbox.batch, settings.outbox.lease, settings.outbox.keep_finished)
        self._senders: dict[str, Sender] = {
            channel: traced(app, channel, sender) for channel, sender in open_senders(settings).items()
        }
        lanes = {channel: sender.lanes for channel, sender in self._senders.items()}
        self.lanes = Lanes(app, lanes, on_lane_free=on_lane_free)
        for sender in self._senders.values():
            sender.listen(self._hear)

    async def start_some(self) -> int:
        """Claim messages for the free lanes and begin to send them; return how many were looked at."""
        now = clock.now()
        free = self.lanes.free()
        ended, claimed, looked_at = await self.lanes.in_database(lambda: self._look(free, now))
        for fate in ended:
            metrics.OTP_SEND.labels(fate.channel, fate.purpose, fate.status).inc()
        for message in claimed:
            self.lanes.start(message.channel, self._deliver(message, self._senders[message.channel]))
        return looked_at

    async def tidy(self) -> None:
        """Count what waits, delete what is long finished, close what is idle."""
        now = clock.now()
        waiting = await self.lanes.in_database(outbox.count_waiting)
        for channel in {*self._senders, *waiting}:
            metrics.OUTBOX_DEPTH.labels(channel).set(waiting.get(channel, 0))
        await self.lanes.in_database(lambda: outbox.purge_finished(keep=self._rules.keep_finished, now=now))
        for sender in self._senders.values():
            await sender.close_idle()

    async def settle(self, within: timedelta) -> None:
        """Let what is under way end; what does not end in time is sent again when its lease is over."""
        await self.lanes.settle(within)

    async def finish(self, within: timedelta) -> None:
        """Let what is under way end, then close everything."""
        await self.settle(within)
        for sender in self._senders.values():
            await sender.close()
        self.lanes.close()

    def _look(self, free: dict[str, int], now: datetime) -> tuple[list[Fate], list[Claimed], int]:
        """Drop what nobody waits for any more, then take what there is a lane for."""
        operations.refresh(now)
        if not outbox.has_work(now):
            return [], [], 0
        leases.take_back_abandoned(Outbox, now)
        ended = outbox.drop_dead(now)
        claimed: list[Claimed] = []
        for channel, lanes in free.items():
            if lanes > 0:
                claimed += outbox.claim(
                    channel=channel,
                    worker=self._name,
                    limit=min(lanes, self._rules.batch),
                    lease=self._rules.lease,
                    now=now,
                )
        refusals = [(message, _why_not(message, now)) for message in claimed]
        for message, why in refusals:
            if why and (fate := outbox.record_answer(message, Answer("refused", why), now)):
                ended.append(fate)
        return _audited(ended), [message for message, why in refusals if not why], len(claimed)

    async def _deliver(self, claimed: Claimed, sender: Sender) -> None:
        letter = Letter(
            claimed.to,
            claimed.message,
            claimed.reference,
            claimed.written_at,
            claimed.attempt,
            return_token=claimed.return_token,
        )
        seconds = min(claimed.deadline - clock.now(), self._rules.lease * _SENDING_SHARE).total_seconds()
        try:
            async with asyncio.timeout(seconds):
                answer = await sender.send(letter)
        except TimeoutError:
            answer = Answer("later", "timeout")
        log.info("message-sent", message=claimed.id, channel=claimed.channel, attempt=claimed.attempt,
                 answer=answer.answer_class, relay=answer.relay)  # fmt: skip
        fate = await self._record(claimed, answer)
        if claimed.channel == "sms" and answer.outcome == "accepted" and answer.relay_ref:
            await self.lanes.record(lambda: receipts.catch_up(answer.relay, answer.relay_ref[:80], clock.now()))
        if answer.outcome == "accepted":
            metrics.OTP_DELIVERY.labels(claimed.channel).observe((clock.now() - claimed.written_at).total_seconds())
        status = fate.status if fate else answer.outcome
        metrics.OTP_SEND.labels(claimed.channel, claimed.purpose, status).inc()

    async def _hear(self, receipt: Receipt) -> None:
        await self.lanes.record(lambda: receipts.record(receipt, clock.now()))

    async def _record(self, claimed: Claimed, answer: Answer) -> Fate | None:
        now = clock.now()

        def write() -> Fate | None:
            fate = outbox.record_answer(claimed, answer, now)
            _audited([fate] if fate else [])
            return fate

        return await self.lanes.record(write)


def _why_not(message: Claimed, now: datetime) -> AnswerClass | None:
    """Say why a message is not sent, or `None`; an SMS is taken from the day's budgets once, at its first attempt.

    No code leaves by a channel that is off, for none would be taken; what warns people still does.
    """
    if operations.is_off(message.channel) and not message.purpose.startswith("alert-"):
        return "switched-off"
    if message.channel != "sms" or message.attempt > 1:
        return None
    return None if sms_budget.take(message.to, message.message.text, now) else "budget"


def _audited(fates: list[Fate]) -> list[Fate]:
    for fate in fates:
        events.message_settled(
            fate.status,
            account_id=fate.account_id,
            answer_class=fate.answer_class,
            channel=fate.channel,
            purpose=fate.purpose,
        )
    return fates
