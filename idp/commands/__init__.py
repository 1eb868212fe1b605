"""The command line: one program, `idp`, whose commands call the same functions as the pages do; a file a subject."""

from idp.commands import (
    accounts,
    admin,
    audit,
    bounces,
    client_acts,
    clients,
    conformance,
    doctor,
    keys,
    operations,
    personal_data,
    restore,
    running,
    support,
    transfer,
)
from idp.commands.program import cli

__all__ = [
    "accounts",
    "admin",
    "audit",
    "bounces",
    "cli",
    "client_acts",
    "clients",
    "conformance",
    "doctor",
    "keys",
    "operations",
    "personal_data",
    "restore",
    "running",
    "support",
    "transfer",
]
