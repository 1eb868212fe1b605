"""How one worker delivers: claim as many messages as it has free lanes, send them, record each answer."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp import audit, clock, logs, metrics
from idp.db import db
from idp.messages import outbox
from idp.messages.outbox import Claimed, Fate
from idp.messages.senders import open_senders
from idp.messages.transport import Answer, Letter, Sender
from idp.settings import Settings

T = TypeVar("T")
# Of the lease: the answer must be written down before another worker may take the message.
_SENDING_SHARE = 0.8
_RECORD_AGAIN_AFTER = (0.2, 1.0, 3.0)

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
        self._app, self._name, self._on_lane_free = app, name, on_lane_free
        self._rules = _Rules(settings.outbox.batch, settings.outbox.lease, settings.outbox.keep_finished)
        self._senders: dict[str, Sender] = open_senders(settings)
        # One thread, one database connection, whatever the number of lanes.
        self._clerk = ThreadPoolExecutor(1, "outbox")
        self._under_way: dict[str, set[asyncio.Task[None]]] = {channel: set() for channel in self._senders}

    async def start_some(self) -> int:
        """Claim messages for the free lanes and begin to send them; return how many."""
        now = clock.now()
        free = {channel: sender.lanes - len(self._under_way[channel]) for channel, sender in self._senders.items()}
        dropped, claimed = await self.in_database(lambda: self._look(free, now))
        for fate in dropped:
            metrics.OTP_SEND.labels(fate.channel, fate.purpose, fate.status).inc()
        for message in claimed:
            self._start(message)
        return len(claimed)

    async def tidy(self) -> None:
        """Count what waits, delete what is long finished, close what is idle."""
        now = clock.now()
        waiting = await self.in_database(outbox.count_waiting)
        for channel in {*self._senders, *waiting}:
            metrics.OUTBOX_DEPTH.labels(channel).set(waiting.get(channel, 0))
        await self.in_database(lambda: outbox.purge_finished(keep=self._rules.keep_finished, now=now))
        for sender in self._senders.values():
            await sender.close_idle()

    async def settle(self, within: timedelta) -> None:
        """Let what is under way end; what does not end in time is sent again when its lease is over."""
        tasks = [task for tasks in self._under_way.values() for task in tasks]
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=within.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def finish(self, within: timedelta) -> None:
        """Let what is under way end, then close everything."""
        await self.settle(within)
        for sender in self._senders.values():
            await sender.close()
        self._clerk.shutdown(wait=True)

    async def in_database(self, act: Callable[[], T]) -> T:
        """Run ``act`` in the database thread as one transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._clerk, self._transact, act)

    def _transact(self, act: Callable[[], T]) -> T:
        with self._app.app_context():
            result = act()
            db.session.commit()
            audit.flush()
            return result

    def _look(self, free: dict[str, int], now: datetime) -> tuple[list[Fate], list[Claimed]]:
        """Drop what nobody waits for any more, then take what there is a lane for."""
        outbox.take_back_abandoned(now)
        dropped = _audited(outbox.drop_dead(now))
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
        return dropped, claimed

    def _start(self, claimed: Claimed) -> None:
        task = asyncio.create_task(self._deliver(claimed, self._senders[claimed.channel]))
        self._under_way[claimed.channel].add(task)
        task.add_done_callback(functools.partial(self._ended, claimed.channel))

    def _ended(self, channel: str, task: "asyncio.Task[None]") -> None:
        self._under_way[channel].discard(task)
        # What nobody foresaw: the message stays claimed, and is tried again when its lease ends.
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("delivery-failed", channel=channel, exc_info=fault)
        self._on_lane_free()

    async def _deliver(self, claimed: Claimed, sender: Sender) -> None:
        letter = Letter(claimed.to, claimed.message, claimed.reference, claimed.written_at, claimed.attempt)
        seconds = min(claimed.deadline - clock.now(), self._rules.lease * _SENDING_SHARE).total_seconds()
        try:
            async with asyncio.timeout(seconds):
                answer = await sender.send(letter)
        except TimeoutError:
            answer = Answer("later", "timeout")
        log.info("message-sent", message=claimed.id, channel=claimed.channel, attempt=claimed.attempt,
                 answer=answer.answer_class, relay=answer.relay)  # fmt: skip
        fate = await self._record(claimed, answer)
        status = fate.status if fate else answer.outcome
        metrics.OTP_SEND.labels(claimed.channel, claimed.purpose, status).inc()

    async def _record(self, claimed: Claimed, answer: Answer) -> Fate | None:
        """Write the answer down, patiently: without it the message goes out a second time (RC-17)."""
        now = clock.now()

        def write() -> Fate | None:
            fate = outbox.record_answer(claimed, answer, now)
            _audited([fate] if fate else [])
            return fate

        for pause in _RECORD_AGAIN_AFTER:
            try:
                return await self.in_database(write)
            except (DBAPIError, PoolTimeout):
                await asyncio.sleep(pause)
        return await self.in_database(write)


def _audited(fates: list[Fate]) -> list[Fate]:
    for fate in fates:
        audit.record(
            "message",
            outcome=fate.status,
            account_id=fate.account_id,
            reason=fate.answer_class,
            channel=fate.channel,
            purpose=fate.purpose,
        )
    return fates
