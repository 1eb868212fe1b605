"""`idp bounces`: delivery reports from the mail server."""

from typing import BinaryIO

import click

from idp import clock
from idp.commands.program import application, as_json, cli, say
from idp.db import db
from idp.messages.bounces import LARGEST, read_bounce


@cli.group("bounces")
def bounce_group() -> None:
    """Mails that came back to `smtp.return_address`."""


@bounce_group.command("read")
@click.argument("files", nargs=-1, required=True, type=click.File("rb"))
@click.option("--recipient", default="", help="The envelope's recipient, if the mail server says it.")
@as_json
def bounces_read(files: tuple[BinaryIO, ...], recipient: str, as_json: bool) -> None:
    """Take in delivery reports (RFC 3464): FILES, or - for one mail from a pipe transport.

    Mails that are no reports about ours are passed over: the mail server shall not send them back.
    """
    with application():
        outcomes = [read_bounce(file.read(LARGEST), recipient=recipient, now=clock.now()) for file in files]
        db.session.commit()
        say(
            [{"file": getattr(file, "name", "-"), "outcome": out} for file, out in zip(files, outcomes, strict=True)],
            as_json,
        )
