"""`idp keys`: signing keys and secrets."""

import sys
from dataclasses import replace

import click

from idp import clock, entropy
from idp.admin import actions
from idp.commands.acting import current_operator, refusals
from idp.commands.program import application, as_json, cli, say
from idp.oidc import rotation
from idp.oidc.jose.own import ALGORITHMS, Algorithm
from idp.oidc.rotation import Outcome, Step


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
    with application(), refusals():
        steps = [
            _revoke(alg, reason, keep_next=keep_next) if reason else _rotate(alg, anyway=anyway)
            for alg in algs or ALGORITHMS
        ]
        say([rotation.describe_step(step, keep_next=keep_next) for step in steps], as_json)
    sys.exit(0 if all(step.outcome in {"rotated", "revoked"} for step in steps) else 3)


def _rotate(alg: Algorithm, *, anyway: bool) -> Step:
    """Do the next step as the console does, in the history of changes; what only waits changes nothing."""
    ahead = rotation.look_ahead(alg, anyway=anyway)
    if ahead is not None and ahead.verdict != "ready":
        return ahead
    before = _states(alg)
    actions.perform(current_operator(), "key.rotate", alg, {"anyway": anyway}, now=clock.now())
    if ahead is not None:
        return replace(_done(alg, "rotated", before), clients=ahead.clients)
    published = rotation.look_ahead(alg, anyway=anyway)
    return replace(published, outcome="published") if published else _done(alg, "published", before)


def _revoke(alg: Algorithm, reason: str, *, keep_next: bool) -> Step:
    """Revoke what leaked, as two people would in the console."""
    before, given = _states(alg), {"keep_next": keep_next}
    actions.perform(current_operator(), "key.revoke", alg, given, now=clock.now(), reason=reason)
    return _done(alg, "revoked", before)


def _done(alg: Algorithm, outcome: Outcome, before: dict[str, str]) -> Step:
    after = _states(alg)
    ended = tuple(kid for kid, was in before.items() if after.get(kid) != was and after.get(kid) != "active")
    return Step(alg, outcome, next((kid for kid, state in after.items() if state == "active"), ""), previous=ended)


def _states(alg: Algorithm) -> dict[str, str]:
    return {key["kid"]: key["state"] for key in rotation.describe_keys() if key["alg"] == alg}


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
