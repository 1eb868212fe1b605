"""What every command stands on: the program itself, the application around a command, how it prints."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import click

from idp import audit, create_app
from idp.settings import SettingsFault

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
# The files that hold a command, or the commands of a group.
FILES = {
    "accounts": ("accounts", "personal_data", "support", "transfer"),
    "admin": ("admin",),
    "audit": ("audit",),
    "bounces": ("bounces",),
    "clients": ("clients", "client_acts"),
    "conformance": ("conformance",),
    "db": ("running",),
    "demo": ("running",),
    "doctor": ("doctor",),
    "keys": ("keys",),
    "operations": ("operations",),
    "restore": ("restore",),
    "serve": ("running",),
    "worker": ("running",),
}


class Program(click.Group):
    """Loads the files of the command that is asked for: a process that serves for months carries no other's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every name, loaded or not."""
        return sorted(FILES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, or ``None`` when there is none of that name."""
        for file in FILES.get(cmd_name, ()):
            import_module(f"idp.commands.{file}")
        return super().get_command(ctx, cmd_name)


@click.group(cls=Program)
@click.version_option(package_name="sesame-idp")
def cli() -> None:
    """Sésame, an OpenID Connect provider."""


@contextmanager
def application() -> Iterator[None]:
    """Run a command inside the application; its audit events are written at the end."""
    try:
        app = create_app()
    except SettingsFault as fault:
        for line in fault.faults:
            click.echo(f"idp: {line}", err=True)
        sys.exit(2)
    with app.app_context():
        try:
            yield
        finally:
            audit.flush()


def say(facts: Any, as_json: bool) -> None:
    """Print one thing or a list of things."""
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, default=str, indent=2))
        return
    for number, fact in enumerate(facts if isinstance(facts, list) else [facts]):
        if number:
            click.echo()
        for name, value in fact.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            click.echo(f"{name + ':':<32}{'-' if shown in (None, '') else shown}")
