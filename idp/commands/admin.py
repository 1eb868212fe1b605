"""`idp admin`: administrators, and the changes that wait; the way in when there is no administrator yet."""

from typing import Any

import click

from idp import clock
from idp.admin import actions
from idp.admin.administrators import describe_administrator, list_administrators
from idp.admin.changes import STATES, describe_change, list_changes
from idp.admin.roles import PERMISSIONS, ROLES
from idp.commands.acting import current_operator, refusals
from idp.commands.program import application, as_json, cli, say
from idp.settings import settings

roles = click.option("--role", "roles", multiple=True, type=click.Choice(list(ROLES)), help="Repeatable.")
reason = click.option("--reason", default="", help="Why, for the history.")


@cli.group("admin")
def admin_group() -> None:
    """Administrators and their changes."""


@admin_group.command("add")
@click.argument("name")
@roles
@reason
@as_json
def admin_add(name: str, roles: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Add an administrator; the password, printed once, enrols their passkey at /admin/enrol."""
    with application(), refusals():
        _say_done(_do("add", name, {"roles": list(roles)}, reason), as_json)


@admin_group.command("roles")
@click.argument("name")
@roles
@reason
@as_json
def admin_roles(name: str, roles: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Give an administrator exactly these roles."""
    with application(), refusals():
        _say_done(_do("roles", name, {"roles": list(roles)}, reason), as_json)


def _act_command(act: str, text: str) -> None:
    @admin_group.command(act, help=text)
    @click.argument("name")
    @reason
    @as_json
    def command(name: str, reason: str, as_json: bool) -> None:
        with application(), refusals():
            _say_done(_do(act, name, {}, reason), as_json)


_act_command("disable", "Shut an administrator out, at once.")
_act_command("enable", "Let a disabled administrator back in.")
_act_command("enrol", "A lost passkey: end every old one, and print a password for a new one.")


@admin_group.command("list")
@as_json
def admin_list(as_json: bool) -> None:
    """List administrators."""
    with application():
        say([describe_administrator(one) for one in list_administrators()], as_json)


@admin_group.command("permissions")
@as_json
def admin_permissions(as_json: bool) -> None:
    """List what each role allows."""
    told = [{"role": role, "permissions": sorted(allowed)} for role, allowed in ROLES.items()]
    say(told if as_json else [*told, dict(PERMISSIONS)], as_json)


@admin_group.command("changes")
@click.option("--state", type=click.Choice(list(STATES)), help="All when absent.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000))
@as_json
def admin_changes(state: str | None, limit: int, as_json: bool) -> None:
    """List changes, the latest first."""
    with application():
        say([describe_change(one) for one in list_changes(state=state, limit=limit)], as_json)


def _decision_command(name: str, decide: Any, text: str) -> None:
    @admin_group.command(name, help=text)
    @click.argument("change_id")
    @as_json
    def command(change_id: str, as_json: bool) -> None:
        with application(), refusals():
            _say_done(decide(current_operator(), change_id, now=clock.now()), as_json)


_decision_command("approve", actions.approve, "Apply what somebody else asked for.")
_decision_command("refuse", actions.refuse, "Turn down what somebody else asked for.")
_decision_command("withdraw", actions.withdraw, "Take back what one asked for here.")
_decision_command("review", actions.review, "Note that one has looked at an emergency.")


def _do(act: str, name: str, given: dict[str, Any], reason: str) -> actions.Done:
    return actions.perform(current_operator(), f"administrator.{act}", name, given, now=clock.now(), reason=reason)


def _say_done(done: actions.Done, as_json: bool) -> None:
    shown = dict(done.shown_once)
    if "enrolment_password" in shown:
        shown["enrol_at"] = f"{settings.issuer}/admin/enrol"
    change = {} if done.change is None else {"change": done.change.id, "state": done.change.state}
    say({**change, **shown}, as_json)
