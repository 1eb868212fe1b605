"""The front page of the console, and the table of its parts."""

from flask import Response

from idp.admin.changes import list_changes
from idp.admin.console import (
    again,
    clients,
    dashboard,
    edit,
    enrol,
    keys,
    messages,
    operations,
    people,
    register,
    settings,
    support,
    tokens,
    trail,
    trial,
    waiting,
)
from idp.admin.console.pages import show
from idp.admin.entry import blueprint, current_actor

__all__ = ["PARTS", "blueprint"]
# A file each; importing it gives the console its pages.
PARTS = (
    again,
    clients,
    edit,
    register,
    waiting,
    people,
    tokens,
    enrol,
    support,
    operations,
    dashboard,
    keys,
    settings,
    messages,
    trial,
    trail,
)


@blueprint.get("", strict_slashes=False)
def home() -> Response:
    """Show what waits for whoever comes in, and what they asked for themselves."""
    who = current_actor()
    found = list_changes(state="waiting", limit=50) if who.may("clients.read") or who.may("administrators.read") else []
    return show("home", changes=found)
