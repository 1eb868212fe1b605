"""What administrators do to administrators: add, change roles, disable, let enrol anew."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import Field
from sqlalchemy import update

from idp import entropy
from idp.accounts.passwords import hash_password
from idp.admin.administrators import (
    NAME,
    Administrator,
    add_administrator,
    find_administrator,
)
from idp.admin.client_acts import Nothing, Plan
from idp.admin.faults import Conflict, Invalid, NotFound, Stale
from idp.admin.roles import ROLES
from idp.admin.schema import Strict
from idp.db import db
from idp.mfa.passkeys import list_passkeys, revoke_passkey
from idp.oidc.sign_out import sign_out_everywhere
from idp.settings import settings


class RolesGiven(Strict):
    """What somebody may do from now on."""

    roles: list[Literal[tuple(ROLES)]] = Field(max_length=len(ROLES), description="their roles")  # type: ignore[valid-type]


def get_administrator(name: str) -> Administrator:
    """Return an administrator, or raise `NotFound`."""
    found = find_administrator(name) if len(name) <= 60 else None
    if found is None:
        raise NotFound("no such administrator")
    return found


def plan_add(name: str, given: RolesGiven) -> Plan:
    """Somebody new."""
    if not NAME.fullmatch(name):
        raise Invalid("the name cannot stand", (("name", "2 to 40 small letters, digits, . and -, a letter first"),))
    if find_administrator(name) is not None:
        raise Conflict(f"{name} is there already")
    return Plan({}, {"roles": sorted(set(given.roles))}, 0, is_risky=True)


def plan_roles(name: str, given: RolesGiven) -> Plan:
    """Other roles; a role less is taken away at once."""
    one = get_administrator(name)
    before, after = sorted(set(one.roles)), sorted(set(given.roles))
    _keep_somebody(name, after)
    return Plan({"roles": before}, {"roles": after}, one.version, is_risky=not set(after) <= set(before))


def plan_disable(name: str, _given: Nothing) -> Plan:
    """Nobody may come in under this name any more."""
    one = get_administrator(name)
    if one.disabled_at is not None:
        raise Conflict(f"{name} is disabled")
    _keep_somebody(name, ())
    return Plan({"disabled": False}, {"disabled": True}, one.version)


def plan_enable(name: str, _given: Nothing) -> Plan:
    """Let somebody back in, with the roles and passkeys that they had."""
    one = get_administrator(name)
    if one.disabled_at is None:
        raise Conflict(f"{name} is not disabled")
    return Plan({"disabled": True}, {"disabled": False}, one.version, is_risky=True)


def plan_enrol(name: str, _given: Nothing) -> Plan:
    """A lost passkey: every old one ends, and a password enrols a new one."""
    one = get_administrator(name)
    if one.disabled_at is not None:
        raise Conflict(f"{name} is disabled")
    return Plan({"passkeys": "kept"}, {"passkeys": "to be enrolled anew"}, one.version, is_risky=True)


def add(name: str, change: Any, now: datetime) -> dict[str, Any]:
    """Add somebody; the password, shown this once, enrols their passkey."""
    # The change was written in this transaction, which hashing would end: it is made before anything is locked.
    password = _add_in_place(name, tuple(change.after["roles"]), now)
    return {"enrolment_password": password}


def change_roles(name: str, change: Any, now: datetime) -> dict[str, Any]:
    """Give the roles; they hold from the next request on (ASVS 8.3.2)."""
    _bump(name, change.base_version, roles=change.after["roles"])
    return {}


def change_disabled(name: str, change: Any, now: datetime) -> dict[str, Any]:
    """Shut somebody out everywhere, or let them back in."""
    disabled = change.after["disabled"]
    _bump(name, change.base_version, disabled_at=now if disabled else None)
    return {}


def enrol_anew(name: str, change: Any, now: datetime) -> dict[str, Any]:
    """End every passkey, and make a password for a new one."""
    one = get_administrator(name)
    password = entropy.identifier()
    for passkey in list_passkeys(one.account_id or ""):
        revoke_passkey(passkey, now)
    _bump(
        name, change.base_version, password_hash=hash_password(password),
        password_until=now + settings.admin.enrolment,
    )  # fmt: skip
    return {"enrolment_password": password}


def end_sessions(name: str, now: datetime) -> None:
    """End every session of somebody whose access was changed; commits, so it is called when all else is done."""
    one = find_administrator(name)
    if one is not None and one.account_id is not None:
        sign_out_everywhere(one.account_id, now, reason="administrator-changed", except_sid=None)


def _add_in_place(name: str, roles: tuple[str, ...], now: datetime) -> str:
    password = add_administrator(name, now, roles, keep_transaction=True)
    if password is None:
        raise Conflict(f"{name} is there already")
    return password


def _keep_somebody(name: str, roles: Iterable[str]) -> None:
    """Refuse to take the last role-admin away: nobody could give roles any more."""
    if "role-admin" in set(roles):
        return
    query = db.session.query(Administrator).filter(Administrator.disabled_at.is_(None), Administrator.name != name)
    is_one = "role-admin" in get_administrator(name).roles
    if is_one and not any("role-admin" in other.roles for other in query):
        raise Conflict("nobody else is role-admin")


def _bump(name: str, base_version: int, **values: Any) -> None:
    moved = db.session.execute(
        update(Administrator)
        .where(Administrator.name == name, Administrator.version == base_version)
        .values(version=base_version + 1, **values)
        .returning(Administrator.name)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if moved is None:
        raise Stale("the administrator was changed meanwhile")
