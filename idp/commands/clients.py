"""`idp clients`: relying parties, and the tokens with which others register them."""

import json
from datetime import timedelta
from typing import Any, TextIO

import click

from idp import clock, security_events, session_clients
from idp.admin import actions, listing
from idp.admin.client_acts import get_client
from idp.admin.csv_export import to_csv
from idp.commands.acting import current_operator, refusals
from idp.commands.program import application, as_json, cli, say
from idp.db import db
from idp.leases import WAITING
from idp.oidc import clients, initial_access, registration
from idp.oidc.claims import SCOPES
from idp.oidc.profiles import PROFILES
from idp.settings import settings


@cli.group("clients")
def client_group() -> None:
    """Relying parties."""


@client_group.command("add")
@click.option("--client-id", help="Chosen at random when absent.")
@click.option("--name", required=True, help="What visitors read.")
@click.option("--kind", type=click.Choice(list(registration.KINDS)), default="website", show_default=True)
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Repeatable; compared character by character.")
@click.option("--post-logout-redirect-uri", "post_logout_redirect_uris", multiple=True)
@click.option("--backchannel-logout-uri", help="Where its server learns that a session ended.")
@click.option("--frontchannel-logout-uri", help="What a visitor's browser loads when a session ended.")
@click.option("--scope", default="openid profile email", show_default=True)
@click.option("--grant-type", "grant_types", multiple=True, help="Repeatable; by kind and scope when absent.")
@click.option("--auth-method", help="token_endpoint_auth_method; by kind when absent.")
@click.option("--jwks", type=click.File(), help="File with the client's public keys, for private_key_jwt.")
@click.option("--id-token-alg", help="RS256 or ES256; by profile when absent.")
@click.option(
    "--metadata",
    "more",
    type=click.File(),
    help="JSON file with more of its metadata, as `clients show` names it.",
)
@click.option("--subject-type", type=click.Choice(["pairwise", "public"]), default="pairwise", show_default=True)
@click.option("--pkce-optional", is_flag=True, help="Accept requests without PKCE from a client with a secret.")
@click.option("--third-party", is_flag=True, help="Ask visitors before the first sign-in.")
@as_json
def clients_add(as_json: bool, pkce_optional: bool, jwks: TextIO | None, more: TextIO | None, **asked: Any) -> None:
    """Register a client; its secret is printed once and kept nowhere."""
    asked["require_pkce"] = not pkce_optional
    if jwks is not None:
        asked["jwks"] = _read_json(jwks)
    if more is not None:
        asked |= _read_json(more)
    with application():
        metadata = registration.metadata_from_form(asked)
        client_id = str(metadata.pop("client_id"))
        with refusals():
            done = actions.perform(current_operator(), "client.create", client_id, metadata, now=clock.now())
            say({**clients.describe_client(get_client(client_id)), **done.shown_once}, as_json)


def _read_json(file: TextIO) -> dict[str, Any]:
    try:
        content = json.load(file)
    except ValueError as fault:
        raise click.ClickException(f"{file.name} is not JSON: {fault}") from None
    if not isinstance(content, dict):
        raise click.ClickException(f"{file.name} holds no JSON object")
    return content


@client_group.command("list")
@click.option("--search", default="", help="Words of id, name, team or redirect URIs.")
@click.option("--state", type=click.Choice(listing.STATES), help="All but archived ones when absent.")
@click.option("--csv", "as_csv", is_flag=True, help="As a table for a spreadsheet.")
@as_json
def clients_list(search: str, state: str | None, as_csv: bool, as_json: bool) -> None:
    """List the clients."""
    with application():
        found, _further = listing.list_clients(words=search, state=state, limit=100_000)
        if as_csv:
            click.echo(to_csv(found), nl=False)
            return
        say([clients.describe_client(get_client(one.client_id)) for one in found], as_json)


@client_group.command("show")
@click.argument("client_id")
@as_json
def clients_show(client_id: str, as_json: bool) -> None:
    """Show a client."""
    with application():
        client = clients.find_client(client_id)
        if client is None:
            raise click.ClickException("no such client")
        say(clients.describe_client(client), as_json)


@client_group.command("initial-token")
@click.option("--uses", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Clients it may register.")
@click.option("--expires", type=click.IntRange(1, 3_650), default=7, show_default=True, help="In how many days.")
@click.option("--scope", default="openid profile email", show_default=True, help="What clients may have at most.")
@click.option(
    "--application-type", "application_types", multiple=True, type=click.Choice(initial_access.APPLICATION_TYPES),
    default=("web",), show_default=True, help="Repeatable.",
)  # fmt: skip
@click.option(
    "--subject-type", "subject_types", multiple=True, type=click.Choice(["pairwise", "public"]), default=("pairwise",),
    show_default=True, help="Repeatable; the first is the default.",
)  # fmt: skip
@click.option("--host", "hosts", multiple=True, help="Repeatable: a domain that all redirect URIs must be in.")
@click.option("--security-profile", type=click.Choice(sorted(PROFILES)), help="What each client is held to.")
@click.option("--note", default="", help="For whom it is.")
@as_json
def clients_initial_token(as_json: bool, uses: int, expires: int, scope: str, note: str, **limits: Any) -> None:
    """Make an initial access token, with which somebody else registers clients; printed once and kept nowhere."""
    scopes = tuple(sorted(set(scope.split())))
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        raise click.ClickException(f"scope: not offered: {', '.join(unknown)}")
    with application():
        now = clock.now()
        token, value = initial_access.issue_initial_token(
            initial_access.Limits(scopes=scopes, **limits),
            uses=uses, expires_at=now + timedelta(days=expires), note=note, now=now,
        )  # fmt: skip
        db.session.commit()
        shown = initial_access.describe_initial_token(token) | {"initial_access_token": value}
        if not settings.registration.enabled:
            click.echo("idp: /register is off: set registration.enabled", err=True)
        say(shown, as_json)


@client_group.command("initial-tokens")
@as_json
def clients_initial_tokens(as_json: bool) -> None:
    """List the initial access tokens; never their values."""
    with application():
        say([initial_access.describe_initial_token(one) for one in initial_access.list_initial_tokens()], as_json)


@client_group.command("revoke-initial-token")
@click.argument("token_id")
def clients_revoke_initial_token(token_id: str) -> None:
    """End an initial access token; the clients that it registered stay."""
    with application():
        if not initial_access.revoke_initial_token(token_id, clock.now()):
            raise click.ClickException("no such token, or revoked before")
        db.session.commit()
        click.echo("revoked")


@client_group.command("logouts")
@click.argument("client_id")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="The latest ones.")
@as_json
def clients_logouts(client_id: str, limit: int, as_json: bool) -> None:
    """Show whether a client was told of the sessions that ended, and what it answered."""
    with application():
        if clients.find_client(client_id) is None:
            raise click.ClickException("no such client")
        say([_logout_facts(one) for one in session_clients.log_of(client_id, limit)], as_json)


@client_group.command("security-events")
@click.argument("client_id")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 1000), help="The latest ones.")
@as_json
def clients_security_events(client_id: str, limit: int, as_json: bool) -> None:
    """Show whether a client was told of security events, and what it answered."""
    with application():
        if clients.find_client(client_id) is None:
            raise click.ClickException("no such client")
        say([event_facts(one) for one in security_events.log_of(client_id, limit)], as_json)


def event_facts(entry: security_events.SecurityEvent) -> dict[str, Any]:
    """Return one delivery; the person stays unnamed, as the client knows them by another name."""
    return {
        "jti": entry.jti,
        "event": entry.kind,
        "state": entry.state,
        "attempts": entry.attempts,
        "answer": entry.answer_class,
        "happened_at": entry.happened_at.isoformat(),
        "changed_at": entry.changed_at.isoformat(),
        "next_attempt_at": entry.not_before.isoformat() if entry.state in WAITING else None,
    }


def _logout_facts(entry: session_clients.SessionClient) -> dict[str, Any]:
    is_waiting = entry.state in WAITING
    return {
        "client_id": entry.client_id,
        # What the client calls the session, in its ID tokens and in the logout token.
        "sid": entry.their_sid,
        "state": entry.state,
        "attempts": entry.attempts,
        "answer": entry.answer_class,
        "ended_at": entry.ended_at.isoformat() if entry.ended_at else None,
        "changed_at": entry.changed_at.isoformat(),
        "next_attempt_at": entry.not_before.isoformat() if is_waiting else None,
    }
