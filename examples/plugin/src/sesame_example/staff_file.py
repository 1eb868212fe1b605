"""A directory of people in a file of JSON: for an organisation of thirty, or for looking at what a directory must do.

`[plugins.staff_file]` says `file`: a list of objects with `nir`, `password` (what `hash_password` returns), and as they
are known `email`, `mobile`, `name`, `preferred_username`, `left`. It is read again whenever it changes.
"""

import hashlib
import hmac
import json
import os
import threading
from pathlib import Path
from typing import Any

from idp.accounts.outside import DirectoryAway, Kept, Person
from idp.entry_points import own_settings
from idp.settings import Settings

_SCRYPT = {"n": 2**13, "r": 8, "p": 1}
_CLAIMS = ("name", "preferred_username")
# Compared with where there is nobody, so that the work is the same (R8).
_NOBODYS = "00" * 16 + "$" + "00" * 64


class StaffFile:
    """Everything that is asked for is answered from the file as it is now."""

    keeps: frozenset[Kept] = frozenset({"email", "mobile", "profile"})

    def __init__(self, settings: Settings) -> None:
        self._file = Path(own_settings(settings, "staff_file")["file"])
        self._lock = threading.Lock()
        self._read_at, self._people = 0, dict[str, dict[str, Any]]()
        self._staff()

    def authenticate(self, nir: str, password: str) -> Person | None:
        entry = self._entry(nir)
        salt, _, kept = (entry["password"] if entry else _NOBODYS).partition("$")
        typed = password.encode("utf-8", "surrogatepass")
        digest = hashlib.scrypt(typed, salt=bytes.fromhex(salt), **_SCRYPT).hex()
        return _person(entry) if hmac.compare_digest(digest, kept) and entry is not None else None

    def find(self, nir: str) -> Person | None:
        entry = self._entry(nir)
        return _person(entry) if entry is not None else None

    def close(self) -> None:
        """Nothing is kept open."""

    def _entry(self, nir: str) -> dict[str, Any] | None:
        try:
            entry = self._staff().get(nir)
        except (OSError, ValueError, KeyError) as fault:
            # A file that is being written, or whose disk is gone, says nothing about anybody.
            raise DirectoryAway(type(fault).__name__) from None
        return None if entry is None or entry.get("left") else entry

    def _staff(self) -> dict[str, dict[str, Any]]:
        changed_at = self._file.stat().st_mtime_ns
        with self._lock:
            if changed_at != self._read_at:
                people = json.loads(self._file.read_text(encoding="utf-8"))
                self._people, self._read_at = {one["nir"]: one for one in people}, changed_at
            return self._people


def _person(entry: dict[str, Any]) -> Person:
    claims = {name: entry[name] for name in _CLAIMS if name in entry}
    return Person(nir=entry["nir"], email=entry.get("email"), mobile=entry.get("mobile"), claims=claims)


def hash_password(password: str) -> str:
    """Return what the file holds for a password."""
    salt = os.urandom(16)
    return f"{salt.hex()}${hashlib.scrypt(password.encode(), salt=salt, **_SCRYPT).hex()}"
