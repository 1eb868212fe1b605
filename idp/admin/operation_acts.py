"""What operators do while the provider runs: switch a channel off and on again, put up a banner and take it down.

Off and on again is one person's act: under attack nobody waits. The passkey alone needs two: it is the strongest proof,
and the only way into the console.
"""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from idp import clock, operations
from idp.admin.client_acts import Nothing, Plan
from idp.admin.faults import Invalid, NotFound, Stale
from idp.admin.schema import Strict
from idp.db import db
from idp.mfa.methods import switches
from idp.operations import Operation, find_operation, list_operations
from idp.settings import settings

LONGEST_BANNER: Final = timedelta(days=31)
LANGUAGES: Final = ("fr", "en")
BANNER: Final = "all"


def _said(text: str) -> str:
    line = " ".join(text.split())
    if not line or not line.isprintable() or "\ufffd" in line:
        raise ValueError("must be said in printable characters")
    return line


Said = Annotated[str, Field(max_length=300), AfterValidator(_said)]
When = Annotated[str, Field(max_length=40, pattern=r"^[0-9T:.+Z-]*$")]


class BannerGiven(Strict):
    """What every page says, and from when to when."""

    fr: Said = Field(description="in French")
    en: Said = Field(description="in English, and for every other language")
    begins_at: When = Field(default="", description="ISO 8601; without a zone it is the provider's; empty: now")
    ends_at: When = Field(description="ISO 8601; at most 31 days after the beginning")


def plan_switch(*, off: bool) -> Any:
    """Return the plan of switching a channel or factor off, or on again."""

    def plan(name: str, _given: Nothing) -> Plan:
        if name not in switches():
            raise NotFound("no such channel")
        row = find_operation(f"channel:{name}")
        is_off = row is not None and row.value is not None
        return Plan({"off": is_off}, {"off": off}, row.version if row else 0, is_risky=off and name == "passkey")

    return plan


def switch(name: str, change: Any, now: datetime) -> dict[str, Any]:
    """Let no proof come over a channel any more, or let it."""
    put_operation(f"channel:{name}", change, {"off": True} if change.after["off"] else None, now)
    return {}


def plan_banner(target: str, given: BannerGiven) -> Plan:
    """Another banner; it takes the place of the one that is there."""
    _check_target(target)
    begins = parse_moment("begins_at", given.begins_at) if given.begins_at else clock.now()
    ends = parse_moment("ends_at", given.ends_at)
    if not begins < ends <= begins + LONGEST_BANNER or ends <= clock.now():
        raise Invalid("it cannot stand", (("ends_at", "after its beginning and now, at most 31 days"),))
    after = {
        "texts": {"fr": given.fr, "en": given.en},
        "begins_at": begins.isoformat(timespec="seconds"),
        "ends_at": ends.isoformat(timespec="seconds"),
    }
    before, version = _present_banner()
    return Plan(before, after, version)


def plan_no_banner(target: str, _given: Nothing) -> Plan:
    """No banner any more."""
    _check_target(target)
    before, version = _present_banner()
    return Plan(before, {}, version)


def put_banner(target: str, change: Any, now: datetime) -> dict[str, Any]:
    """Put up the banner, or take it down."""
    put_operation(f"banner:{target}", change, dict(change.after) or None, now)
    return {}


def describe_operations(now: datetime) -> dict[str, Any]:
    """Return what every surface shows of channels and banner, as the database has them."""
    rows = list_operations("channel")
    banner, row = _present_banner()[0], list_operations("banner").get(BANNER)
    return {
        "channels": [_describe_channel(name, rows.get(name)) for name in switches()],
        "banner": {
            **banner,
            "changed_at": row.changed_at,
            "changed_by": row.changed_by,
            "shows": (found := operations.read_banner(banner)).begins_at <= now < found.ends_at,
        }
        if banner and row
        else None,
    }


def _describe_channel(name: str, row: Operation | None) -> dict[str, Any]:
    return {
        "name": name,
        "off": row is not None and row.value is not None,
        "changed_at": row.changed_at if row else None,
        "changed_by": row.changed_by if row else None,
    }


def _present_banner() -> tuple[dict[str, Any], int]:
    row = find_operation(f"banner:{BANNER}")
    return (dict(row.value or {}), row.version) if row else ({}, 0)


def _check_target(target: str) -> None:
    if target != BANNER:
        raise NotFound("there is one banner")


def parse_moment(field: str, text: str) -> datetime:
    """Return the moment that a form or a body says; raises `Invalid`, which names ``field``."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Invalid("it cannot stand", ((field, "a moment, such as 2026-03-02T14:00"),)) from None
    # What a form holds is the time of the wall.
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(settings.time_zone))


def put_operation(name: str, change: Any, value: dict[str, Any] | None, now: datetime) -> None:
    """Write a row on the version that was looked at, or raise `Stale`."""
    values = {"value": value, "changed_at": now, "changed_by": change.created_by}
    if change.base_version == 0:
        db.session.add(Operation(name=name, version=1, **values))
        try:
            db.session.flush()
        except IntegrityError:
            raise Stale("somebody was faster") from None
    else:
        moved = db.session.execute(
            update(Operation)
            .where(Operation.name == name, Operation.version == change.base_version)
            .values(version=change.base_version + 1, **values)
            .returning(Operation.name)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if moved is None:
            raise Stale("somebody changed it meanwhile")
    operations.forget()
