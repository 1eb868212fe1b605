"""`idp accounts case|unlock|advise|disable|enable`: the support desk at the machine, with its reasons and limits."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

import click

from idp import audit, clock
from idp.accounts import directory
from idp.accounts.contact_changes import KINDS, Kind
from idp.admin import support
from idp.admin.actors import Actor, operator
from idp.admin.faults import Refused
from idp.admin.support_view import plain, view_case
from idp.commands.accounts import accounts
from idp.commands.program import application, as_json, say

who = click.argument("who", metavar="WHO")
reason = click.option("--reason", required=True, type=click.Choice(support.REASONS), help="Kept, and seen by auditors.")
ticket = click.option("--ticket", default="", help="Such as INC-20417.")


@accounts.command("case")
@who
@reason
@ticket
@as_json
def accounts_case(who: str, reason: str, ticket: str, as_json: bool) -> None:
    """Show why a person cannot get in, masked; WHO is a reference, an id, or - to type an identifier unseen."""
    with _case(who, reason, ticket) as (_actor, case):
        view = plain(view_case(case, clock.now()))
        say(view if as_json else {**view["account"], **{k: v for k, v in view.items() if k != "account"}}, as_json)


@accounts.command("unlock")
@who
@reason
@ticket
@as_json
def accounts_unlock(who: str, reason: str, ticket: str, as_json: bool) -> None:
    """Lift the pauses of an account and tell its holder; WHO as for `case`."""
    with _case(who, reason, ticket) as (actor, case):
        support.lift_pauses(actor, case, clock.now())
        say({"account": case.account_id, "pauses": "lifted"}, as_json)


@accounts.command("advise")
@who
@click.option("--kind", required=True, type=click.Choice(KINDS), help="What should change.")
@reason
@ticket
@as_json
def accounts_advise(who: str, kind: Kind, reason: str, ticket: str, as_json: bool) -> None:
    """Write to a person how they change their address or number themselves; WHO as for `case`."""
    with _case(who, reason, ticket) as (actor, case):
        support.advise_change(actor, case, kind, clock.now())
        say({"account": case.account_id, "advised": kind}, as_json)


def _standing_command(word: support.Word, text: str) -> None:
    @accounts.command(word, help=text)
    @who
    @click.option("--why", required=True, help="For the history, at least 10 characters; nothing of the person.")
    @reason
    @ticket
    @as_json
    def command(who: str, why: str, reason: str, ticket: str, as_json: bool) -> None:
        with _case(who, reason, ticket) as (actor, case):
            support.ask_standing(actor, case, word, why, clock.now())
            say({"account": case.account_id, "status": directory.get_account(case.account_id).status}, as_json)


_standing_command("disable", "Let nobody sign in with an account, and end all it granted; WHO as for `case`.")
_standing_command("enable", "Give an account back to its holder; WHO as for `case`.")


@contextmanager
def _case(who: str, reason: str, ticket: str) -> Iterator[tuple[Actor, support.Case]]:
    # Typed unseen: a command line is visible to others on the machine, and stays in the shell's history.
    typed = click.prompt("NIR, e-mail or mobile", hide_input=True) if who == "-" else who
    with application():
        actor = operator(getpass.getuser())
        try:
            yield actor, support.open_case(actor, typed, reason=reason, ticket=ticket, now=clock.now())
        except Refused as refusal:
            audit.flush()
            raise click.ClickException(refusal.detail) from None
