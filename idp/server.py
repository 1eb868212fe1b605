"""How a server process runs the application: keys at hand, worker and metrics beside it, granian in front of it."""

import atexit
import sys

from flask import Flask
from granian import Granian
from granian.constants import Interfaces
from prometheus_client import start_http_server
from sqlalchemy.exc import SQLAlchemyError

from idp import audit, create_app, logs
from idp.db import db
from idp.oidc.key_service import KeyUnusable
from idp.oidc.keys import key_ring
from idp.overdue import limit_statements
from idp.settings import Settings
from idp.worker import start_embedded_worker


def served_app() -> Flask:
    """Return the application with what belongs to a serving process; the factory of `idp serve` and `wsgi.py`."""
    return attend(create_app())


def attend(app: Flask) -> Flask:
    """Give an application what a process that serves it owes it: keys at hand, the worker, the metrics."""
    settings: Settings = app.extensions["sesame"]["settings"]
    with app.app_context():
        limit_statements(db.engine, settings.database_timeout)
    _take_keys(app)
    if settings.outbox.embedded_worker:
        worker = start_embedded_worker(app)
        # The last registered runs first: a mail that is under way is recorded before the process ends.
        atexit.register(worker.join, 5)
        atexit.register(worker.stop)
    if settings.metrics_port:
        _show_metrics(settings.metrics_port)
    if settings.conformance.account:
        logs.get_logger().warning("fixed-code-on", issuer=settings.issuer)
    return app


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


def _show_metrics(port: int) -> None:
    try:
        start_http_server(port, addr="127.0.0.1")
    except OSError:
        # Another worker of this node has the port: its figures are its own. Sign-ins matter more than figures.
        logs.get_logger().warning("metrics-port-taken", port=port)


def serve(*, host: str, port: int, workers: int, threads: int) -> None:
    """Serve until told to stop; requests in flight are finished first (RC-27)."""
    Granian(
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
    ).serve()
    sys.exit(0)
