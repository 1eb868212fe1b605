"""The command line: one program, `idp`, whose commands call the same functions as the pages do."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import click
from flask_migrate import upgrade

from idp import audit, clock, create_app, entropy, server, session_clients
from idp.accounts import contacts, directory, new_passwords, nir
from idp.accounts.directories import current_directory
from idp.accounts.outside import DirectoryAway
from idp.db import db
from idp.leases import WAITING
from idp.messages.bounces import LARGEST, read_bounce
from idp.messages.dkim_signature import DkimFault, open_signer
from idp.messages.relays import RelayFault, parse_relay
from idp.messages.smpp import SmppFault
from idp.oidc import clients, initial_access, keys, registration, rotation
from idp.oidc.claims import SCOPES
from idp.oidc.jose.own import ALGORITHMS, Algorithm
from idp.oidc.key_service import KeyUnusable
from idp.oidc.profiles import PROFILES
from idp.settings import SettingsFault, load_settings, settings
from idp.worker import run_worker

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
@click.version_option(package_name="sesame-idp")
def cli() -> None:
    """Sésame, an OpenID Connect provider."""


@contextmanager
def _application() -> Iterator[None]:
    """Run a command inside the application; its audit events are written at the end."""
    try:
        app = create_app()
    except SettingsFault as fault:
        for line in fault.faults:
            click.echo(f"idp: {line}", err=True)
        sys.exit(2)
    with app.app_context():
        try:
            yield
        finally:
            audit.flush()


def _say(facts: Any, as_json: bool) -> None:
    """Print one thing or a list of things."""
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False, default=str, indent=2))
        return
    for number, fact in enumerate(facts if isinstance(facts, list) else [facts]):
        if number:
            click.echo()
        for name, value in fact.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            click.echo(f"{name + ':':<32}{'-' if shown in (None, '') else shown}")


# -- running -------------------------------------------------------------------------------------------------------


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True)
@click.option("--workers", default=1, show_default=True, help="Processes.")
@click.option("--threads", default=8, show_default=True, help="Threads of each process.")
def serve(host: str, port: int, workers: int, threads: int) -> None:
    """Serve the provider."""
    _checked_settings()
    server.serve(host=host, port=port, workers=workers, threads=threads)


@cli.command()
def worker() -> None:
    """Send what waits in the outbox, until told to stop; run any number of these."""
    _checked_settings()
    try:
        run_worker(create_app())
    except (DkimFault, RelayFault, SmppFault) as fault:
        raise click.ClickException(str(fault)) from None


@cli.command()
@click.option("--directory", "folder", default="var", show_default=True, help="Where the data are kept; deletable.")
def demo(folder: str) -> None:
    """Start the demonstration: provider, relying party and mailbox on this machine."""
    from idp.demo import run

    run.main(folder)


def _checked_settings() -> None:
    """End with every fault of the configuration, before any process is started."""
    try:
        loaded = load_settings()
        for url in loaded.relay_urls:
            parse_relay(url)
        open_signer(loaded.smtp)
    except (DkimFault, RelayFault) as fault:
        raise click.ClickException(str(fault)) from None
    except SettingsFault as fault:
        for line in fault.faults:
            click.echo(f"idp: {line}", err=True)
        sys.exit(2)


@cli.group("db")
def database() -> None:
    """The database."""


@database.command("upgrade")
def db_upgrade() -> None:
    """Bring the tables to this version's shape, and make the first signing keys."""
    with _application():
        upgrade()
        keys.ensure_signing_keys()
        click.echo("the database is up to date")


# What is said of a value that cannot stand.
_REASONS = {
    ("NirFault", "empty"): "NIR: nothing was given",
    ("NirFault", "length"): "NIR: 13 characters, or 15 with the key",
    ("NirFault", "chars"): "NIR: digits only, beginning with 1 to 8 (2A or 2B for Corsica)",
    ("NirFault", "key"): "NIR: the last two digits do not match the others",
    ("PasswordFault", "short"): "password: at least 12 characters",
    ("PasswordFault", "long"): "password: too long",
    ("PasswordFault", "chars"): "password: holds a character that cannot be typed",
    ("PasswordFault", "common"): "password: in lists of known passwords",
    ("PasswordFault", "context"): "password: holds a name, number or word that a stranger would try",
    ("PasswordFault", "empty"): "password: nothing was given",
    ("ContactFault", "format"): "e-mail or mobile: not an address or number",
    ("ContactFault", "country"): "mobile: of a country that is not allowed (sms.countries)",
    ("ContactFault", "not-mobile"): "mobile: not a mobile number",
    ("ContactFault", "empty"): "e-mail or mobile: nothing was given",
}


# -- accounts ------------------------------------------------------------------------------------------------------


@cli.group()
def accounts() -> None:
    """Account holders."""


@accounts.command("add")
@click.option("--nir", "typed_nir", prompt="NIR", help="13 or 15 characters; asked for when absent.")
@click.option("--password", help="Asked for when absent, and better so: a command line is visible to others.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--email", help="Where codes are mailed.")
@click.option("--mobile", help="Where codes are texted.")
@click.option("--given-name")
@click.option("--family-name")
@click.option("--locale", default="fr", show_default=True)
@as_json
def accounts_add(
    typed_nir: str,
    password: str | None,
    password_stdin: bool,
    email: str | None,
    mobile: str | None,
    given_name: str | None,
    family_name: str | None,
    locale: str,
    as_json: bool,
) -> None:
    """Add an account."""
    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif password is None:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    names = {"given_name": given_name, "family_name": family_name}
    claims = {name: value for name, value in names.items() if value}
    if given_name and family_name:
        claims["name"] = f"{given_name} {family_name}"
    with _application():
        try:
            account = directory.add_account(
                nir=typed_nir, password=password, email=email, mobile=mobile, claims=claims, locale=locale
            )
            db.session.commit()
        except (nir.NirFault, new_passwords.PasswordFault, contacts.ContactFault, directory.DuplicateAccount) as fault:
            raise click.ClickException(_REASONS.get((type(fault).__name__, str(fault)), str(fault))) from None
        _say(directory.describe_account(account), as_json)


@accounts.command("show")
@click.argument("identifier")
@as_json
def accounts_show(identifier: str, as_json: bool) -> None:
    """Show an account by its id or NIR; contact details masked, the NIR and the password never."""
    with _application():
        account = directory.find_account(identifier)
        if account is None:
            try:
                account = directory.find_account_by_nir(nir.parse_nir(identifier))
            except nir.NirFault:
                account = None
        if account is None:
            raise click.ClickException("no such account")
        _say(directory.describe_account(account), as_json)


# -- clients -------------------------------------------------------------------------------------------------------


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
@click.option("--metadata", type=click.File(), help="JSON file with more of its metadata, as `clients show` names it.")
@click.option("--subject-type", type=click.Choice(["pairwise", "public"]), default="pairwise", show_default=True)
@click.option("--pkce-optional", is_flag=True, help="Accept requests without PKCE from a client with a secret.")
@click.option("--third-party", is_flag=True, help="Ask visitors before the first sign-in.")
@as_json
def clients_add(as_json: bool, pkce_optional: bool, jwks: TextIO | None, metadata: TextIO | None, **asked: Any) -> None:
    """Register a client; its secret is printed once and kept nowhere."""
    asked["require_pkce"] = not pkce_optional
    if jwks is not None:
        asked["jwks"] = _read_json(jwks)
    if metadata is not None:
        asked |= _read_json(metadata)
    with _application():
        try:
            client, secret = registration.add_client(registration.metadata_from_form(asked), now=clock.now())
            db.session.commit()
        except registration.MetadataFault as fault:
            raise click.ClickException("\n".join(fault.faults)) from None
        shown = clients.describe_client(client)
        if secret is not None:
            shown["client_secret"] = secret
        _say(shown, as_json)


def _read_json(file: TextIO) -> dict[str, Any]:
    try:
        content = json.load(file)
    except ValueError as fault:
        raise click.ClickException(f"{file.name} is not JSON: {fault}") from None
    if not isinstance(content, dict):
        raise click.ClickException(f"{file.name} holds no JSON object")
    return content


@client_group.command("list")
@as_json
def clients_list(as_json: bool) -> None:
    """List the clients."""
    with _application():
        _say([clients.describe_client(client) for client in clients.list_clients()], as_json)


@client_group.command("show")
@click.argument("client_id")
@as_json
def clients_show(client_id: str, as_json: bool) -> None:
    """Show a client."""
    with _application():
        client = clients.find_client(client_id)
        if client is None:
            raise click.ClickException("no such client")
        _say(clients.describe_client(client), as_json)


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
    with _application():
        now = clock.now()
        token, value = initial_access.issue_initial_token(
            initial_access.Limits(scopes=scopes, **limits),
            uses=uses, expires_at=now + timedelta(days=expires), note=note, now=now,
        )  # fmt: skip
        db.session.commit()
        shown = initial_access.describe_initial_token(token) | {"initial_access_token": value}
        if not settings.registration.enabled:
            click.echo("idp: /register is off: set registration.enabled", err=True)
        _say(shown, as_json)


@client_group.command("initial-tokens")
@as_json
def clients_initial_tokens(as_json: bool) -> None:
    """List the initial access tokens; never their values."""
    with _application():
        _say([initial_access.describe_initial_token(one) for one in initial_access.list_initial_tokens()], as_json)


@client_group.command("revoke-initial-token")
@click.argument("token_id")
def clients_revoke_initial_token(token_id: str) -> None:
    """End an initial access token; the clients that it registered stay."""
    with _application():
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
    with _application():
        if clients.find_client(client_id) is None:
            raise click.ClickException("no such client")
        _say([_logout_facts(one) for one in session_clients.log_of(client_id, limit)], as_json)


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


# -- bounces -------------------------------------------------------------------------------------------------------


@cli.group("bounces")
def bounce_group() -> None:
    """Mails that came back to `smtp.return_address`."""


@bounce_group.command("read")
@click.argument("files", nargs=-1, required=True, type=click.File("rb"))
@click.option("--recipient", default="", help="The envelope's recipient, if the mail server says it.")
@as_json
def bounces_read(files: tuple[BinaryIO, ...], recipient: str, as_json: bool) -> None:
    """Take in delivery reports (RFC 3464): FILES, or - for one mail from a pipe transport.

    Mails that are no reports about ours are passed over: the mail server shall not send them back.
    """
    with _application():
        outcomes = [read_bounce(file.read(LARGEST), recipient=recipient, now=clock.now()) for file in files]
        db.session.commit()
        _say(
            [{"file": getattr(file, "name", "-"), "outcome": out} for file, out in zip(files, outcomes, strict=True)],
            as_json,
        )


# -- keys ----------------------------------------------------------------------------------------------------------


@cli.group("keys")
def key_group() -> None:
    """Signing keys and secrets."""


@key_group.command("list")
@as_json
def keys_list(as_json: bool) -> None:
    """List the signing keys, what they wait for and until when they are published; never their private part."""
    with _application():
        _say(rotation.describe_keys(), as_json)


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
    with _application():
        try:
            steps = [
                rotation.revoke_and_replace(alg, reason=reason, keep_next=keep_next)
                if reason
                else rotation.rotate(alg, anyway=anyway)
                for alg in algs or ALGORITHMS
            ]
        except (rotation.RotationFault, KeyUnusable) as fault:
            raise click.ClickException(str(fault)) from None
        _say([rotation.describe_step(step, keep_next=keep_next) for step in steps], as_json)
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


# -- conformance ---------------------------------------------------------------------------------------------------


@cli.group("conformance")
def conformance_group() -> None:
    """The official OpenID conformance suite."""


@conformance_group.command("prepare")
@click.option("--suite", default="https://localhost:8443", show_default=True, help="The suite's base URL.")
@click.option("--alias", default="sesame", show_default=True, help="Part of its redirect URIs: /test/a/<alias>/…")
@click.option(
    "--directory", "folder", type=click.Path(path_type=Path, file_okay=False), default="var/conformance/suite",
    show_default=True, help="Where its configuration files are written; they hold secrets.",
)  # fmt: skip
@as_json
def conformance_prepare(suite: str, alias: str, folder: Path, as_json: bool) -> None:
    """Make the suite's account and clients anew, and its configuration files; test hosts only."""
    from idp.conformance.account import NoTestAccount
    from idp.conformance.prepare import prepare

    with _application():
        try:
            prepared = prepare(suite.rstrip("/"), alias, folder, now=clock.now())
        except NoTestAccount as fault:
            raise click.ClickException(str(fault)) from None
        db.session.commit()
        _say(
            [
                {
                    "configuration": one.name,
                    "plans": [plan for plan, _ in one.plans],
                    "file": one.file and str(one.file),
                    "faults": list(one.faults),
                }
                for one in prepared
            ],
            as_json,
        )


@cli.command()
@as_json
def doctor(as_json: bool) -> None:
    """Check the configuration and what it points to."""
    from sqlalchemy import text

    from idp.state import state

    with _application():
        db.session.execute(text("SELECT 1"))
        state.store.ping()
        facts = {
            "issuer": settings.issuer,
            "database": db.engine.dialect.name,
            "state": type(state.store).__name__,
            "mail relays": len(settings.relay_urls),
            "sms": settings.sms.transport or "off",
            "directory": _directory_facts(),
            "fixed code": "for one account (conformance)" if settings.conformance.account else "none",
        }
        _say(facts, as_json)


def _directory_facts() -> str:
    """Ask an outside directory after nobody."""
    asked = current_directory()
    if asked is None:
        return "the accounts here"
    try:
        # Shaped like a NIR, of a month and a place that do not exist.
        asked.find("1009900999999")
    except DirectoryAway as fault:
        return f"{settings.directory}: away ({fault})"
    return f"{settings.directory}: answers, and keeps {', '.join(sorted(asked.keeps)) or 'passwords only'}"


if __name__ == "__main__":
    cli()
