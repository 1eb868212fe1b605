"""How a server process runs the application: keys at hand, worker and metrics beside it, granian in front of it."""

import atexit
import gc
import sys
import threading
import time

from flask import Flask
from granian.constants import Interfaces
from granian.server.mp import MPServer
from sqlalchemy.exc import SQLAlchemyError

from idp import audit, create_app, leaving, logs, metrics_shared, store_checks
from idp.common_time import keep_time
from idp.db import db
from idp.oidc.key_service import KeyUnusable
from idp.oidc.keys import key_ring
from idp.overdue import limit_statements
from idp.settings import Settings
from idp.worker import Worker, start_embedded_worker

# What was checked before any process was started, for those that are forked from this one.
_shared: Flask | None = None


def served_app() -> Flask:
    """Return the application with what belongs to a serving process; the factory of `idp serve` and `wsgi.py`."""
    return attend(_shared or create_app())


def share(app: Flask) -> None:
    """Let the processes that are forked from this one serve ``app``, each over connections of its own."""
    global _shared
    with app.app_context():
        db.engine.dispose()
    app.extensions["sesame"]["state"].store.close()
    _shared = app if may_be_shared(app.extensions["sesame"]["settings"]) else None


def may_be_shared(settings: Settings) -> bool:
    """Tell whether all that an application has opened is ours to close.

    What others have written may have opened something as it was made, and a key in hardware is one process's: then each
    process makes an application anew, as it does where processes are not forked.
    """
    is_hardware = settings.keys.service == "pkcs11"
    return not (settings.directory or settings.second_factors or settings.tracing.endpoint or is_hardware)


def attend(app: Flask) -> Flask:
    """Give an application what a process that serves it owes it: keys at hand, the worker, the metrics."""
    settings: Settings = app.extensions["sesame"]["settings"]
    show_figures(settings, kind="web")
    refuse_unsound_stores(app)
    with app.app_context():
        limit_statements(db.engine, settings.database_timeout)
    keep_time(app)
    _take_keys(app)
    if settings.outbox.embedded_worker:
        end_with_process(start_embedded_worker(app))
    if "tracing" in app.extensions["sesame"]:
        # What waits to be sent when the process ends.
        atexit.register(app.extensions["sesame"]["tracing"].shutdown)
    if settings.conformance.account:
        logs.get_logger().warning("fixed-code-on", issuer=settings.issuer)
    return app


def end_with_process(worker: Worker) -> None:
    """Let a mail that is under way be recorded before the process ends (RC-17).

    Executors take nothing more once the interpreter shuts down, which comes before `atexit`: the worker must have ended
    by then, and only this, which executors use themselves, is called in time. The last registered runs first.
    """
    threading._register_atexit(worker.join, 5)  # type: ignore[attr-defined]
    threading._register_atexit(worker.stop)  # type: ignore[attr-defined]


def _take_keys(app: Flask) -> None:
    """Read the signing keys before the first request; RC-26: end the process when they cannot be used."""
    with app.app_context():
        try:
            key_ring()
        except KeyUnusable as fault:
            logs.get_logger().error("signing-key-unusable", detail=str(fault))
            raise SystemExit(f"idp: {fault}") from None
        except SQLAlchemyError as fault:
            # A database that is not there yet: readiness says so until it is.
            logs.get_logger().warning("signing-keys-unread", error_type=type(fault).__name__)
        finally:
            audit.flush()


def refuse_unsound_stores(app: Flask) -> None:
    """End the process when a store forgets, or has too few connections for all of us."""
    with app.app_context():
        faults = store_checks.check_at_start()
    for fault in faults:
        logs.get_logger().error("store-unsound", detail=fault)
    if faults:
        raise SystemExit("\n".join(f"idp: {fault}" for fault in faults))


def show_figures(settings: Settings, *, kind: str) -> None:
    """Count with the other processes of the node, if metrics are wanted; before anything else is counted."""
    if settings.metrics_port:
        metrics_shared.show_metrics(
            kind=kind, folder=settings.metrics_folder, port=settings.metrics_port, address=settings.metrics_address
        )


class Server(MPServer):
    """Granian that leaves before it stops: unready first, so that a proxy sends nobody any more, then the rest."""

    drain = 0.0

    def shutdown(self, exit_code: int = 0) -> None:
        """Go on answering for `drain` seconds, then finish what is in flight and end."""
        leaving.leave()
        time.sleep(self.drain)
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]
        leaving.forget()


def serve(app: Flask, *, host: str, port: int, workers: int, threads: int, drain: float = 0.0) -> None:
    """Serve until told to stop; unready for ``drain`` seconds, then requests in flight are finished (RC-27).

    ``app`` is what was checked, by the process that starts the others.
    """
    share(app)
    # What is there by now stays: to look for garbage in it takes a while, and copies it into every process.
    gc.freeze()
    leaving.prepare()
    server = Server(
        "idp.server:served_app",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=threads,
        log_access=False,
        respawn_failed_workers=True,
        workers_kill_timeout=30,
    )
    server.drain = drain
    server.serve()
    sys.exit(0)
