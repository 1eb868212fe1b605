"""The acts of administrators, as one table under console, REST and command line: who may, what it changes, how.

An act is planned first: its values are judged and what would change is known. What is risky waits for a second person
where `admin.four_eyes` says so; the rest is carried out at once. Either way it is one row of `changes.py`, applied only
if its target is still at the version that was looked at, and one event of the audit trail.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import update

from idp import audit, entropy, logs, metrics
from idp.admin import account_acts, client_acts, key_acts, limit_acts, message_acts, operation_acts, people_acts
from idp.admin.actors import Actor
from idp.admin.changes import AdminChange, find_change, mark_outdated, settle
from idp.admin.client_acts import LogoGiven, Nothing, Plan, SecretAsked, SecretNamed, plan_state
from idp.admin.emergency_mail import tell_of_emergency
from idp.admin.faults import Conflict, Forbidden, Invalid, NotFound, OwnChange, Refused, Stale
from idp.admin.people_acts import RolesGiven
from idp.admin.schema import ClientDocument, Strict, read_body
from idp.admin.transfer import TransferAsked, plan_transfer, transfer
from idp.db import db
from idp.messages import outbox
from idp.oidc.clients import forget_cached_clients
from idp.settings import settings

log = logs.get_logger()
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True)
class Act:
    """One act: the permission it needs, the one its second person needs, and its two halves."""

    permission: str
    approval: str
    given: type[Strict]
    plan: Callable[[str, Any], Plan]
    carry_out: Callable[[str, AdminChange, datetime], dict[str, Any]]
    # What ends with it, once it is committed: sessions and grants.
    then: Callable[[str, datetime], None] | None = None
    # Whether nobody does it without saying why.
    needs_reason: bool = False
    # Whether it commits by itself: then its change is written before, and corrected if it comes to nothing.
    commits_itself: bool = False


@dataclass(frozen=True)
class Done:
    """What became of an act: applied or waiting; ``shown_once`` holds what nobody can look up later."""

    change: AdminChange | None
    shown_once: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_waiting(self) -> bool:
        """Whether a second person is needed."""
        return self.change is not None and self.change.state == "waiting"


def _create(client_id: str, change: AdminChange, now: datetime) -> dict[str, Any]:
    # A second person who approves shall not see the secret: whoever asked makes one afterwards.
    return client_acts.create(client_id, change, now, shows_secret=change.decided_by in {None, change.created_by})


_AS_CLIENTS, _AS_PEOPLE = "clients.approve", "administrators.approve"
_AS_OPERATORS, _AS_KEY_HOLDERS = "operations.approve", "keys.approve"


def _to_client(needs: str, given: type[Strict], plan: Any, carry_out: Any) -> Act:
    return Act(f"clients.{needs}", _AS_CLIENTS, given, plan, carry_out)


def _to_operations(given: type[Strict], plan: Any, carry_out: Any) -> Act:
    return Act("operations.write", _AS_OPERATORS, given, plan, carry_out)


def _to_keys(given: type[Strict], plan: Any, carry_out: Any, *, needs_reason: bool = False) -> Act:
    return Act("keys.rotate", _AS_KEY_HOLDERS, given, plan, carry_out, needs_reason=needs_reason, commits_itself=True)


def _to_person(given: type[Strict], plan: Any, carry_out: Any, *, then: Any = None) -> Act:
    return Act("administrators.write", _AS_PEOPLE, given, plan, carry_out, then)


def _to_account(plan: Any, *, then: Any = None) -> Act:
    change = account_acts.change_status
    return Act("accounts.disable", "accounts.approve", Nothing, plan, change, then, needs_reason=True)


ACTS: Mapping[str, Act] = {
    "client.create": _to_client("write", ClientDocument, client_acts.plan_create, _create),
    "client.update": _to_client("write", ClientDocument, client_acts.plan_update, client_acts.change_document),
    "client.logo": _to_client("write", LogoGiven, client_acts.plan_logo, client_acts.change_logo),
    "client.transfer": _to_client("write", TransferAsked, plan_transfer, transfer),
    "client.suspend": _to_client("suspend", Nothing, plan_state("suspended"), client_acts.change_state),
    "client.resume": _to_client("suspend", Nothing, plan_state("active"), client_acts.change_state),
    "client.archive": _to_client("suspend", Nothing, plan_state("archived"), client_acts.change_state),
    "client.restore": _to_client("suspend", Nothing, plan_state("restored"), client_acts.change_state),
    "client.add-secret": _to_client("secrets", SecretAsked, client_acts.plan_secret, client_acts.make_secret),
    "client.revoke-secret": _to_client("secrets", SecretNamed, client_acts.plan_revoke, client_acts.revoke_secret),
    "administrator.add": _to_person(RolesGiven, people_acts.plan_add, people_acts.add),
    "administrator.roles": _to_person(RolesGiven, people_acts.plan_roles, people_acts.change_roles),
    "administrator.disable": _to_person(
        Nothing, people_acts.plan_disable, people_acts.change_disabled, then=people_acts.end_sessions
    ),
    "administrator.enable": _to_person(Nothing, people_acts.plan_enable, people_acts.change_disabled),
    "administrator.enrol": _to_person(
        Nothing, people_acts.plan_enrol, people_acts.enrol_anew, then=people_acts.end_sessions
    ),
    "account.disable": _to_account(account_acts.plan_disable, then=account_acts.end_grants),
    "account.enable": _to_account(account_acts.plan_enable, then=account_acts.send_alerts),
    "key.rotate": _to_keys(key_acts.RotationAsked, key_acts.plan_rotation, key_acts.rotate),
    "key.revoke": _to_keys(key_acts.RevocationAsked, key_acts.plan_revocation, key_acts.revoke, needs_reason=True),
    "channel.off": _to_operations(Nothing, operation_acts.plan_switch(off=True), operation_acts.switch),
    "channel.on": _to_operations(Nothing, operation_acts.plan_switch(off=False), operation_acts.switch),
    "banner.set": _to_operations(operation_acts.BannerGiven, operation_acts.plan_banner, operation_acts.put_banner),
    "text.set": _to_operations(message_acts.TextGiven, message_acts.plan_text, message_acts.put_text),
    "text.reset": _to_operations(Nothing, message_acts.plan_ours, message_acts.put_text),
    "limit.set": _to_operations(limit_acts.LimitGiven, limit_acts.plan_limit, limit_acts.put_limit),
    "limit.reset": _to_operations(Nothing, limit_acts.plan_reset, limit_acts.put_limit),
    "banner.remove": _to_operations(Nothing, operation_acts.plan_no_banner, operation_acts.put_banner),
}


def preview(actor: Actor, name: str, target: str, given: Mapping[str, Any]) -> Plan:
    """Return what an act would change, and change nothing."""
    act = ACTS[name]
    actor.require(act.permission)
    return act.plan(target, read_body(act.given, given))


def perform(
    actor: Actor,
    name: str,
    target: str,
    given: Mapping[str, Any],
    *,
    now: datetime,
    version: int | None = None,
    reason: str = "",
    emergency: bool = False,
    propose: bool = False,
) -> Done:
    """Do an act, or let it wait for a second person; ``version`` is what the actor looked at. Commits."""
    try:
        done = _perform(actor, name, target, given, now, version, reason, emergency, propose)
    except Refused as refusal:
        db.session.rollback()
        _record(name, target, actor, "refused", reason=refusal.kind)
        raise
    return done


def _perform(
    actor: Actor,
    name: str,
    target: str,
    given: Mapping[str, Any],
    now: datetime,
    version: int | None,
    reason: str,
    emergency: bool,
    propose: bool,
) -> Done:
    act = ACTS[name]
    actor.require(act.permission)
    reason = _read_reason(reason, demanded=emergency or act.needs_reason)
    plan = act.plan(target, read_body(act.given, given))
    if version is not None and version != plan.version:
        raise Stale("somebody changed it meanwhile")
    if plan.before == plan.after:
        return Done(None)
    if emergency:
        actor.require("emergency")
        if act.approval == _AS_PEOPLE:
            # No accident needs an administrator more; whoever broke this glass would be two people from then on.
            raise Forbidden("roles are never given alone")
    if emergency or (act.approval == _AS_PEOPLE and plan.is_risky):
        actor.require_proof(now)
    needs_two = propose or (plan.is_risky and settings.four_eyes and not actor.is_operator)
    change = AdminChange(
        id=entropy.identifier(), act=name, target=target, base_version=plan.version, before=dict(plan.before),
        after=dict(plan.after), reason=reason, state="waiting" if needs_two and not emergency else "applied",
        emergency=emergency and needs_two, created_by=actor.signature[:60], surface=actor.surface, created_at=now,
    )  # fmt: skip
    db.session.add(change)
    db.session.flush()
    if change.emergency:
        tell_of_emergency(change, now)
    shown = _carry_out(act, target, change, now) if change.state == "applied" else {}
    db.session.commit()
    _tell(change, actor, act, now)
    return Done(change, shown)


def approve(actor: Actor, change_id: str, *, now: datetime) -> Done:
    """Apply what somebody else asked for, exactly as they asked, if nothing has changed since. Commits."""
    change, act = _decided(actor, change_id)
    actor.require_proof(now)
    name, target = change.act, change.target
    if not settle(change_id, "applied", by=actor.signature[:60], now=now):
        raise Conflict("somebody decided this meanwhile")
    change = _get_change(change_id)
    try:
        shown = _carry_out(act, target, change, now)
    except (Stale, Conflict, Invalid, NotFound) as refusal:
        db.session.rollback()
        forget_cached_clients()
        settle(change_id, "outdated", by=actor.signature[:60], now=now)
        db.session.commit()
        _record(name, target, actor, "outdated", change=change_id)
        raise Conflict(f"it no longer fits: {refusal.detail}") from None
    db.session.commit()
    _tell(change, actor, act, now)
    return Done(change, shown)


def _carry_out(act: Act, target: str, change: AdminChange, now: datetime) -> dict[str, Any]:
    if not act.commits_itself:
        return act.carry_out(target, change, now)
    change_id = change.id
    db.session.commit()
    try:
        return act.carry_out(target, change, now)
    except Refused:
        db.session.rollback()
        mark_outdated(change_id)
        db.session.commit()
        raise


def refuse(actor: Actor, change_id: str, *, now: datetime) -> Done:
    """Turn down what somebody else asked for. Commits."""
    change, _act = _decided(actor, change_id)
    return _settle(actor, change, "refused", now)


def withdraw(actor: Actor, change_id: str, *, now: datetime) -> Done:
    """Take back what one asked for oneself. Commits."""
    change = _get_change(change_id)
    if _owner(change) != actor.name:
        raise NotFound("no such change of yours")
    return _settle(actor, change, "withdrawn", now)


def review(actor: Actor, change_id: str, *, now: datetime) -> Done:
    """Say that one has looked at what somebody did alone (break-glass). Commits."""
    change = _get_change(change_id)
    act = ACTS[change.act]
    actor.require(act.approval)
    if _owner(change) == actor.name:
        raise OwnChange("nobody reviews their own change")
    reviewed = db.session.execute(
        update(AdminChange)
        .where(AdminChange.id == change_id, AdminChange.emergency, AdminChange.reviewed_by.is_(None))
        .values(reviewed_by=actor.signature[:60])
        .returning(AdminChange.id)
        .execution_options(synchronize_session=False)
    ).one_or_none()
    if reviewed is None:
        raise Conflict("there is nothing to review")
    db.session.commit()
    _record(change.act, change.target, actor, "reviewed", change=change_id)
    return Done(_get_change(change_id))


def may_decide(actor: Actor, change: AdminChange) -> bool:
    """Tell whether the actor can approve or refuse a change."""
    return change.state == "waiting" and actor.may(ACTS[change.act].approval) and _owner(change) != actor.name


def may_review(actor: Actor, change: AdminChange) -> bool:
    """Tell whether the actor can say that they looked at what somebody did alone."""
    is_open = change.emergency and change.reviewed_by is None
    return is_open and actor.may(ACTS[change.act].approval) and _owner(change) != actor.name


def is_own(actor: Actor, change: AdminChange) -> bool:
    """Tell whether the actor asked for a change."""
    return _owner(change) == actor.name


def _decided(actor: Actor, change_id: str) -> tuple[AdminChange, Act]:
    """Return a change that the actor may decide."""
    change = _get_change(change_id)
    act = ACTS[change.act]
    actor.require(act.approval)
    if _owner(change) == actor.name:
        _record(change.act, change.target, actor, "refused", reason="own-change", change=change_id)
        raise OwnChange("nobody approves their own change")
    if change.state != "waiting":
        raise Conflict(f"it is {change.state}")
    return change, act


def _settle(actor: Actor, change: AdminChange, state: Any, now: datetime) -> Done:
    if not settle(change.id, state, by=actor.signature[:60], now=now):
        raise Conflict("it does not wait any more")
    db.session.commit()
    _record(change.act, change.target, actor, state, change=change.id)
    return Done(_get_change(change.id))


def _get_change(change_id: str) -> AdminChange:
    change = find_change(change_id)
    if change is None:
        raise NotFound("no such change")
    return change


def _owner(change: AdminChange) -> str:
    """Return the person behind a signature: a token is its owner."""
    return change.created_by.partition(" (")[0]


def _read_reason(reason: str, *, demanded: bool) -> str:
    text = " ".join(reason.split())
    if len(text) > _LONGEST_REASON or not text.isprintable():
        raise Invalid("the reason cannot stand", (("reason", f"at most {_LONGEST_REASON} printable characters"),))
    # It stays in the history for good, where no NIR, address or number of anybody may be.
    if logs.clean(text) != text:
        raise Invalid("the reason cannot stand", (("reason", "no NIR, address, number or token of anybody"),))
    if demanded and len(text) < 10:
        raise Invalid("this needs a reason", (("reason", "at least 10 characters"),))
    return text


def _tell(change: AdminChange, actor: Actor, act: Act, now: datetime) -> None:
    """Write down what was done, and alert where one person did what two should."""
    _record(change.act, change.target, actor, change.state, change=change.id)
    if change.emergency:
        metrics.ADMIN_EMERGENCIES.inc()
        outbox.wake()
        log.warning("break-glass", act=change.act, target=change.target, by=actor.name, change=change.id)
        _record(change.act, change.target, actor, "emergency", change=change.id)
    if change.state == "applied" and act.then is not None:
        act.then(change.target, now)


def _record(
    name: str, target: str, actor: Actor, outcome: str, *, reason: str | None = None, change: str | None = None
) -> None:
    metrics.ADMIN.labels(name, outcome).inc()
    is_client, is_account = name.startswith("client."), name.startswith("account.")
    known = target[:80] if target.isascii() and target.isprintable() else ""
    audit.record(
        name,
        outcome=outcome,
        reason=reason,
        client_id=known if is_client and known else None,
        account_id=known if is_account and known else None,
        administrator=actor.name,
        surface=actor.surface,
        change=change,
        **({} if is_client or is_account else {"target": known}),
    )
