"""Who acts at the command line, and how a refusal reads there."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager

import click

from idp.admin.actors import Actor, operator
from idp.admin.faults import Refused


def current_operator() -> Actor:
    """Return whoever sits at this machine, by the name that the machine has for them."""
    try:
        return operator(getpass.getuser())
    except (KeyError, OSError):
        return operator("unknown")


@contextmanager
def refusals() -> Iterator[None]:
    """Say what was refused, every fault on a line of its own, and end with 1."""
    try:
        yield
    except Refused as refusal:
        lines = [f"{name}: {why}" for name, why in refusal.faults] or [refusal.detail]
        raise click.ClickException("\n".join(lines)) from None
