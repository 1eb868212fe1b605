"""`idp keys`: signing keys and secrets."""

import sys

import click

from idp import entropy
from idp.commands.program import application, as_json, cli, say
from idp.oidc import rotation
from idp.oidc.jose.own import ALGORITHMS, Algorithm
from idp.oidc.key_service import KeyUnusable


@cli.group("keys")
def key_group() -> None:
    """Signing keys and secrets."""


@key_group.command("list")
@as_json
def keys_list(as_json: bool) -> None:
    """List the signing keys, what they wait for and until when they are published; never their private part."""
    with application():
        say(rotation.describe_keys(), as_json)


@key_group.command("rotate")
@click.option("--alg", "algs", multiple=True, type=click.Choice(ALGORITHMS), help="Repeatable; all when absent.")
@click.option("--anyway", is_flag=True, help="Wait for caches only, not for relying parties.")
@click.option("--emergency", is_flag=True, help="Revoke the keys at once and sign with a new one.")
@click.option("--keep-next", is_flag=True, help="With --emergency: only the active key leaked, the next one is good.")
@click.option("--reason", help="With --emergency: what happened, for the audit log.")
@as_json
def keys_rotate(
    algs: tuple[Algorithm, ...], anyway: bool, emergency: bool, keep_next: bool, reason: str | None, as_json: bool
) -> None:
    """Publish the next key, or let the published one sign when caches and relying parties have it.

    Run it again to go on. Ends with 0 when the new key signs, with 3 while it waits, saying for what.
    """
    if emergency != bool(reason) or (keep_next and not emergency) or (anyway and emergency):
        raise click.UsageError(
            "--emergency needs --reason; --reason and --keep-next need --emergency, without --anyway"
        )
    with application():
        try:
            steps = [
                rotation.revoke_and_replace(alg, reason=reason, keep_next=keep_next)
                if reason
                else rotation.rotate(alg, anyway=anyway)
                for alg in algs or ALGORITHMS
            ]
        except (rotation.RotationFault, KeyUnusable) as fault:
            raise click.ClickException(str(fault)) from None
        say([rotation.describe_step(step, keep_next=keep_next) for step in steps], as_json)
    sys.exit(0 if all(step.outcome in {"rotated", "revoked"} for step in steps) else 3)


@key_group.command("secret")
@click.option("--all", "every", is_flag=True, help="Every secret that the settings need, as IDP_… variables.")
def keys_secret(every: bool) -> None:
    """Print a fresh secret for the settings."""
    if not every:
        click.echo(entropy.token())
        return
    for name in ("PEPPER", "INDEX", "SUBJECT", "CODE", "TOKEN", "FIELD_KEYS__FIRST"):
        click.echo(f"IDP_SECRETS__{name}={entropy.token()}")
    click.echo("IDP_SECRETS__FIELD_KEY_ID=first")
