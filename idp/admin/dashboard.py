"""What the dashboard shows, from the hours' figures: pure sums, medians of histograms, and what is about to expire.

A page costs two small queries: the rows of its hours (a few dozen an hour), and the secrets that end within a month.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import select

from idp.admin.listing import list_clients
from idp.db import db
from idp.figures import CLIENT_ERRORS, read_figures
from idp.oidc.clients import ClientRow, ClientSecret

Span = Literal["day", "week"]
SPANS: Final[Mapping[Span, tuple[int, timedelta]]] = {"day": (24, timedelta(hours=1)), "week": (7, timedelta(days=1))}
SOON: Final = timedelta(days=30)
_MOST_CLIENTS: Final = 10
# Passkeys are also made; only their use tells of signing in. The same goes for apps and recovery codes.
_USES: Final = frozenset({"sign-in", "second-step"})
_NO_TRIES: Final = frozenset({"enrolled", "made"})
Row = tuple[datetime, str, str, int]


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one set of bars; ``None`` is a slot in which nothing was measured."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Plot:
    """Values over time, one a slot."""

    name: str
    slots: tuple[datetime, ...]
    series: tuple[Series, ...]

    @property
    def highest(self) -> float:
        """The value that reaches the top of lines."""
        return max((value for one in self.series for value in one.values if value is not None), default=0.0)

    @property
    def by_slot(self) -> list[tuple[float, ...]]:
        """The values of each slot, one a series."""
        return [tuple(one.values[number] or 0 for one in self.series) for number in range(len(self.slots))]

    @property
    def tallest(self) -> float:
        """The sum that reaches the top of bars that stand on each other."""
        return max(map(sum, self.by_slot), default=0.0)


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something went well of how often it was tried."""

    name: str
    well: int
    tried: int


@dataclass(frozen=True, slots=True)
class ClientErrors:
    """The errors of one relying party, by OAuth code."""

    client_id: str
    name: str
    by_code: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.by_code.values())


@dataclass(frozen=True, slots=True)
class Expiring:
    """A secret that ends soon, and whether another of the client's goes on."""

    client_id: str
    name: str
    label: str
    expires_at: datetime
    is_last: bool


@dataclass(frozen=True, slots=True)
class Dashboard:
    """Everything on the page."""

    span: Span
    since: datetime
    until: datetime
    done: int
    ended: int
    pauses: int
    medians: Mapping[str, float | None]
    sign_ins: Plot
    delivery: Plot
    pauses_by: Plot
    by_method: tuple[Rate, ...]
    clients: tuple[ClientErrors, ...]
    expiring: tuple[Expiring, ...]

    @property
    def success(self) -> float | None:
        """The share of sign-ins that were completed, of those that ended."""
        return self.done / self.ended if self.ended else None


def read_dashboard(span: Span, now: datetime, zone: ZoneInfo) -> Dashboard:
    """Return the dashboard of the last day by the hour, or of the last week by the day."""
    slots = slots_of(span, now, zone)
    rows = read_figures(slots[0], now + timedelta(seconds=1))
    names = {one.client_id: one.name for one in list_clients(limit=10_000)[0]}
    return make_dashboard(span, rows, slots, names=names, expiring=list_expiring(now), now=now)


def slots_of(span: Span, now: datetime, zone: ZoneInfo) -> tuple[datetime, ...]:
    """Return when each slot begins, on the clock of the wall; the last one is under way."""
    count, length = SPANS[span]
    local = now.astimezone(zone)
    last = local.replace(minute=0, second=0, microsecond=0)
    if span == "day":
        # Hours are counted in UTC: on the day when clocks change there are 23 or 25.
        return tuple((last.astimezone(UTC) - length * back).astimezone(zone) for back in reversed(range(count)))
    midnight = last.replace(hour=0)
    return tuple(midnight - length * back for back in reversed(range(count)))


def make_dashboard(
    span: Span, rows: Iterable[Row], slots: Sequence[datetime], *, names: Mapping[str, str],
    expiring: Sequence[Expiring], now: datetime,
) -> Dashboard:  # fmt: skip
    """Sum rows up; ``slots`` are the beginnings, in order."""
    sums: list[Counter[tuple[str, str]]] = [Counter() for _ in slots]
    for hour, figure, label, count in rows:
        found = sum(slot <= hour for slot in slots) - 1
        if found >= 0:
            sums[found][figure, label] += count
    total: Counter[tuple[str, str]] = Counter()
    for one in sums:
        total.update(one)
    kinds = sorted({label for figure, label in total if figure == "pause"})
    done = _count(total, "sign-in", "done")
    channels = ("email", "sms")
    return Dashboard(
        span=span, since=slots[0], until=now, done=done,
        ended=done + sum(_count(total, "sign-in", word) for word in ("cancelled", "unmet")),
        pauses=sum(total["pause", kind] for kind in kinds),
        medians={channel: median(_buckets(total, channel)) for channel in channels},
        sign_ins=_plot("sign_ins", slots, {
            "done": [_count(one, "sign-in", "done") for one in sums],
            "not_done": [_count(one, "sign-in", "cancelled") + _count(one, "sign-in", "unmet") for one in sums],
        }),
        delivery=_plot(
            "delivery", slots, {channel: [median(_buckets(one, channel)) for one in sums] for channel in channels}
        ),
        pauses_by=_plot("pauses", slots, {kind: [one["pause", kind] for one in sums] for kind in kinds}),
        by_method=_rates(total),
        clients=_errors(total, names),
        expiring=tuple(expiring),
    )  # fmt: skip


def median(buckets: Mapping[float, int]) -> float | None:
    """Return the median of a histogram, whose counts are cumulative, taken as even within a bucket."""
    everything = max(buckets.values(), default=0)
    if not everything:
        return None
    below, before = 0.0, 0
    for bound in sorted(buckets):
        if buckets[bound] * 2 >= everything:
            if bound == float("inf"):
                return below
            inside = buckets[bound] - before
            return below + (bound - below) * (everything / 2 - before) / inside
        below, before = bound, buckets[bound]
    return below


def list_expiring(now: datetime) -> list[Expiring]:
    """Return the secrets that end within a month, the next one first."""
    query = (
        select(ClientSecret, ClientRow)
        .join(ClientRow, ClientRow.client_id == ClientSecret.client_id)
        .where(ClientRow.archived_at.is_(None), (ClientSecret.expires_at.is_(None)) | (ClientSecret.expires_at > now))
    )
    rows = [(secret, row) for secret, row in db.session.execute(query)]
    found = [
        Expiring(
            row.client_id, str(row.client_metadata.get("name", "")), secret.label, secret.expires_at,
            is_last=not any(_outlives(other, secret) for other, _row in rows),
        )
        for secret, row in rows
        if secret.expires_at is not None and secret.expires_at <= now + SOON
    ]  # fmt: skip
    return sorted(found, key=lambda one: one.expires_at)


def describe_dashboard(board: Dashboard) -> dict[str, Any]:
    """Return what REST and the command line say."""
    plots = (board.sign_ins, board.delivery, board.pauses_by)
    return {
        "span": board.span,
        "since": board.since,
        "until": board.until,
        "sign_ins": board.done,
        "success": board.success,
        "pauses": board.pauses,
        "delivery_medians": dict(board.medians),
        "plots": [
            {
                "name": plot.name,
                "slots": list(plot.slots),
                "series": [{"name": one.name, "values": list(one.values)} for one in plot.series],
            }
            for plot in plots
        ],
        "methods": [{"name": one.name, "well": one.well, "tried": one.tried} for one in board.by_method],
        "client_errors": [
            {"client_id": one.client_id, "name": one.name, "errors": dict(one.by_code)} for one in board.clients
        ],
        "expiring": [
            {"client_id": one.client_id, "name": one.name, "label": one.label, "expires_at": one.expires_at,
             "is_last": one.is_last}
            for one in board.expiring
        ],
    }  # fmt: skip


def _outlives(other: ClientSecret, secret: ClientSecret) -> bool:
    if other.client_id != secret.client_id or other.id == secret.id:
        return False
    return other.expires_at is None or (secret.expires_at is not None and other.expires_at > secret.expires_at)


def _plot(name: str, slots: Sequence[datetime], series: Mapping[str, Sequence[float | None]]) -> Plot:
    return Plot(name, tuple(slots), tuple(Series(one, tuple(values)) for one, values in series.items()))


def _count(sums: Counter[tuple[str, str]], figure: str, outcome: str) -> int:
    return sum(n for (name, label), n in sums.items() if name == figure and label.rpartition("|")[2] == outcome)


def _buckets(sums: Counter[tuple[str, str]], channel: str) -> dict[float, int]:
    found = {}
    for (figure, label), count in sums.items():
        name, _, bound = label.partition("|")
        if figure == "delivery" and name == channel:
            found[float(bound)] = count
    return found


def _rates(total: Counter[tuple[str, str]]) -> tuple[Rate, ...]:
    """Return how each way of proving goes, in the order in which a visitor meets them."""
    well: Counter[str] = Counter()
    tried: dict[str, int] = {}
    for (figure, label), count in sorted(total.items()):
        first, _, outcome = label.rpartition("|")
        if figure not in {"password", "code", "factor", "passkey"} or outcome in _NO_TRIES:
            continue
        if figure == "passkey" and first not in _USES:
            continue
        name = first if figure in {"code", "factor"} else figure
        tried[name] = tried.get(name, 0) + count
        well[name] += count if outcome == "ok" else 0
    order = ["password", "email", "sms", "passkey", "totp", "recovery"]
    names = [*(name for name in order if name in tried), *(name for name in tried if name not in order)]
    return tuple(Rate(name, well[name], tried[name]) for name in names)


def _errors(total: Counter[tuple[str, str]], names: Mapping[str, str]) -> tuple[ClientErrors, ...]:
    by_client: dict[str, dict[str, int]] = {}
    for (figure, label), count in total.items():
        if figure == CLIENT_ERRORS:
            client_id, _, code = label.rpartition("|")
            by_client.setdefault(client_id, {})[code] = count
    found = [ClientErrors(one, names.get(one, ""), codes) for one, codes in by_client.items()]
    return tuple(sorted(found, key=lambda one: (-one.total, one.client_id))[:_MOST_CLIENTS])
