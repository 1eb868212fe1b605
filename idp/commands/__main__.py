"""`python -m idp.commands`, where the program itself is not installed."""

from idp.commands import cli

cli()
