"""Which directory of people is asked for passwords, if they are not kept here: the table, and the one in use."""

from collections.abc import Callable
from typing import cast

from flask import Flask, current_app

from idp import entry_points
from idp.accounts.outside import Directory, Kept
from idp.settings import Settings, settings


def _ldap(wanted: Settings) -> Directory:
    try:
        from idp.accounts.ldap import LdapDirectory
    except ImportError:
        raise ValueError("directory ldap needs ldap3: pip install 'sesame-idp[ldap]'") from None
    return LdapDirectory(wanted)


# By `directory`.
DIRECTORIES: dict[str, Callable[[Settings], Directory]] = {"ldap": _ldap}


def open_directory(wanted: Settings) -> Directory | None:
    """Return the directory that the settings name, or ``None`` when passwords are kept here."""
    if not wanted.directory:
        return None
    return entry_points.make(entry_points.DIRECTORIES, wanted.directory, wanted, DIRECTORIES)


def init_directory(app: Flask, directory: Directory | None) -> None:
    """Let an application ask ``directory``."""
    app.extensions["sesame"]["directory"] = directory


def current_directory() -> Directory | None:
    """Return whom to ask for passwords; ``None``: they are kept here."""
    return cast("Directory | None", current_app.extensions["sesame"].get("directory"))


def password_url() -> str | None:
    """Return where people change a password that is kept outside, if the operator says so."""
    url = settings.change_password_url
    return url if url.startswith("https://") else None


def is_kept_outside(what: Kept) -> bool:
    """Tell whether people change ``what`` in their organisation's directory, and not here."""
    asked = current_directory()
    return asked is not None and what in asked.keeps
