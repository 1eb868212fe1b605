"""What a directory of people that an organisation already has must be able to do: the interface of `directory`.

It is the first factor, and the authority for what it keeps. The account here is made when its person first signs in;
the password is never copied. `idp.plugins.contract_directory` holds an implementation to all of this.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

Kept = Literal["email", "mobile", "profile", "password-age"]


class DirectoryAway(Exception):
    """The directory gave no answer: answer 503 and count nothing. Never a stand-in for « wrong password »."""


@dataclass(frozen=True, repr=False, slots=True)
class Person:
    """What a directory says of a person who may sign in; ``None`` where it says nothing."""

    # The canonical NIR (`accounts.nir.parse_nir`) that was asked for.
    nir: str
    email: str | None = None
    mobile: str | None = None
    # Names of OpenID Connect Core §5.1, those of `accounts.models.PROFILE_CLAIMS` only.
    claims: Mapping[str, Any] = field(default_factory=dict)
    locale: str | None = None
    # Ends the sessions that are older, and answers a stop key.
    password_changed_at: datetime | None = None


class Directory(Protocol):
    """Knows people and their passwords; used from many threads at once, never inside a database transaction."""

    # What it is the authority for: people change that there, and not in « Gérer mon compte ».
    keeps: frozenset[Kept]

    def authenticate(self, nir: str, password: str) -> Person | None:
        """Return the person if the password is right, else ``None``: unknown, wrong, disabled, ambiguous alike.

        All of these cost the same work (R8). ``nir`` is canonical; ``password`` is 1 to 1024 bytes of UTF-8, without
        NUL, in Unicode's form NFC. Raises `DirectoryAway` for anything that is not an answer.
        """
        ...

    def find(self, nir: str) -> Person | None:
        """Return a person who may sign in, without a password; ``None`` once they are gone or disabled.

        Asked from time to time for accounts that exist. Raises `DirectoryAway`: nobody is put out by a cable.
        """
        ...

    def close(self) -> None:
        """Give back connections."""
        ...
