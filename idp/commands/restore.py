"""`idp restore finish`: what has to happen between a restored backup and the first visitor."""

import getpass

import click

from idp import clock
from idp.admin.actors import operator
from idp.admin.restoring import finish_restore
from idp.commands.program import application, as_json, cli, say
from idp.state import state


@cli.group("restore")
def restore_group() -> None:
    """Backups that were restored."""


@restore_group.command("finish")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def restore_finish(yes: bool, as_json: bool) -> None:
    """End everything that was issued before: sessions, codes, tokens, sheets of recovery codes, waiting changes.

    Run it on a database that was just restored, before any node or worker starts: docs/howto/backup.md.
    """
    with application():
        if not yes:
            click.confirm("Sign everybody out and end every token?", abort=True)
        told = finish_restore(by=operator(getpass.getuser()).name, now=clock.now())
        # Settings that lack `redis_url` would have emptied a table and left Redis as it was: that must be seen.
        say({"emptied": type(state.store).__name__, **told}, as_json)
