"""What a client did, day by day: grants and errors at the token endpoint and the errors of its requests.

Read off the hours that `figures.py` keeps anyway: a page costs one small query, a request nothing.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from idp.admin.dashboard import Plot, Series
from idp.figures import CLIENT_ERRORS, CLIENT_GRANTS, read_client_figures, read_daily_grants
from idp.oidc.grants import GRANTS
from idp.settings import settings

DAYS: Final = 14


@dataclass(frozen=True, slots=True)
class Activity:
    """Fourteen days of one client; the last one is under way."""

    plot: Plot
    grants: dict[str, int]
    errors: dict[str, int]


def read_activity(client_id: str, now: datetime) -> Activity:
    """Return what a client did in the last two weeks, by days on the clock of the wall."""
    days = _days(now)
    return sum_up(read_client_figures(client_id, days[0]), days)


def read_activities(client_ids: Iterable[str], now: datetime) -> dict[str, tuple[int, ...]]:
    """Return the tokens issued to each client day by day, for a list of clients; one query for all of them."""
    wanted = tuple(client_ids)
    return read_daily_grants(wanted, GRANTS, _days(now)) if wanted else {}


def _days(now: datetime) -> tuple[datetime, ...]:
    midnight = now.astimezone(ZoneInfo(settings.time_zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    return tuple(midnight - timedelta(days=back) for back in reversed(range(DAYS)))


def sum_up(rows: list[tuple[datetime, str, str, int]], days: tuple[datetime, ...]) -> Activity:
    """Sum hours up; ``days`` are the beginnings, in order, and rows are hour, figure, detail and count."""
    by_day: list[Counter[str]] = [Counter() for _ in days]
    by_kind: dict[str, Counter[str]] = {CLIENT_GRANTS: Counter(), CLIENT_ERRORS: Counter()}
    for hour, figure, detail, count in rows:
        day = sum(begins <= hour for begins in days) - 1
        if day >= 0:
            by_day[day][figure] += count
            by_kind[figure][detail] += count
    series = tuple(
        Series(name, tuple(float(one[figure]) for one in by_day))
        for name, figure in (("granted", CLIENT_GRANTS), ("refused", CLIENT_ERRORS))
    )
    return Activity(Plot("client", days, series), dict(by_kind[CLIENT_GRANTS]), dict(by_kind[CLIENT_ERRORS]))


def describe_activity(activity: Activity) -> dict[str, Any]:
    """Return what REST and the command line say."""
    granted, refused = (one.values for one in activity.plot.series)
    days = [
        {"day": day.date().isoformat(), "granted": int(ok or 0), "refused": int(bad or 0)}
        for day, ok, bad in zip(activity.plot.slots, granted, refused, strict=True)
    ]
    return {"days": days, "grants": activity.grants, "errors": activity.errors}
