"""`idp doctor`: looks at everything the provider stands on, says how each is and what puts it right.

Exit status: 0 when nothing failed (there may be warnings), 1 when something did, 2 when the settings cannot be used.
"""

import sys
from dataclasses import asdict

import click

from idp.commands.checks import ORDER, Check, Finding
from idp.commands.checks.configuration import check_configuration, check_files
from idp.commands.checks.dns_records import check_dns
from idp.commands.checks.keys import check_signing_keys
from idp.commands.checks.passwords import check_imported_hashes
from idp.commands.checks.plan import PEAKS, draw_plan
from idp.commands.checks.relays import check_directory, check_mail_relays, check_sms
from idp.commands.checks.site import check_certificate, check_documents
from idp.commands.checks.stores import check_clocks, check_database, check_redis
from idp.commands.program import application, as_json, cli, say
from idp.db import db
from idp.settings import current_settings, settings
from idp.state import state

CHECKS: dict[str, Check] = {
    "configuration": check_configuration,
    "files": check_files,
    "database": check_database,
    "redis": check_redis,
    "clocks": check_clocks,
    "keys": check_signing_keys,
    "passwords": check_imported_hashes,
    "mail": check_mail_relays,
    "sms": check_sms,
    "directory": check_directory,
    "dns": lambda: check_dns(current_settings()),
    "certificate": check_certificate,
    "documents": check_documents,
}
_MARKS = {"ok": "ok", "skipped": "-", "warning": "warning", "failure": "FAILURE"}
_NAMES = click.Choice(tuple(CHECKS))


@cli.command()
@click.option("--only", multiple=True, type=_NAMES, help="Look at this alone; may be given several times.")
@click.option("--skip", multiple=True, type=_NAMES, help="Leave this out; may be given several times.")
@click.option("--plan", "peak", type=float, metavar="PEAK", help=f"Size a fleet for PEAK sign-ins a second: {PEAKS}.")
@as_json
def doctor(only: tuple[str, ...], skip: tuple[str, ...], peak: float | None, as_json: bool) -> None:
    """Check what the provider stands on, or measure this machine and size a fleet."""
    with application():
        if peak is not None:
            if peak <= 0:
                raise click.ClickException("PEAK is sign-ins a second, more than none")
            say(draw_plan(peak), as_json)
            return
        wanted = [name for name in CHECKS if name not in skip and (name in only or not only)]
        found = {name: CHECKS[name]() for name in wanted}
        worst = max((one.status for some in found.values() for one in some), key=ORDER.index, default="ok")
        if as_json:
            checks = [{"check": name, **asdict(one)} for name, some in found.items() for one in some]
            say({**_facts(), "worst": worst, "checks": checks}, as_json=True)
        else:
            _print(found)
    sys.exit(1 if worst == "failure" else 0)


def _facts() -> dict[str, str]:
    return {
        "issuer": settings.issuer,
        "database": db.engine.dialect.name,
        "state": type(state.store).__name__,
        "sms": settings.sms.transport or "off",
    }


def _print(found: dict[str, list[Finding]]) -> None:
    for name, some in found.items():
        for one in some:
            click.echo(f"{_MARKS[one.status]:<8} {name:<14} {one.says}")
            if one.fix:
                click.echo(f"{'':<23} -> {one.fix}")
