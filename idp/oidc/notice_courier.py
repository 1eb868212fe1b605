"""How one worker tells relying parties what they must know: claim as many as there are free lanes, post, record.

What there is to tell, and how, is an `Errand`: sign-outs and security events share this courier, its threads and its
one connection to the database, and have lanes of their own.
"""

import asyncio
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from flask import Flask

from idp import clock, leases, logs, metrics, notices
from idp.lanes import Lanes
from idp.notices import Notice
from idp.oidc.keys import key_ring
from idp.oidc.posting import Told
from idp.settings import Settings

log = logs.get_logger()


@dataclass(frozen=True, slots=True)
class Errand:
    """One kind of notice. ``claim`` takes rows; ``prepare`` makes of one what is sent, or ends it; ``tell`` posts it.

    ``record`` writes down what came of it and names that; ``count`` counts it. Only ``tell`` may take its time.
    """

    channel: str
    table: type[Notice]
    claim: Callable[..., Sequence[Any]]
    prepare: Callable[[Any, datetime], Any]
    tell: Callable[[Any], Told]
    record: Callable[[Any, Told, datetime], str]
    give_up: Callable[[datetime], int]
    count: Callable[[str, int], None]


class NoticeCourier:
    """Posts notices; lives in one event loop, each post in a thread of its own."""

    def __init__(self, app: Flask, *, name: str, errands: Sequence[Errand], on_lane_free: Callable[[], None]) -> None:
        settings: Settings = app.extensions["sesame"]["settings"]
        self._app, self._name, self._errands = app, name, errands
        self._lease, lanes = settings.outbox.lease, settings.logout.lanes
        self._lanes = Lanes(app, {errand.channel: lanes for errand in errands}, on_lane_free=on_lane_free)
        self._posting = ThreadPoolExecutor(lanes * len(errands), "notice")

    async def start_some(self) -> int:
        """Claim what there are free lanes for and begin to tell it; return how many."""
        started = 0
        for errand in self._errands:
            now, free = clock.now(), self._lanes.free()[errand.channel]
            look = functools.partial(self._look, errand, free, now)
            given_up, taken, prepared = await self._lanes.in_database(look)
            errand.count("failed", given_up)
            for notice in prepared:
                self._lanes.start(errand.channel, self._tell(errand, notice))
            started += taken
        return started

    async def tidy(self) -> None:
        """Count what waits."""
        for errand in self._errands:
            count = functools.partial(notices.count_waiting, errand.table)
            waiting = await self._lanes.in_database(count)
            metrics.OUTBOX_DEPTH.labels(errand.channel).set(waiting)

    async def settle(self, within: timedelta) -> None:
        """Let what is under way end; what does not end in time is told again when its lease is over."""
        await self._lanes.settle(within)

    async def finish(self, within: timedelta) -> None:
        """Let what is under way end, then give the threads back."""
        await self.settle(within)
        self._posting.shutdown(wait=False)
        self._lanes.close()

    def _look(self, errand: Errand, free: int, now: datetime) -> tuple[int, int, list[Any]]:
        # Reading the keys for the first time ends the transaction: what was claimed before would be claimed again.
        key_ring()
        leases.take_back_abandoned(errand.table, now)
        given_up = errand.give_up(now)
        if free < 1:
            return given_up, 0, []
        taken = errand.claim(worker=self._name, limit=free, lease=self._lease, now=now)
        prepared = [errand.prepare(row, now) for row in taken]
        return given_up, len(taken), [notice for notice in prepared if notice is not None]

    async def _tell(self, errand: Errand, notice: Any) -> None:
        told = await asyncio.get_running_loop().run_in_executor(self._posting, self._post, errand, notice)
        now = clock.now()
        outcome = await self._lanes.record(lambda: errand.record(notice, told, now))
        errand.count(outcome, 1)
        log.info(
            f"{errand.channel}-told",
            client_id=notice.client.client_id,
            attempt=notice.attempt,
            outcome=outcome,
            answer=told.answer_class,
        )

    def _post(self, errand: Errand, notice: Any) -> Told:
        with self._app.app_context():
            return errand.tell(notice)
