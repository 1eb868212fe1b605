"""The front page of the account, and the table of what there is: one line and one file for each section."""

from dataclasses import dataclass

from flask import Response

from idp.selfservice import (
    authenticator,
    contacts,
    data,
    devices,
    history,
    language,
    passkeys,
    password,
    recovery,
    services,
    sessions,
)  # fmt: skip
from idp.selfservice.entry import blueprint, current_holder, show

__all__ = ["SECTIONS", "blueprint"]


@dataclass(frozen=True, slots=True)
class Section:
    """A section: the word in its address, its file, and the catalogue ids of its name and of what it is for."""

    name: str
    module: object
    title: str
    purpose: str


SECTIONS: tuple[Section, ...] = (
    Section("password", password, "account.password.title", "account.password.purpose"),
    Section("email", contacts, "account.email.title", "account.email.purpose"),
    Section("mobile", contacts, "account.mobile.title", "account.mobile.purpose"),
    Section("passkeys", passkeys, "account.passkeys.title", "account.passkeys.purpose"),
    Section("authenticator", authenticator, "account.authenticator.title", "account.authenticator.purpose"),
    Section("recovery", recovery, "account.recovery.title", "account.recovery.purpose"),
    Section("sessions", sessions, "account.sessions.title", "account.sessions.purpose"),
    Section("services", services, "account.services.title", "account.services.purpose"),
    Section("history", history, "account.history.title", "account.history.purpose"),
    Section("devices", devices, "account.devices.title", "account.devices.purpose"),
    Section("data", data, "account.data.title", "account.data.purpose"),
    Section("language", language, "account.language.title", "account.language.purpose"),
)


@blueprint.get("", strict_slashes=False)
def home() -> Response:
    """Show what a person can see and change of their account."""
    return show("home", sections=SECTIONS, signals=passkeys.signals_of(current_holder()))
