"""`idp audit`: verify, export, search and count the trail."""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TextIO

import click

from idp import audit, clock
from idp.admin.looks import look
from idp.audit import events, export
from idp.audit.checkpoints import Checkpoint, list_checkpoints, make_key, parse_checkpoints, public_keys
from idp.audit.sealing import seal_all
from idp.audit.verify import Verdict, is_late, verify
from idp.audit.walk import Finding
from idp.commands.acting import current_operator, refusals
from idp.commands.program import application, as_json, cli, say
from idp.db import db

_FOUND, _LATE = 1, 3
day = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"])


@cli.group("audit")
def audit_group() -> None:
    """The audit trail."""


@audit_group.command("verify")
@click.option("--checkpoints", type=click.File(), help="Checkpoints kept elsewhere: JSON Lines, or lines of the log.")
@click.option("--file", "exported", type=click.File(), help="Check what `idp audit export` wrote, not the database.")
@click.option("--key", "keys", multiple=True, help="With --file: KID:HEX of a public key to believe; repeatable.")
@as_json
def audit_verify(checkpoints: TextIO | None, exported: TextIO | None, keys: tuple[str, ...], as_json: bool) -> None:
    """Find events that were changed, removed, inserted or reordered, and say which.

    Ends with 0 when there are none, with 1 when there are, with 3 when events have waited too long to be chained.
    """
    if exported is not None:
        _verify_file(exported, keys, as_json)
    with application():
        seal_all(clock.now())
        verdict = verify(clock.now(), kept=_kept(checkpoints))
        outcome = "ok" if verdict.is_good else "found"
        events.audit_verified(outcome=outcome, events=verdict.events, findings=verdict.found)
        say(_describe(verdict), as_json)
        if not as_json:
            _list(verdict.findings)
    sys.exit(_FOUND if not verdict.is_good else _LATE if is_late(verdict) else 0)


@audit_group.command("export")
@click.option(
    "--output", type=click.File("w", encoding="utf-8"), default="-", help="A file; standard output if absent."
)
@click.option("--since", type=day, help="UTC; inclusive.")
@click.option("--until", type=day, help="UTC; exclusive.")
@click.option("--json", "as_json", is_flag=True, help="Say in JSON, on standard error, what was written.")
def audit_export(output: TextIO, since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """Write the trail as JSON Lines, which `idp audit verify --file` checks without the database."""
    with application():
        seal_all(clock.now())
        digest = hashlib.sha256()
        positions: list[int] = []
        for line in export.export(since=_utc(since), until=_utc(until)):
            text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
            output.write(text)
            digest.update(text.encode())
            if "position" in line:
                positions = [positions[0] if positions else line["position"], line["position"]]
        first, last = positions or (0, 0)
        count = last - first + 1 if positions else 0
        events.audit_exported(events=count, first=first, last=last)
        facts = {"events": count, "first": first, "last": last, "sha256": digest.hexdigest()}
    if as_json:
        click.echo(json.dumps(facts), err=True)
    else:
        click.echo(f"{count} events, positions {first} to {last}, SHA-256 {facts['sha256']}", err=True)


@audit_group.command("search")
@click.option("--reference", default="", help="Such as 7KQ-4MX.")
@click.option("--account", default="", help="An account's id, or - to type an identifier unseen.")
@click.option("--client", default="", help="A client_id.")
@click.option("--administrator", default="", help="An administrator's name.")
@click.option("--event", default="", help="An event's name, such as sign-in.")
@click.option("--since", type=day, help="UTC; inclusive.")
@click.option("--until", type=day, help="UTC; exclusive.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="The latest ones.")
@as_json
def audit_search(
    reference: str, account: str, client: str, administrator: str, event: str, since: datetime | None,
    until: datetime | None, limit: int, as_json: bool,
) -> None:  # fmt: skip
    """Show events, the latest first."""
    typed = click.prompt("NIR, e-mail or mobile", hide_input=True) if account == "-" else ""
    with application():
        asked = {
            "reference": reference.strip(), "account_id": _account_of(typed) if typed else account, "client_id": client,
            "administrator": administrator, "event": event, "since": _utc(since), "until": _utc(until), "limit": limit,
        }  # fmt: skip
        with refusals():
            say(look(current_operator(), "trail.search", given=asked)["items"], as_json)


@audit_group.command("chain")
@as_json
def audit_chain(as_json: bool) -> None:
    """Show how far the chain goes, what was signed, cut and restored of it, and when it was last verified."""
    with application():
        say(look(current_operator(), "trail.chain"), as_json)


@audit_group.command("checkpoints")
@as_json
def audit_checkpoints(as_json: bool) -> None:
    """Show the signed checkpoints and the public keys, to be kept on another machine."""
    with application():
        known = [_shown(one) for one in list_checkpoints()]
        keys = {"keys": [f"{kid}:{public.hex()}" for kid, public in public_keys().items()]}
        say(known if as_json else [keys, *known], as_json)


@audit_group.command("rotate-key")
@as_json
def audit_rotate_key(as_json: bool) -> None:
    """Sign checkpoints with a new key from now on; what the old one signed stays good."""
    with application():
        kid = make_key(clock.now())
        db.session.commit()
        events.audit_key_made(kid)
        say({"kid": kid, "public": public_keys()[kid].hex()}, as_json)


def _verify_file(exported: TextIO, keys: tuple[str, ...], as_json: bool) -> None:
    try:
        believed = {kid: bytes.fromhex(public) for kid, _, public in (key.partition(":") for key in keys)}
        walk = export.verify_export(exported, believed or None)
    except (export.NoExport, ValueError) as fault:
        raise click.ClickException(str(fault)) from None
    facts = {
        "events": walk.seen,
        "last": walk.position,
        "found": walk.count,
        "keys": "given" if keys else "of the file",
    }
    say({**facts, "findings": [_finding(one) for one in walk.findings]} if as_json else facts, as_json)
    if not as_json:
        _list(walk.findings)
    sys.exit(_FOUND if walk.count else 0)


def _kept(file: TextIO | None) -> list[Checkpoint]:
    try:
        return parse_checkpoints(_checkpoint_lines(file or ()))
    except (TypeError, ValueError) as fault:
        raise click.ClickException(f"--checkpoints: {fault}") from None


def _checkpoint_lines(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Read checkpoints as `idp audit checkpoints --json`, `idp audit export` or the log have them."""
    text = "".join(lines)
    values = json.loads(text) if text.startswith("[") else (json.loads(line) for line in text.splitlines() if line)
    for value in values:
        checkpoint = value.get("checkpoint", value if "signature" in value else None)
        if checkpoint is not None:
            yield checkpoint


def _shown(checkpoint: Checkpoint) -> dict[str, Any]:
    return {name: getattr(checkpoint, name) for name in checkpoint.__slots__}


def _describe(verdict: Verdict) -> dict[str, Any]:
    return {
        "events": verdict.events,
        "first": verdict.first,
        "last": verdict.last,
        "checkpoints": verdict.checkpoints,
        "waiting": verdict.waiting,
        "lag_seconds": round(verdict.lag / timedelta(seconds=1), 1),
        "found": verdict.found,
        "restores": [f"after position {one.position}, at {one.at}" for one in verdict.restores],
        "findings": [_finding(one) for one in verdict.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in finding.__slots__}


def _list(findings: Iterable[Finding]) -> None:
    for one in findings:
        click.echo(f"{one.what}: position {one.position or '-'}, event {one.event_id or '-'}: {one.detail}")


def _account_of(typed: str) -> str:
    with refusals():
        try:
            return str(look(current_operator(), "trail.person", given={"who": typed})["account_id"])
        finally:
            audit.flush()


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)
