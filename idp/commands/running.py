"""`idp serve|worker|demo|db`: what starts the provider and looks after it."""

import os
import sys
from typing import Any, cast

import click
from flask import current_app

from idp import assembly, create_app, server
from idp.commands.program import application, cli
from idp.db import upgrade_tables
from idp.messages.dkim_signature import DkimFault, open_signer
from idp.messages.relays import RelayFault, parse_relay
from idp.messages.smpp import SmppFault
from idp.oidc import keys
from idp.settings import SettingsFault, load_settings
from idp.worker import run_worker


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--workers", default=1, show_default=True, help="Processes.")
@click.option("--threads", default=16, show_default=True, help="Threads of each process.")
@click.option(
    "--drain", default=5.0, show_default=True, help="Seconds in which a node that stops is unready and still answers."
)
def serve(host: str, port: int, workers: int, threads: int, drain: float) -> None:
    """Serve the provider."""
    # Processes that are started inherit it: how many share this machine, and the stores.
    os.environ.setdefault("IDP_FLEET__WEB_PROCESSES", str(workers))
    os.environ.setdefault("IDP_FLEET__WEB_THREADS", str(threads))
    _checked_settings()
    with application():
        app = cast(Any, current_app)._get_current_object()
        server.refuse_unsound_stores(app)
    server.serve(app, host=host, port=port, workers=workers, threads=threads, drain=drain)


@cli.command()
def worker() -> None:
    """Send what waits in the outbox, until told to stop; run any number of these."""
    _checked_settings()
    try:
        app = create_app()
        server.refuse_unsound_stores(app)
        server.show_figures(app.extensions["sesame"]["settings"], kind="worker")
        run_worker(app)
    except (DkimFault, RelayFault, SmppFault, SettingsFault) as fault:
        raise click.ClickException(str(fault)) from None


@cli.command()
@click.option("--directory", "folder", default="var", show_default=True, help="Where the data are kept; deletable.")
def demo(folder: str) -> None:
    """Start the demonstration: provider, relying party and mailbox on this machine."""
    from idp.demo import run

    run.main(folder)


def _checked_settings() -> None:
    """End with every fault of the configuration, before any process is started."""
    try:
        loaded = load_settings()
        for url in loaded.relay_urls:
            parse_relay(url)
        open_signer(loaded.smtp)
        assembly.check_plugins(loaded)
    except (DkimFault, RelayFault) as fault:
        raise click.ClickException(str(fault)) from None
    except SettingsFault as fault:
        for line in fault.faults:
            click.echo(f"idp: {line}", err=True)
        sys.exit(2)


@cli.group("db")
def database() -> None:
    """The database."""


@database.command("upgrade")
def db_upgrade() -> None:
    """Bring the tables to this version's shape, and make the first signing keys."""
    with application():
        upgrade_tables()
        keys.ensure_signing_keys()
        click.echo("the database is up to date")
