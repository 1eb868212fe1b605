"""`idp clients …` over the acts of the console: state, secrets, history, and clients as files."""

import base64
import os
import sys
from pathlib import Path
from typing import Any, BinaryIO

import click

from idp import clock
from idp.admin import actions, as_code, client_acts
from idp.admin.changes import describe_change, list_changes
from idp.admin.looks import look
from idp.admin.secret_warnings import describe_secret
from idp.commands.acting import current_operator, refusals
from idp.commands.clients import client_group
from idp.commands.program import application, as_json, say
from idp.oidc.clients import describe_client
from idp.oidc.registration import KINDS

# One byte more is refused for its size, whatever follows.
_LARGEST_LOGO = 150_000
reason = click.option("--reason", default="", help="Why, for the history.")
folder = click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default="clients")


def _state_command(name: str, act: str, text: str) -> None:
    @client_group.command(name, help=text)
    @click.argument("client_id")
    @reason
    @as_json
    def command(client_id: str, reason: str, as_json: bool) -> None:
        with application(), refusals():
            actions.perform(current_operator(), f"client.{act}", client_id, {}, now=clock.now(), reason=reason)
            say(describe_client(client_acts.get_client(client_id)), as_json)


_state_command("disable", "suspend", "Refuse a client everywhere, at once; visitors see a page that says so.")
_state_command("enable", "resume", "Let a disabled client back in.")
_state_command("archive", "archive", "Put a client away.")
_state_command("restore", "restore", "Take an archived client back, disabled.")


@client_group.command("rotate-secret")
@click.argument("client_id")
@click.option("--overlap-days", type=click.IntRange(0, 90), help="How long older secrets still work; 0: revoke now.")
@click.option("--expires-days", type=click.IntRange(1, 730), help="When the new one ends; never when absent.")
@click.option("--label", default="", help="What it is called.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="A file for the secret, made with 0600.")
@as_json
def clients_rotate_secret(client_id: str, out: Path | None, as_json: bool, **asked: Any) -> None:
    """Make a new secret, printed once, and let the older ones end."""
    with application(), refusals():
        done = actions.perform(current_operator(), "client.add-secret", client_id, asked, now=clock.now())
        secret = str(done.shown_once["client_secret"])
        if out is not None:
            _write_private(out, secret)
        say({"client_id": client_id, **({"file": str(out)} if out else {"client_secret": secret})}, as_json)


@client_group.command("secrets")
@click.argument("client_id")
@as_json
def clients_secrets(client_id: str, as_json: bool) -> None:
    """List a client's secrets, when each ends and was last used, never their values."""
    with application(), refusals():
        client_acts.get_row(client_id)
        now, found = clock.now(), client_acts.list_secrets(client_id)
        say([describe_secret(one, now) for one in found], as_json)


@client_group.command("revoke-secret")
@click.argument("client_id")
@click.argument("secret_id", type=click.IntRange(1))
@reason
@as_json
def clients_revoke_secret(client_id: str, secret_id: int, reason: str, as_json: bool) -> None:
    """Revoke a secret now."""
    with application(), refusals():
        given = {"secret_id": secret_id}
        actions.perform(current_operator(), "client.revoke-secret", client_id, given, now=clock.now(), reason=reason)
        say({"client_id": client_id, "revoked": secret_id}, as_json)


@client_group.command("logo")
@click.argument("client_id")
@click.option("--file", "picture", type=click.File("rb"), help="PNG or JPEG, at most 100 KiB; without it: no logo.")
@reason
@as_json
def clients_logo(client_id: str, picture: BinaryIO | None, reason: str, as_json: bool) -> None:
    """Give a client a logo, drawn anew, or take it away."""
    with application(), refusals():
        content = None if picture is None else base64.b64encode(picture.read(_LARGEST_LOGO)).decode()
        given = {"content": content}
        actions.perform(current_operator(), "client.logo", client_id, given, now=clock.now(), reason=reason)
        say({"client_id": client_id, "logo": client_acts.get_client(client_id).logo_digest}, as_json)


@client_group.command("transfer")
@click.argument("client_id")
@click.option("--team", required=True, help="Whose it is from now on.")
@click.option("--contact", "contacts", multiple=True, required=True, help="Repeatable; at least one e-mail address.")
@reason
@as_json
def clients_transfer(client_id: str, team: str, contacts: tuple[str, ...], reason: str, as_json: bool) -> None:
    """Hand a client over to other people; those before and those after are written to."""
    with application(), refusals():
        given = {"team": team, "contacts": list(contacts)}
        actions.perform(current_operator(), "client.transfer", client_id, given, now=clock.now(), reason=reason)
        say({"client_id": client_id, **given}, as_json)


@client_group.command("preview")
@click.argument("client_id")
@as_json
def clients_preview(client_id: str, as_json: bool) -> None:
    """Show what tokens a test persona would give the client."""
    with application(), refusals():
        say(look(current_operator(), "client.preview", client_id), as_json)


@client_group.command("check-keys")
@click.argument("jwks_uri")
@as_json
def clients_check_keys(jwks_uri: str, as_json: bool) -> None:
    """Fetch public keys once; ends with 1 when none is usable."""
    with application(), refusals():
        found = look(current_operator(), "client.try-keys", given={"jwks_uri": jwks_uri})
        say(found, as_json)
    sys.exit(1 if found["fault"] else 0)


@client_group.command("check-redirects")
@click.argument("uris", nargs=-1, required=True)
@click.option("--kind", type=click.Choice(list(KINDS)), default="website", show_default=True)
@as_json
def clients_check_redirects(uris: tuple[str, ...], kind: str, as_json: bool) -> None:
    """Judge redirect URIs, each by itself; ends with 1 when one cannot stand."""
    with application(), refusals():
        found = look(current_operator(), "client.judge-redirects", given={"uris": list(uris), "kind": kind})
        say(found, as_json)
    sys.exit(1 if any(one["fault"] for one in found) else 0)


@client_group.command("history")
@click.argument("client_id")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="The latest ones.")
@as_json
def clients_history(client_id: str, limit: int, as_json: bool) -> None:
    """Show who changed what of a client, and who approved it."""
    with application(), refusals():
        client_acts.get_row(client_id)
        say([describe_change(one) for one in list_changes(target=client_id, acts="client", limit=limit)], as_json)


@client_group.command("validate")
@folder
@as_json
def clients_validate(folder: Path, as_json: bool) -> None:
    """Check the files of FOLDER, and name every fault of all of them."""
    with application(), refusals():
        say([{"client_id": client_id, "valid": True} for client_id in as_code.read_folder(folder)], as_json)


@client_group.command("plan")
@folder
@as_json
def clients_plan(folder: Path, as_json: bool) -> None:
    """Say what `apply` would do, and change nothing."""
    with application(), refusals():
        say([_told(one) for one in as_code.plan(as_code.read_folder(folder))], as_json)


@client_group.command("diff")
@folder
@as_json
def clients_diff(folder: Path, as_json: bool) -> None:
    """Show what differs between FOLDER and what is registered; ends with 1 when something does."""
    with application(), refusals():
        found = [_told(one) for one in as_code.plan(as_code.read_folder(folder)) if one.differences]
        say(found, as_json)
    sys.exit(1 if found else 0)


@client_group.command("apply")
@folder
@click.option("--adopt", is_flag=True, help="Let the file win over what somebody changed elsewhere.")
@click.option("--propose", is_flag=True, help="Let every change wait for an approval in the console.")
@as_json
def clients_apply(folder: Path, adopt: bool, propose: bool, as_json: bool) -> None:
    """Register and change clients as the files of FOLDER say; nobody is removed.

    Ends with 3, having applied nothing, when clients were changed elsewhere and --adopt was not given.
    """
    with application(), refusals():
        planned = as_code.plan(as_code.read_folder(folder))
        held = [one for one in planned if one.is_held_back and one.differences]
        if held and not adopt:
            say([_told(one) for one in held], as_json)
            click.echo("idp: changed elsewhere, or never applied from a file: look, then use --adopt", err=True)
            sys.exit(3)
        done = as_code.apply(planned, current_operator(), now=clock.now(), adopt=True, propose=propose)
        say(
            [
                {**_told(one), "waiting": result.is_waiting, **result.shown_once}
                for one, result in done
                if result.change is not None
            ],
            as_json,
        )


@client_group.command("export")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="clients")
@click.option("--client", "client_ids", multiple=True, help="Repeatable; all when absent.")
@as_json
def clients_export(folder: Path, client_ids: tuple[str, ...], as_json: bool) -> None:
    """Write clients as files; secrets are in none."""
    with application(), refusals():
        written = as_code.write_folder(folder, client_ids or None)
        say([{"client_id": path.stem, "file": str(path)} for path in written], as_json)


def _told(one: as_code.Planned) -> dict[str, Any]:
    return {
        "client_id": one.client_id,
        "verdict": one.verdict,
        "differences": [{"field": name, "before": old, "after": new} for name, old, new in one.differences],
    }


def _write_private(path: Path, text: str) -> None:
    # Never over something that is there, and created as 0600: between the two, others could open it.
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as fault:
        raise click.ClickException(f"{path}: {fault.strerror}") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text + "\n")
