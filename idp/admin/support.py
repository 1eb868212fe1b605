"""The support desk: why a person cannot get in, seen without their secrets, and the two acts that help (ux.md §5, S01).

An account is opened by what the person can say: the reference on their screen, their NIR, or their whole address or
number; never by a list. Each look needs a reason, stands in the trail and in the person's own history, and lasts a
quarter of an hour. Nothing here returns a code, a NIR, a password or a whole address; there is no role for it (AC-14).
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from idp import logs, metrics, ratelimit
from idp.accounts import devices, directory, throttle
from idp.accounts.contact_changes import Kind
from idp.accounts.models import Account
from idp.admin import actions
from idp.admin import support_events as events
from idp.admin.actors import Actor
from idp.admin.changes import list_changes
from idp.admin.faults import Conflict, Invalid, NotFound, TooOften
from idp.admin.naming import accounts_named, parse_identifier
from idp.audit.search import Wanted, search
from idp.db import db
from idp.entropy import SPOKEN, identifier
from idp.messages import outbox
from idp.messages.alerts import alert
from idp.mfa import guard
from idp.ratelimit import Window
from idp.settings import settings
from idp.state import Space, state

# Why an account is opened; a choice, for what is typed freely would hold names and numbers.
REASONS: Final = ("call", "counter", "letter", "partner", "fraud")
Word = Literal["disable", "enable"]
WORDS: Final[tuple[Word, ...]] = ("disable", "enable")
_REFERENCE = re.compile(rf"([{SPOKEN}]{{3}})[\s-]?([{SPOKEN}]{{3}})")
_TICKET = re.compile(r"[A-Z]{0,6}-?[0-9]{0,8}")
_OPEN_FOR = timedelta(minutes=15)
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True)
class Case:
    """One account that one adviser has open, and why."""

    id: str
    account_id: str
    opened_by: str
    reason: str
    ticket: str
    reference: str = ""


CASES = Space("support-case", Case)


def open_case(actor: Actor, typed: str, *, reason: str, ticket: str = "", now: datetime) -> Case:
    """Open the account that ``typed`` names exactly; raises `Invalid`, `NotFound` or `TooOften`. Commits nothing."""
    actor.require("support.read")
    _check_reason(reason, ticket)
    if not spend_view(actor, now):
        events.look_up_throttled(administrator=actor.name, surface=actor.surface)
        raise TooOften("this adviser has opened too many accounts in one hour")
    by, accounts, reference = _find(actor, typed)
    metrics.SUPPORT.labels("view", "found" if len(accounts) == 1 else "not-found").inc()
    account_id = accounts[0] if len(accounts) == 1 else None
    events.account_looked_up(
        administrator=actor.name, account_id=account_id, surface=actor.surface, reason=reason, by=by, ticket=ticket
    )
    if len(accounts) > 1:
        raise Conflict("several accounts have this; ask for the NIR or the reference")
    if account_id is None:
        raise NotFound("no account has this")
    case = Case(identifier(), account_id, actor.name, reason, ticket, reference)
    state.put(CASES, case.id, case, ttl=_OPEN_FOR)
    return case


def get_case(actor: Actor, case_id: str) -> Case:
    """Return a case that this adviser opened in the last quarter of an hour; raises `NotFound`."""
    actor.require("support.read")
    case = state.get(CASES, case_id)
    if case is None or case.opened_by != actor.name:
        raise NotFound("no such case, or not open any more")
    return case


def lift_pauses(actor: Actor, case: Case, now: datetime) -> None:
    """Let the person try again at once, and tell them; at most twice a day for one account. Commits."""
    actor.require("support.act")
    account = directory.get_account(case.account_id)
    _spend_act(actor, account, "lift", settings.support.lifts_per_day, now)
    lanes = [None, *devices.lanes_of(account.id)]
    passwords = sum(throttle.lift_pause(nir_index=account.nir_index, device=lane) for lane in lanes)
    codes = guard.clear_guards(account.id)
    alert(account, "support-unlocked", now=now)
    db.session.commit()
    outbox.wake()
    metrics.SUPPORT.labels("lift", "ok").inc()
    events.pauses_lifted(
        administrator=actor.name, account_id=account.id, surface=actor.surface, reason=case.reason,
        ticket=case.ticket, passwords=passwords, codes=codes,
    )  # fmt: skip


def advise_change(actor: Actor, case: Case, kind: Kind, now: datetime) -> None:
    """Write to the person how they change their address or number themselves. Commits.

    Nobody here sets it: an adviser who could would be the way to take an account over (AC-13). Whoever has nothing left
    that we could write to goes to the counter with a piece of identity.
    """
    actor.require("support.act")
    account = directory.get_account(case.account_id)
    if not (account.email_verified_at or (account.mobile_verified_at and settings.sms.transport)):
        raise Conflict("there is no confirmed address or number to write to: the person comes to the counter")
    _spend_act(actor, account, "advise", settings.support.advices_per_day, now)
    alert(account, f"{kind}-change-advised", now=now)
    db.session.commit()
    outbox.wake()
    metrics.SUPPORT.labels("advise", "ok").inc()
    events.change_advised(
        kind, administrator=actor.name, account_id=account.id, surface=actor.surface, reason=case.reason,
        ticket=case.ticket,
    )  # fmt: skip


def ask_standing(actor: Actor, case: Case, word: Word, why: str, now: datetime) -> actions.Done:
    """Ask that nobody may sign in with the account, or that it is given back: the act of the table. Commits."""
    name = f"account.{word}"
    actor.require(actions.ACTS[name].permission)
    if list_changes(state="waiting", target=case.account_id, acts="account"):
        raise Conflict("it was asked for already, and waits for a second person")
    if not _spend("support-acts", actor.name, settings.support.acts_per_hour, _HOUR, now):
        metrics.SUPPORT.labels(word, "throttled").inc()
        raise TooOften("not again so soon by this adviser")
    done = actions.perform(actor, name, case.account_id, {}, now=now, reason=why)
    metrics.SUPPORT.labels(word, "waiting" if done.is_waiting else "ok").inc()
    return done


def parse_reference(typed: str) -> str | None:
    """Return a spoken reference in its one spelling, or nothing."""
    found = _REFERENCE.fullmatch(typed.strip().upper())
    return f"{found[1]}-{found[2]}" if found else None


def _find(actor: Actor, typed: str) -> tuple[str, list[str], str]:
    """Return what kind of identifier was typed, the accounts that have it, and the reference if it is one."""
    reference = parse_reference(typed)
    if reference is not None:
        named = {event.account_id for event in search(Wanted(reference=reference), limit=200) if event.account_id}
        return "reference", sorted(named), reference
    if actor.is_operator and (account := directory.find_account(typed)) is not None:
        return "id", [account.id], ""
    known = parse_identifier(typed)
    if known is None:
        raise Invalid("nothing that names an account", (("who", "reference, NIR, e-mail or mobile"),))
    return known[0], accounts_named(*known), ""


def _check_reason(reason: str, ticket: str) -> None:
    if reason not in REASONS:
        raise Invalid("why the account is opened must be said", (("reason", f"one of {', '.join(REASONS)}"),))
    # A NIR or a telephone number is no ticket.
    if not _TICKET.fullmatch(ticket) or logs.clean(ticket) != ticket:
        raise Invalid("no ticket number", (("ticket", "letters, a hyphen, and up to eight digits"),))


def spend_view(actor: Actor, now: datetime) -> bool:
    """Count one person whom somebody asks for by an identifier, at the desk or in the trail; tell whether they may."""
    return _spend("support-views", actor.name, settings.support.views_per_hour, _HOUR, now)


def _spend_act(actor: Actor, account: Account, act: str, per_day: int, now: datetime) -> None:
    if not _spend("support-acts", actor.name, settings.support.acts_per_hour, _HOUR, now) or not _spend(
        f"support-{act}", account.id, per_day, _DAY, now
    ):
        metrics.SUPPORT.labels(act, "throttled").inc()
        raise TooOften("not again so soon: for this account, or by this adviser")


def _spend(name: str, key: str, limit: int, per: timedelta, now: datetime) -> bool:
    return ratelimit.spend(name, key, windows=(Window(limit, per),), now=now).allowed
