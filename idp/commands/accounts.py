"""`idp accounts`: account holders, shown masked."""

import sys

import click

from idp.accounts import contacts, directory, new_passwords, nir
from idp.commands.program import application, as_json, cli, say
from idp.db import db

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


def explain(fault: Exception) -> str:
    """Return what an operator is told of a value that cannot stand."""
    return _REASONS.get((type(fault).__name__, str(fault)), str(fault))


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
    with application():
        try:
            account = directory.add_account(
                nir=typed_nir, password=password, email=email, mobile=mobile, claims=claims, locale=locale
            )
            db.session.commit()
        except (nir.NirFault, new_passwords.PasswordFault, contacts.ContactFault, directory.DuplicateAccount) as fault:
            raise click.ClickException(explain(fault)) from None
        say(directory.describe_account(account), as_json)


@accounts.command("show")
@click.argument("identifier")
@as_json
def accounts_show(identifier: str, as_json: bool) -> None:
    """Show an account by its id or NIR; contact details masked, the NIR and the password never."""
    with application():
        account = directory.find_account(identifier)
        if account is None:
            try:
                account = directory.find_account_by_nir(nir.parse_nir(identifier))
            except nir.NirFault:
                account = None
        if account is None:
            raise click.ClickException("no such account")
        say(directory.describe_account(account), as_json)
