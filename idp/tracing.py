"""Traces of requests, for OpenTelemetry (extra `otel`), and their ids in every line of the log.

A span says which address of ours was asked, by its rule, how it ended, which statements it ran and which commands it
sent to Redis; of a message, which channel and relay it went to and how that answered. Never what was in it: no URL, no
parameter, no address, no key, no value bound to a statement. Without `tracing.endpoint` nothing is loaded.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from importlib.util import find_spec
from typing import Any

import structlog
from flask import Flask
from sqlalchemy import Engine, event

from idp.prepared import TRACE
from idp.settings import SettingsFault, TracingSettings
from idp.state import Store
from idp.state_redis import RedisStore

_SERVICE = "sesame"


def find_faults(tracing: TracingSettings) -> list[str]:
    """Return why traces cannot be made as the settings ask."""
    if tracing.endpoint and find_spec("opentelemetry.exporter.otlp.proto.http") is None:
        return ["tracing.endpoint needs the extra: pip install sesame-idp[otel]"]
    return []


def init_tracing(app: Flask, tracing: TracingSettings, engine: Engine, store: Store) -> None:
    """Put tracing in front of everything that ``app`` answers or asks for, if it is wanted; raises `SettingsFault`."""
    if not tracing.endpoint:
        return
    if faults := find_faults(tracing):
        raise SettingsFault(faults)
    # Slow to load, and an extra.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

    headers = {name: value.get_secret_value() for name, value in tracing.headers.items()}
    provider = TracerProvider(
        resource=Resource.create({"service.name": _SERVICE}), sampler=ParentBased(TraceIdRatioBased(tracing.share))
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=tracing.endpoint, headers=headers)))
    app.extensions["sesame"]["tracing"] = provider
    tracer = provider.get_tracer(_SERVICE)
    app.wsgi_app = Traced(app.wsgi_app, tracer, believe=tracing.believe_callers)  # type: ignore[method-assign]
    _trace_statements(engine, tracer)
    if isinstance(store, RedisStore):
        store.watch(lambda names: _round(tracer, names))


def tracer_of(app: Flask) -> Any | None:
    """Return what makes the spans of ``app``, or ``None`` when nobody wants any."""
    provider = app.extensions["sesame"].get("tracing")
    return None if provider is None else provider.get_tracer(_SERVICE)


@contextmanager
def span_around(tracer: Any, name: str, **facts: str | int) -> Iterator[Any]:
    """Trace what somebody else is asked to do; of what goes wrong only the class is told: its words may quote data."""
    from opentelemetry.trace import SpanKind

    attributes = {fact.replace("__", "."): value for fact, value in facts.items()}
    with tracer.start_as_current_span(
        name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except BaseException as fault:
            span.set_attribute("error.type", type(fault).__name__)
            raise


class Traced:
    """A WSGI application whose every request is a span."""

    def __init__(self, behind: Any, tracer: Any, *, believe: bool) -> None:
        self._behind, self._tracer, self._believe = behind, tracer, believe

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        from opentelemetry.trace import SpanKind, format_span_id, format_trace_id

        method = environ.get("REQUEST_METHOD", "")
        span = self._tracer.start_as_current_span(
            method, context=self._caller(environ), kind=SpanKind.SERVER, attributes={"http.request.method": method},
            record_exception=False, set_status_on_exception=False,
        )  # fmt: skip
        with span as current:
            ids = current.get_span_context()
            names = {"trace_id": format_trace_id(ids.trace_id), "span_id": format_span_id(ids.span_id)}

            def start(status: str, headers: Any, *rest: Any) -> Any:
                code = int(status[:3])
                current.set_attribute("http.response.status_code", code)
                if code >= 500:
                    from opentelemetry.trace import StatusCode

                    current.set_status(StatusCode.ERROR)
                return start_response(status, headers, *rest)

            with structlog.contextvars.bound_contextvars(**names):
                return self._behind(environ, start)  # type: ignore[no-any-return]

    def _caller(self, environ: dict[str, Any]) -> Any:
        """Go on with the caller's trace (W3C Trace Context) where the proxy in front can be believed."""
        from opentelemetry.context import Context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        if not self._believe:
            return Context()
        told = {name: environ.get(f"HTTP_{name.upper()}", "") for name in ("traceparent", "tracestate")}
        return TraceContextTextMapPropagator().extract(told, context=Context())


def name_request(method: str, route: str) -> None:
    """Name the request's span by the rule that answers it."""
    from opentelemetry.trace import get_current_span

    span = get_current_span()
    span.update_name(f"{method} {route}")
    span.set_attribute("http.route", route)


def _round(tracer: Any, commands: tuple[str, ...]) -> AbstractContextManager[Any]:
    """Trace commands that go to Redis in one piece, by OpenTelemetry's names for such a batch."""
    facts: dict[str, str | int] = {"db__system__name": "redis", "db__operation__name": commands[0]}
    if len(commands) > 1:
        alike = f" {commands[0]}" if len({*commands}) == 1 else ""
        facts |= {"db__operation__name": f"PIPELINE{alike}", "db__operation__batch__size": len(commands)}
    return span_around(tracer, str(facts["db__operation__name"]), **facts)


def _trace_statements(engine: Engine, tracer: Any) -> None:
    def span_of(operation: str) -> Any:
        from opentelemetry.trace import SpanKind

        system = {"db.system.name": engine.dialect.name, "db.operation.name": operation}
        return tracer.start_span(operation, kind=SpanKind.CLIENT, attributes=system)

    def trace(operation: str) -> AbstractContextManager[Any]:
        return span_around(tracer, operation, db__system__name=engine.dialect.name, db__operation__name=operation)

    # What `prepared.py` sends goes past SQLAlchemy's events.
    setattr(engine, TRACE, trace)

    @event.listens_for(engine, "before_cursor_execute")
    def _begin(_c: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.span_of_ours = span_of(statement.lstrip()[:40].split(None, 1)[0].upper())

    @event.listens_for(engine, "after_cursor_execute")
    def _end(_c: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.span_of_ours.end()

    @event.listens_for(engine, "handle_error")
    def _fail(told: Any) -> None:
        span = getattr(told.execution_context, "span_of_ours", None)
        if span is not None:
            span.set_attribute("error.type", type(told.original_exception).__name__)
            span.end()
