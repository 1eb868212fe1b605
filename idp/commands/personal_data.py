"""`idp accounts delete|correct`: what people may ask of whoever holds their data (GDPR articles 16 and 17)."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

import click

from idp import audit, clock
from idp.accounts.contacts import ContactFault
from idp.accounts.directory import DuplicateAccount, NoSuchAccount, find_account, find_account_by_nir
from idp.accounts.nir import NirFault, parse_nir
from idp.admin.actors import operator
from idp.admin.erasure import NotErasable, correct, erase
from idp.commands.accounts import accounts, explain
from idp.commands.program import application, as_json, say

who = click.argument("who", metavar="WHO")
reason = click.option("--reason", required=True, help="Why, in a word; kept, and seen by auditors.")
ticket = click.option("--ticket", default="", help="Such as DPO-2026-118.")


@accounts.command("delete")
@who
@reason
@ticket
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def accounts_delete(who: str, reason: str, ticket: str, yes: bool, as_json: bool) -> None:
    """Sign a person out everywhere and forget them; WHO is an id, or - to type the NIR unseen. Cannot be undone."""
    with _account(who) as account_id:
        if not yes:
            click.confirm(f"Erase account {account_id} and all that is known of it?", abort=True)
        gone = erase(account_id, reason=reason, ticket=ticket, by=_by(), now=clock.now())
        say({"id": account_id, "erased rows": gone}, as_json)


@accounts.command("correct")
@who
@reason
@ticket
@click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="Repeatable; an empty value takes it away.")
@click.option("--nir", "renumber", is_flag=True, help="Ask for another NIR, typed unseen.")
@click.option("--unverified", is_flag=True, help="A new address or mobile still has to be confirmed.")
@as_json
def accounts_correct(
    who: str, reason: str, ticket: str, pairs: tuple[str, ...], renumber: bool, unverified: bool, as_json: bool
) -> None:
    """Put values of an account right: email, mobile, locale, given_name, family_name, birthdate …

    Whoever had the old address or mobile is told.
    """
    changes = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(changes) != len(pairs):
        raise click.UsageError("--set takes NAME=VALUE, each name once")
    if "nir" in changes:
        raise click.UsageError("a NIR is not given on a command line, which others can read: --nir asks for it")
    with _account(who) as account_id:
        if renumber:
            changes["nir"] = click.prompt("New NIR", hide_input=True)
        if not changes:
            raise click.UsageError("nothing to put right")
        changed = correct(
            account_id, changes, verified=not unverified, reason=reason, ticket=ticket, by=_by(), now=clock.now()
        )
        say({"id": account_id, "corrected": changed}, as_json)


@contextmanager
def _account(who: str) -> Iterator[str]:
    typed = click.prompt("NIR", hide_input=True) if who == "-" else ""
    with application():
        try:
            account = find_account_by_nir(parse_nir(typed)) if typed else find_account(who)
            if account is None:
                raise NoSuchAccount(who)
            yield account.id
        except NoSuchAccount:
            raise click.ClickException("no such account") from None
        except (NirFault, ContactFault, DuplicateAccount, NotErasable, ValueError) as fault:
            audit.flush()
            raise click.ClickException(explain(fault)) from None


def _by() -> str:
    return operator(getpass.getuser()).name
