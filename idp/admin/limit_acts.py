"""What operators do to limits at run time: another value within bounds, or the setting's own again.

What keeps less out than the settings say takes two people; stricter, and back again, is one person's act.
"""

from datetime import datetime
from typing import Any

from pydantic import Field

from idp.admin.client_acts import Nothing, Plan
from idp.admin.faults import Invalid, NotFound
from idp.admin.operation_acts import put_operation
from idp.admin.schema import Strict
from idp.limits import LIMITS, Limit, read_limit
from idp.operations import find_operation, list_operations, settings_of_the_start


class LimitGiven(Strict):
    """A limit's new value; lengths of time are in seconds."""

    value: int = Field(ge=0, le=1_000_000, description="within the limit's own bounds; lengths of time in seconds")


def plan_limit(path: str, given: LimitGiven) -> Plan:
    """Another value for a limit."""
    limit, own = _get_limit(path), read_limit(settings_of_the_start(), path)
    if not limit.lowest <= given.value <= limit.highest:
        raise Invalid("out of bounds", (("value", f"{limit.lowest} to {limit.highest}"),))
    present, version = _present(path, own)
    return Plan({"value": present}, {"value": given.value}, version, is_risky=limit.is_weaker(given.value, own))


def plan_reset(path: str, _given: Nothing) -> Plan:
    """The setting's own value again."""
    _get_limit(path)
    own = read_limit(settings_of_the_start(), path)
    present, version = _present(path, own)
    return Plan({"value": present}, {"value": own, "as_configured": True}, version)


def put_limit(path: str, change: Any, now: datetime) -> dict[str, Any]:
    """Lay the value over the setting, or take it away."""
    value = None if change.after.get("as_configured") else {"value": change.after["value"]}
    put_operation(f"limit:{path}", change, value, now)
    return {}


def describe_limits() -> list[dict[str, Any]]:
    """Return every limit that may be changed, its value, its bounds, and who changed it."""
    rows, found = list_operations("limit"), []
    for path, limit in LIMITS.items():
        row, own = rows.get(path), read_limit(settings_of_the_start(), path)
        is_changed = row is not None and row.value is not None
        found.append(
            {
                "name": path,
                "value": row.value["value"] if row is not None and row.value is not None else own,
                "configured": own,
                "lowest": limit.lowest,
                "highest": limit.highest,
                "weaker": limit.weaker,
                "changed_at": row.changed_at if row is not None and is_changed else None,
                "changed_by": row.changed_by if row is not None and is_changed else None,
            }
        )
    return found


def _present(path: str, own: int) -> tuple[int, int]:
    row = find_operation(f"limit:{path}")
    if row is None:
        return own, 0
    return (row.value["value"] if row.value else own), row.version


def _get_limit(path: str) -> Limit:
    if path not in LIMITS:
        raise NotFound("no such limit")
    return LIMITS[path]
