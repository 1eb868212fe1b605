"""What key-holders do to signing keys: publish the next one, let it sign, revoke what leaked; by two people (AC-200).

To publish a key changes nothing for anybody, so one person may. The steps themselves are `oidc/rotation.py`'s.
"""

from datetime import datetime
from typing import Any, get_args

from pydantic import Field

from idp.admin.client_acts import Plan
from idp.admin.faults import Conflict, NotFound, Stale
from idp.admin.schema import Strict
from idp.oidc import rotation
from idp.oidc.jose.own import ALGORITHMS, Algorithm
from idp.oidc.key_service import KeyUnusable


class RotationAsked(Strict):
    """The next step of a rotation."""

    anyway: bool = Field(default=False, description="wait for caches only, not for relying parties")


class RevocationAsked(Strict):
    """What leaked is to be revoked at once."""

    keep_next: bool = Field(default=False, description="only the active key leaked: the published next one takes over")


def plan_rotation(alg: str, given: RotationAsked) -> Plan:
    """Publish the next key, or let the published one sign; refused while it waits."""
    name = _get_algorithm(alg)
    before = _present(name)
    if before["next"] is None:
        return Plan(before, {**before, "next": "a new key, published"}, 0)
    step = rotation.look_ahead(name, anyway=given.anyway)
    if step is None or step.verdict != "ready":
        raise Conflict(_wait_of(step))
    after = {"active": before["next"], "next": None, "anyway": given.anyway}
    return Plan(before, after, 0, is_risky=True)


def plan_revocation(alg: str, given: RevocationAsked) -> Plan:
    """Revoke every key of the algorithm, or the active one alone."""
    before = _present(_get_algorithm(alg))
    if given.keep_next and before["next"] is None:
        raise Conflict("no next key is published")
    fresh = before["next"] if given.keep_next else "a new key"
    after = {"active": fresh, "next": None, "revoked": [before["active"]] if given.keep_next else "every key"}
    return Plan(before, after, 0, is_risky=True)


def rotate(alg: str, change: Any, _now: datetime) -> dict[str, Any]:
    """Do the step that was looked at. Commits."""
    name, anyway = _get_algorithm(alg), bool(change.after.get("anyway"))
    _check_same(name, change)
    step = _try(lambda: rotation.rotate(name, anyway=anyway))
    if step.outcome == "waiting":
        raise Conflict(_wait_of(step))
    return {}


def revoke(alg: str, change: Any, _now: datetime) -> dict[str, Any]:
    """Revoke what leaked, and sign with another key. Commits."""
    name = _get_algorithm(alg)
    _check_same(name, change)
    keeps_next, reason = isinstance(change.after["revoked"], list), change.reason
    _try(lambda: rotation.revoke_and_replace(name, reason=reason, keep_next=keeps_next))
    return {}


def describe_calendar() -> list[dict[str, Any]]:
    """Return the keys of each algorithm with their dates, what the next one waits for, and who has fetched it."""
    keys = rotation.describe_keys()
    return [
        {
            "alg": alg,
            "keys": [key for key in keys if key["alg"] == alg],
            **_describe_wait(rotation.look_ahead(alg)),
        }
        for alg in ALGORITHMS
    ]


def _describe_wait(step: rotation.Step | None) -> dict[str, Any]:
    if step is None:
        return {"waits_for": None, "usable_at": None, "clients": []}
    clients = [
        {"client_id": one.client_id, "name": one.name, "standing": one.standing, "fetched_at": one.fetched_at}
        for one in step.clients
    ]
    return {"waits_for": step.verdict, "usable_at": step.usable_at, "clients": clients}


def _present(alg: Algorithm) -> dict[str, Any]:
    standing = {key["state"]: key["kid"] for key in rotation.describe_keys() if key["alg"] == alg}
    return {"active": standing.get("active"), "next": standing.get("next")}


def _check_same(alg: Algorithm, change: Any) -> None:
    if _present(alg) != {name: change.before[name] for name in ("active", "next")}:
        raise Stale("the keys have moved on meanwhile")


def _wait_of(step: rotation.Step | None) -> str:
    if step is None or step.usable_at is None:
        return "no next key is published"
    late = ", ".join(client.client_id for client in step.named("late"))
    return f"it waits until {step.usable_at:%Y-%m-%d %H:%M} UTC" + (f" and for {late}" if late else "")


def _try(act: Any) -> rotation.Step:
    try:
        step: rotation.Step = act()
    except (rotation.RotationFault, KeyUnusable) as fault:
        raise Conflict(str(fault)) from None
    return step


def _get_algorithm(alg: str) -> Algorithm:
    known: tuple[Algorithm, ...] = get_args(Algorithm)
    found = next((one for one in known if one == alg), None)
    if found is None:
        raise NotFound("no keys of this algorithm")
    return found
