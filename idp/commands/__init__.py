"""The command line: one program, `idp`, whose commands call the same functions as the pages do; a file a subject."""

from idp.commands import accounts, audit, bounces, clients, conformance, keys, running, support
from idp.commands.program import cli

__all__ = ["accounts", "audit", "bounces", "cli", "clients", "conformance", "keys", "running", "support"]
