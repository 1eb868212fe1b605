"""What keeps private signing keys, as one small interface; the table of those there are is in `key_store.py`.

A service makes a key, opens it for signing and destroys it. What it returns as *handle* is all that the database keeps
of the private half: the sealed key itself (`key_store.py`), or no more than a name where it stays in a token
(`key_pkcs11.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from idp.oidc.jose.own import Algorithm, SigningKey


class KeyUnusable(Exception):
    """A private key cannot be made, read or used; the message is for the log and the operator."""


@dataclass(frozen=True)
class NewKey:
    """A key as its service made it: what is published, and how the service finds the private half again."""

    public_jwk: Mapping[str, str]
    handle: bytes


class KeyService(Protocol):
    """Something that keeps private keys; each act raises `KeyUnusable` when it cannot be done."""

    def make(self, alg: Algorithm) -> NewKey:
        """Make a key and keep its private half."""

    def open(self, handle: bytes, public_jwk: Mapping[str, str], alg: Algorithm) -> SigningKey:
        """Return a key that signs; called once per process, its ``sign`` from many threads at once."""

    def destroy(self, handle: bytes) -> None:
        """Delete the private half for good; what is gone already is no fault."""
