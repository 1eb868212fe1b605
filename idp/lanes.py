"""How a worker keeps several errands under way at once: lanes in one event loop, one database thread beside it."""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from idp import audit, logs
from idp.db import db

T = TypeVar("T")
_RECORD_AGAIN_AFTER = (0.2, 1.0, 3.0)

log = logs.get_logger()


class Lanes:
    """Errands under way, by channel, and the one connection through which they are taken and their fate is recorded."""

    def __init__(self, app: Flask, lanes: Mapping[str, int], *, on_lane_free: Callable[[], None]) -> None:
        self._app, self._lanes, self._on_lane_free = app, lanes, on_lane_free
        # One thread, one database connection, whatever the number of lanes.
        self._clerk = ThreadPoolExecutor(1, "clerk")
        self._under_way: dict[str, set[asyncio.Task[None]]] = {channel: set() for channel in lanes}

    def free(self) -> dict[str, int]:
        """Return how many more errands each channel can take up."""
        return {channel: lanes - len(self._under_way[channel]) for channel, lanes in self._lanes.items()}

    def start(self, channel: str, errand: Coroutine[Any, Any, None]) -> None:
        """Begin an errand in a lane of ``channel``."""
        task = asyncio.create_task(errand)
        self._under_way[channel].add(task)
        task.add_done_callback(functools.partial(self._ended, channel))

    async def settle(self, within: timedelta) -> None:
        """Let what is under way end; what does not end in time is begun again when its lease is over."""
        tasks = [task for tasks in self._under_way.values() for task in tasks]
        if tasks:
            _done, late = await asyncio.wait(tasks, timeout=within.total_seconds())
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def close(self) -> None:
        """Give the database thread back."""
        self._clerk.shutdown(wait=True)

    async def in_database(self, act: Callable[[], T]) -> T:
        """Run ``act`` in the database thread as one transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._clerk, self._transact, act)

    async def record(self, act: Callable[[], T]) -> T:
        """Run ``act`` as `in_database` does, patiently: a fate that is not written down happens again (RC-17)."""
        for pause in _RECORD_AGAIN_AFTER:
            try:
                return await self.in_database(act)
            except (DBAPIError, PoolTimeout):
                await asyncio.sleep(pause)
        return await self.in_database(act)

    def _transact(self, act: Callable[[], T]) -> T:
        with self._app.app_context():
            result = act()
            db.session.commit()
            audit.flush()
            return result

    def _ended(self, channel: str, task: "asyncio.Task[None]") -> None:
        self._under_way[channel].discard(task)
        # What nobody foresaw: the row stays claimed, and is tried again when its lease ends.
        if not task.cancelled() and (fault := task.exception()) is not None:
            log.error("delivery-failed", channel=channel, exc_info=fault)
        self._on_lane_free()
