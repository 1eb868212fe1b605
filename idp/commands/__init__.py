"""The command line: one program, `idp`, whose commands call the same functions as the pages do; a file a subject."""

from idp.commands import accounts, admin, bounces, client_acts, clients, conformance, keys, running
from idp.commands.program import cli

__all__ = ["accounts", "admin", "bounces", "cli", "client_acts", "clients", "conformance", "keys", "running"]
