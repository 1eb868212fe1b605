"""What runs beside the pages: messages, notices of sign-outs, chores; alone (`idp worker`) or in a thread."""

import asyncio
import functools
import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from flask import Flask

from idp import clock, entropy, figures, logs, security_events, session, session_clients
from idp.accounts import contact_changes, provision
from idp.accounts.new_devices import ACCOUNTS_AT_ONCE, tell_new_devices
from idp.admin import secret_warnings
from idp.audit import sealing
from idp.common_time import keep_time
from idp.db import db
from idp.lanes import Lanes
from idp.messages import outbox
from idp.messages.delivery import Courier
from idp.oidc.back_channel_logout import LOGOUT
from idp.oidc.notice_courier import NoticeCourier
from idp.oidc.rotation import tend_keys
from idp.oidc.security_event_delivery import SECURITY_EVENTS
from idp.overdue import limit_statements
from idp.settings import settings
from idp.state import state

# How often to look when nobody told us: a worker of its own hears nothing of commits in other processes.
_LOOK_ALONE = 0.2
_LOOK_EMBEDDED = 1.0
# Nobody sits before a screen and waits for a notice of sign-out, as people do for a code: fewer looks at nothing.
_LOOK_FOR_NOTICES = 1.0
_TIDY_EVERY = 10.0
_AFTER_FAULT = (1.0, 2.0, 5.0, 10.0)
_FINISH_WITHIN = timedelta(seconds=25)
_LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)

log = logs.get_logger()


@dataclass(frozen=True, slots=True)
class Chore:
    """Something to do from time to time; any number of workers may do it at once.

    An act that did ``at_once`` things, which is as many as it does, is begun again at once: there may be more.
    """

    name: str
    every: timedelta
    act: Callable[[datetime], object]
    at_once: int | None = None


CHORES: list[Chore] = [
    Chore("purge-state", timedelta(minutes=1), lambda now: state.store.purge(now.timestamp())),
    Chore("tend-keys", timedelta(minutes=5), tend_keys),
    Chore(
        "purge-logouts",
        timedelta(minutes=1),
        lambda now: session_clients.purge(keep=settings.logout.keep_log, now=now),
        at_once=session_clients.PURGED_AT_ONCE,
    ),
    Chore(
        "purge-security-events",
        timedelta(minutes=1),
        lambda now: security_events.purge(keep=settings.logout.keep_log, now=now),
        at_once=security_events.PURGED_AT_ONCE,
    ),
    Chore("tell-new-devices", timedelta(minutes=1), tell_new_devices, at_once=ACCOUNTS_AT_ONCE),
    Chore("apply-contact-changes", timedelta(minutes=1), contact_changes.apply_due),
    Chore("purge-contact-changes", timedelta(hours=1), contact_changes.purge_changes),
    Chore("check-who-left", timedelta(minutes=1), provision.check_who_left),
    Chore("forget-audit", timedelta(minutes=1), sealing.forget),
    Chore("watch-audit", timedelta(minutes=1), sealing.watch),
    Chore("warn-of-secrets", timedelta(hours=1), secret_warnings.warn),
    Chore("write-figures", figures.WRITE_EVERY, figures.write),
    Chore("purge-figures", timedelta(hours=1), figures.purge),
    Chore("purge-sessions", timedelta(minutes=1), session.purge_records, at_once=session.PURGED_AT_ONCE),
]


def run_worker(app: Flask) -> None:
    """Work until SIGTERM or Ctrl-C; messages under way are finished first."""
    with app.app_context():
        # Chores look at many rows.
        limit_statements(db.engine, 3 * settings.database_timeout)
    keep_time(app)
    worker = Worker(app, look_every=_LOOK_ALONE)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stop)
        await worker.work()

    asyncio.run(work())


def start_embedded_worker(app: Flask) -> "Worker":
    """Work in a daemon thread of this process; ``stop()`` and ``join()`` end it in good order."""
    worker = Worker(app, look_every=_LOOK_EMBEDDED)
    worker.start()
    return worker


class Worker:
    """One loop, its couriers and its chores."""

    def __init__(self, app: Flask, *, look_every: float) -> None:
        self._app, self._look_every = app, look_every
        name = f"{socket.gethostname()[:40]}-{os.getpid()}-{entropy.identifier()[:8]}"
        # Made here, not in the thread: a relay that cannot be used stops the start.
        self._courier = Courier(app, name=name, on_lane_free=self._wake)
        self._notice_courier = NoticeCourier(app, name=name, errands=(LOGOUT, SECURITY_EVENTS), on_lane_free=self._wake)
        # The trail has a thread and a connection of its own: a long batch must not hold up a code.
        self._books = Lanes(app, {}, on_lane_free=self._wake)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = {"deliver": asyncio.Event(), "tell": asyncio.Event()}
        # Not woken by messages: events wait some seconds and are linked together.
        self._sealing_ends = asyncio.Event()
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._chores_at: dict[str, datetime] = {}

    def start(self) -> None:
        """Begin to work in a thread."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self.work()), name="worker", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the loop to end, from any thread or signal handler."""
        self._is_stopping = True
        self._wake()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the thread to end."""
        if self._thread is not None:
            self._thread.join(timeout)

    async def work(self) -> None:
        """Deliver and tidy until told to stop."""
        self._loop = asyncio.get_running_loop()
        outbox.add_listener(self._wake)
        log.info("worker-started")
        # Each by itself: what ails one, a table or a network, must not hold up the others.
        tidying = asyncio.create_task(self._repeat(self._tidy, every=_TIDY_EVERY, woken=asyncio.Event()))
        telling = asyncio.create_task(self._repeat(self._tell, every=_LOOK_FOR_NOTICES, woken=self._woken["tell"]))
        sealing_on = self._repeat(self._seal, every=sealing.SEAL_EVERY.total_seconds(), woken=self._sealing_ends)
        bookkeeping = asyncio.create_task(sealing_on)
        try:
            await self._repeat(self._deliver, every=self._look_every, woken=self._woken["deliver"])
        finally:
            outbox.remove_listener(self._wake)
            self._is_stopping = True
            # Not cancelled in the middle of a claim: what it took would wait for the end of its lease.
            self._woken["tell"].set()
            self._sealing_ends.set()
            tidying.cancel()
            await asyncio.gather(tidying, telling, bookkeeping, return_exceptions=True)
            self._books.close()
            await asyncio.gather(self._courier.finish(_FINISH_WITHIN), self._notice_courier.finish(_FINISH_WITHIN))
            log.info("worker-stopped")

    async def _repeat(self, act: Callable[[], Awaitable[bool]], *, every: float, woken: asyncio.Event) -> None:
        """Do ``act`` again and again: at once while there is more to do, else when woken or after ``every`` seconds."""
        faults = 0
        while not self._is_stopping:
            woken.clear()
            try:
                pause = 0.0 if await act() else every
                faults = 0
            except Exception as fault:  # whatever broke, the next message must still be tried
                log.error("worker-fault", exc_info=fault)
                pause = _AFTER_FAULT[min(faults, len(_AFTER_FAULT) - 1)]
                faults += 1
            if not self._is_stopping:
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), pause)

    async def _deliver(self) -> bool:
        return await self._courier.start_some() > 0

    async def _tell(self) -> bool:
        return await self._notice_courier.start_some() > 0

    async def _seal(self) -> bool:
        return await self._books.in_database(lambda: sealing.seal(clock.now()))

    async def _tidy(self) -> bool:
        await self._courier.tidy()
        await self._notice_courier.tidy()
        now, is_more = clock.now(), False
        for chore in CHORES:
            if now - self._chores_at.get(chore.name, _LONG_AGO) >= chore.every:
                self._chores_at[chore.name] = now
                done = await self._courier.lanes.in_database(functools.partial(chore.act, now))
                if chore.at_once is not None and done == chore.at_once:
                    del self._chores_at[chore.name]
                    is_more = True
        return is_more

    def _wake(self) -> None:
        if self._loop is not None:
            # The loop may have ended between the question and the call.
            with suppress(RuntimeError):
                for woken in self._woken.values():
                    self._loop.call_soon_threadsafe(woken.set)
