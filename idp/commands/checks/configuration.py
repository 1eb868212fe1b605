"""What the settings themselves tell: every value is allowed, or nothing would have started; not every one is wise."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from idp.commands.checks import Finding, failure, first_bad_or, ok, warning
from idp.settings import PREFIX, is_test_host, settings


def check_configuration() -> list[Finding]:
    """Look at what an operator forgets."""
    return first_bad_or(_unwise(), ok(f"{settings.issuer}: nothing unwise in the settings"))


def _unwise() -> Iterator[Finding]:
    if settings.conformance.account:
        yield warning("one account has a code that everybody knows (conformance)", "empty conformance.account")
    if is_test_host(settings.issuer_host):
        return
    if not settings.trusted_hops:
        yield warning(
            "no proxy's X-Forwarded-For is believed: behind one, all people share its address and its limits",
            "set trusted_hops to the number of proxies in front",
        )
    if settings.outbox.embedded_worker:
        yield warning(
            "web processes send the messages themselves",
            "run `idp worker` twice and set outbox.embedded_worker = false",
        )
    if not settings.metrics_port:
        yield warning("no metrics: nobody is told when codes stop arriving", "set metrics_port")
    if settings.database_url.get_secret_value().startswith("sqlite"):
        yield warning("the database is a file on this machine: one node, no replica", "set database_url to PostgreSQL")
    if is_test_host(settings.smtp.sender_address.rpartition("@")[2]):
        yield failure("mails come from a domain that does not exist", "set smtp.sender_address")


def check_files() -> list[Finding]:
    """Look at who else on this machine could read or replace what is secret."""
    named = [Path(path) for name, path in os.environ.items() if name.startswith(PREFIX) and name.endswith("_FILE")]
    named.append(Path(os.environ.get("IDP_CONFIG", "config/sesame.toml")))
    if settings.database_url.get_secret_value().startswith("sqlite:///"):
        named += [Path(settings.database_url.get_secret_value().removeprefix("sqlite:///")), settings.state_file]
    found = [path for path in named if path.is_file()]
    return first_bad_or((bad for path in found if (bad := _too_open(path))), ok(f"{len(found)} files are ours alone"))


def _too_open(path: Path) -> Finding | None:
    mode = path.stat().st_mode
    if not path.resolve().parent.stat().st_mode & stat.S_IXOTH:
        # Whoever cannot enter the folder cannot open what is in it.
        return None
    holds_secrets = path.suffix != ".toml" or "secret" in path.read_text(encoding="utf-8", errors="replace")
    if mode & stat.S_IWOTH:
        return failure(f"{path} can be changed by everybody", f"chmod o-w {path}")
    if holds_secrets and mode & (stat.S_IROTH | stat.S_IWGRP):
        return failure(f"{path} holds secrets and can be read by others, or changed by its group", f"chmod 600 {path}")
    return None
