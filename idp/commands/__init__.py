"""The command line: one program, `idp`, whose commands call the same functions as the pages do; a file a subject."""

from idp.commands import accounts, audit, bounces, clients, conformance, keys, personal_data, running, support, transfer
from idp.commands.program import cli

__all__ = [
    "accounts",
    "audit",
    "bounces",
    "cli",
    "clients",
    "conformance",
    "keys",
    "personal_data",
    "running",
    "support",
    "transfer",
]
