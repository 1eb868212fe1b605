"""`idp conformance`: accounts and clients for the official suite."""

from pathlib import Path

import click

from idp import clock
from idp.commands.program import application, as_json, cli, say
from idp.db import db


@cli.group("conformance")
def conformance_group() -> None:
    """The official OpenID conformance suite."""


@conformance_group.command("prepare")
@click.option("--suite", default="https://localhost:8443", show_default=True, help="The suite's base URL.")
@click.option("--alias", default="sesame", show_default=True, help="Part of its redirect URIs: /test/a/<alias>/…")
@click.option(
    "--directory", "folder", type=click.Path(path_type=Path, file_okay=False), default="var/conformance/suite",
    show_default=True, help="Where its configuration files are written; they hold secrets.",
)  # fmt: skip
@as_json
def conformance_prepare(suite: str, alias: str, folder: Path, as_json: bool) -> None:
    """Make the suite's account and clients anew, and its configuration files; test hosts only."""
    from idp.conformance.account import NoTestAccount
    from idp.conformance.prepare import prepare

    with application():
        try:
            prepared = prepare(suite.rstrip("/"), alias, folder, now=clock.now())
        except NoTestAccount as fault:
            raise click.ClickException(str(fault)) from None
        db.session.commit()
        say(
            [
                {
                    "configuration": one.name,
                    "plans": [plan for plan, _ in one.plans],
                    "file": one.file and str(one.file),
                    "faults": list(one.faults),
                }
                for one in prepared
            ],
            as_json,
        )
