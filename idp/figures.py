"""What happened hour by hour, for the dashboard: sums that each process adds to one small table once a minute.

Nothing is written when something happens: the counters of `metrics.py` are there anyway, and what they gained since the
last time is added to the hour's rows by the first request of the next minute (a worker has a chore for it). A process
that ends takes what it counted in its last minute with it. No label is a person's.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client.metrics import MetricWrapperBase
from sqlalchemy import BigInteger, String, case, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Mapped, mapped_column

from idp import logs, metrics
from idp.db import Base, Moment, db
from idp.per_app import PerApp

WRITE_EVERY: Final = timedelta(minutes=1)
KEEP: Final = timedelta(days=90)
# How many relying parties are told apart in one process and minute; the others are counted together.
_MOST_CLIENTS: Final = 200
_INSERT: Mapping[str, Callable[..., Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_Key = tuple[str, str]
log = logs.get_logger()


@dataclass(frozen=True, slots=True)
class Figure:
    """Which counter a figure is read from, and which of its labels are kept."""

    metric: MetricWrapperBase
    labels: tuple[str, ...]


FIGURES: Mapping[str, Figure] = {
    "sign-in": Figure(metrics.SIGN_IN, ("method", "outcome")),
    "password": Figure(metrics.PASSWORD, ("outcome",)),
    "code": Figure(metrics.OTP_VERIFY, ("channel", "outcome")),
    "factor": Figure(metrics.FACTOR, ("factor", "outcome")),
    "passkey": Figure(metrics.WEBAUTHN, ("ceremony", "outcome")),
    "sent": Figure(metrics.OTP_SEND, ("channel", "outcome")),
    "delivery": Figure(metrics.OTP_DELIVERY, ("channel", "le")),
    "pause": Figure(metrics.PAUSES, ("kind",)),
}
# Counted here, for the metrics tell no clients apart.
CLIENT_ERRORS: Final = "client-error"
CLIENT_GRANTS: Final = "client-grant"


class HourlyFigure(Base):
    """How often something happened in one hour."""

    __tablename__ = "hourly_figures"

    hour: Mapped[datetime] = mapped_column(Moment, primary_key=True)
    figure: Mapped[str] = mapped_column(String(30), primary_key=True)
    label: Mapped[str] = mapped_column(String(100), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


@dataclass
class _Ledger:
    """What this process has written, when it writes again, and the hour that what it counts now belongs to."""

    written: Counter[_Key] = field(default_factory=lambda: _counted())
    clients: Counter[_Key] = field(default_factory=Counter)
    due: datetime | None = None
    hour: datetime | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    writing: threading.Lock = field(default_factory=threading.Lock)


_ledger: PerApp[_Ledger] = PerApp(_Ledger)


def count_client_error(client_id: str, error: str) -> None:
    """Count an error of a registered relying party; never call it with an id that a stranger made up."""
    _count_client(CLIENT_ERRORS, client_id, error)


def count_client_grant(client_id: str, grant_type: str) -> None:
    """Count a token answer of a relying party; of a grant that is a URN, its last word."""
    _count_client(CLIENT_GRANTS, client_id, grant_type.rpartition(":")[2])


def _count_client(figure: str, client_id: str, detail: str) -> None:
    ledger, key = _ledger(), (figure, _label(client_id, detail))
    with ledger.lock:
        if key not in ledger.clients and len(ledger.clients) >= _MOST_CLIENTS:
            key = (figure, "…|…")
        ledger.clients[key] += 1


def tick(now: datetime) -> None:
    """Write what was counted, if it is time; called where no transaction is open, before anything is counted."""
    ledger = _ledger()
    if ledger.due is not None and now < ledger.due:
        return
    write(now)


def write(now: datetime) -> None:
    """Add what this process counted since the last time to the hour in which it was counted. Commits."""
    ledger = _ledger()
    if not ledger.writing.acquire(blocking=False):
        # Another thread is at it.
        return
    try:
        this_hour = now.replace(minute=0, second=0, microsecond=0)
        hour, ledger.hour = ledger.hour or this_hour, this_hour
        ledger.due = min(now + WRITE_EVERY, this_hour + timedelta(hours=1))
        counted = _counted()
        with ledger.lock:
            clients, ledger.clients = ledger.clients, Counter()
        gained = [(key, n - ledger.written[key]) for key, n in counted.items() if n > ledger.written[key]]
        if not (gained or clients) or _add(hour, [*gained, *clients.items()]):
            ledger.written = counted
        else:
            with ledger.lock:
                ledger.clients += clients
    finally:
        ledger.writing.release()


def begin_anew() -> None:
    """Count from now on, as a process that starts."""
    _ledger.forget()


def purge(now: datetime) -> None:
    """Delete what nobody looks at any more. Commits."""
    db.session.execute(delete(HourlyFigure).where(HourlyFigure.hour < now - KEEP))
    db.session.commit()


def read_figures(since: datetime, until: datetime) -> list[tuple[datetime, str, str, int]]:
    """Return hour, figure, label and count of every row of some hours."""
    columns = (HourlyFigure.hour, HourlyFigure.figure, HourlyFigure.label, HourlyFigure.count)
    query = select(*columns).where(HourlyFigure.hour >= since, HourlyFigure.hour < until)
    return [tuple(row) for row in db.session.execute(query.order_by(HourlyFigure.hour))]  # type: ignore[misc]


def read_client_figures(client_id: str, since: datetime) -> list[tuple[datetime, str, str, int]]:
    """Return hour, figure, detail and count of what one relying party did."""
    own = HourlyFigure.label.startswith(f"{client_id[:70]}|", autoescape=True)
    query = select(HourlyFigure).where(
        HourlyFigure.hour >= since, HourlyFigure.figure.in_((CLIENT_GRANTS, CLIENT_ERRORS)), own
    )
    return [(row.hour, row.figure, row.label.partition("|")[2], row.count) for row in db.session.scalars(query)]


def read_daily_grants(
    clients: Iterable[str], grant_types: Iterable[str], days: Sequence[datetime]
) -> dict[str, tuple[int, ...]]:
    """Return how many tokens were issued to each client that got any, day by day, in one query.

    ``days`` are the beginnings, in order; labels are named whole, so that the table's own key finds them.
    """
    labels = {_label(one, kind.rpartition(":")[2]): one for one in clients for kind in grant_types}
    ends = (*days[1:], days[-1] + timedelta(days=2))
    sums = [
        func.sum(case(((HourlyFigure.hour >= begins) & (HourlyFigure.hour < end), HourlyFigure.count), else_=0))
        for begins, end in zip(days, ends, strict=True)
    ]
    query = select(HourlyFigure.label, *sums).where(
        HourlyFigure.hour >= days[0], HourlyFigure.figure == CLIENT_GRANTS, HourlyFigure.label.in_(labels)
    )
    found: dict[str, tuple[int, ...]] = {}
    for label, *counts in db.session.execute(query.group_by(HourlyFigure.label)):
        before = found.get(labels[label], (0,) * len(days))
        found[labels[label]] = tuple(old + int(new) for old, new in zip(before, counts, strict=True))
    return found


def _label(client_id: str, detail: str) -> str:
    return f"{client_id[:70]}|{detail[:29]}"


def _add(hour: datetime, gained: Iterable[tuple[_Key, int]]) -> bool:
    # In one order for all processes: two that add the same rows in two orders would wait for each other.
    rows = [
        {"hour": hour, "figure": figure, "label": label, "count": count} for (figure, label), count in sorted(gained)
    ]
    statement = _INSERT[db.engine.dialect.name](HourlyFigure)
    more = statement.on_conflict_do_update(
        index_elements=("hour", "figure", "label"), set_={"count": HourlyFigure.count + statement.excluded["count"]}
    )
    try:
        db.session.execute(more, rows)
        db.session.commit()
    except (DBAPIError, PoolTimeout) as fault:
        # They are added the next time.
        db.session.rollback()
        log.warning("figures-unwritten", error_type=type(fault).__name__)
        return False
    return True


def _counted() -> Counter[_Key]:
    """Return what the counters of this process say."""
    found: Counter[_Key] = Counter()
    for name, figure in FIGURES.items():
        suffix = "_bucket" if "le" in figure.labels else "_total"
        for family in figure.metric.collect():
            for sample in family.samples:
                if sample.name.endswith(suffix):
                    label = "|".join(sample.labels.get(one, "") for one in figure.labels)
                    found[(name, label[:100])] += int(sample.value)
    return found
