"""The command line: one program, `idp`, whose commands call the same functions as the pages do; a file a subject."""

from idp.commands.program import cli

__all__ = ["cli"]
