"""How one worker tells relying parties of ended sessions: claim as many as there are free lanes, post, record."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from flask import Flask

from idp import clock, leases, logs, metrics, session_clients
from idp.lanes import Lanes
from idp.oidc import back_channel_logout
from idp.oidc.back_channel_logout import Notice, Told
from idp.session_clients import SessionClient
from idp.settings import Settings

CHANNEL = "logout"
log = logs.get_logger()


class LogoutCourier:
    """Posts logout tokens; lives in one event loop, each post in a thread of its own."""

    def __init__(self, app: Flask, *, name: str, on_lane_free: Callable[[], None]) -> None:
        settings: Settings = app.extensions["sesame"]["settings"]
        self._app, self._name = app, name
        self._lease, self._lane_count = settings.outbox.lease, settings.logout.lanes
        self._lanes = Lanes(app, {CHANNEL: self._lane_count}, on_lane_free=on_lane_free)
        self._posting = ThreadPoolExecutor(self._lane_count, "logout")

    async def start_some(self) -> int:
        """Claim what there are free lanes for and begin to tell it; return how many."""
        now, free = clock.now(), self._lanes.free()[CHANNEL]
        given_up, taken, notices = await self._lanes.in_database(lambda: self._look(free, now))
        metrics.LOGOUT_DELIVERY.labels("back", "failed").inc(given_up)
        for notice in notices:
            self._lanes.start(CHANNEL, self._tell(notice))
        return taken

    async def tidy(self) -> None:
        """Count what waits."""
        metrics.OUTBOX_DEPTH.labels(CHANNEL).set(await self._lanes.in_database(session_clients.count_waiting))

    async def settle(self, within: timedelta) -> None:
        """Let what is under way end; what does not end in time is told again when its lease is over."""
        await self._lanes.settle(within)

    async def finish(self, within: timedelta) -> None:
        """Let what is under way end, then give the threads back."""
        await self.settle(within)
        self._posting.shutdown(wait=False)
        self._lanes.close()

    def _look(self, free: int, now: datetime) -> tuple[int, int, list[Notice]]:
        leases.take_back_abandoned(SessionClient, now)
        given_up = back_channel_logout.give_up(now)
        if free < 1:
            return given_up, 0, []
        taken = session_clients.claim(worker=self._name, limit=free, lease=self._lease, now=now)
        prepared = [back_channel_logout.prepare(departure, now) for departure in taken]
        return given_up, len(taken), [notice for notice in prepared if notice is not None]

    async def _tell(self, notice: Notice) -> None:
        told = await asyncio.get_running_loop().run_in_executor(self._posting, self._post, notice)
        now = clock.now()
        outcome = await self._lanes.record(lambda: back_channel_logout.record(notice, told, now))
        metrics.LOGOUT_DELIVERY.labels("back", outcome).inc()
        log.info(
            "logout-told",
            client_id=notice.departure.client_id,
            attempt=notice.departure.attempt,
            outcome=outcome,
            answer=told.answer_class,
        )

    def _post(self, notice: Notice) -> Told:
        with self._app.app_context():
            return back_channel_logout.tell(notice)
