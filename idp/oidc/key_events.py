"""The audit events of signing keys."""

from typing import Literal

from idp.audit import record


def key_made(*, alg: str, kid: str, state: Literal["active", "next"]) -> None:
    """A signing key was made, to sign at once or next."""
    record("key-made", alg=alg, kid=kid, state=state)


def key_activated(*, alg: str, kid: str, is_emergency: bool = False) -> None:
    """A key signs from now on."""
    record("key-activated", alg=alg, kid=kid, reason="emergency" if is_emergency else None)


def key_activated_unseen(*, client_id: str, alg: str, kid: str) -> None:
    """A key signs although this client has not fetched it."""
    record("key-activated-unseen", outcome="overruled", client_id=client_id, alg=alg, kid=kid)


def key_retired(*, alg: str, kid: str) -> None:
    """A key signs no more, and is still published."""
    record("key-retired", alg=alg, kid=kid)


def key_revoked(*, alg: str, kid: str, reason: str, state: str) -> None:
    """A key was taken out of the JWKS at once; ``state`` is what it was before."""
    record("key-revoked", alg=alg, kid=kid, reason=reason, state=state)


def key_gone(*, alg: str, kid: str) -> None:
    """A key cannot be used any more where it was made."""
    record("key-gone", alg=alg, kid=kid)


def private_half_destroyed(*, alg: str, kid: str) -> None:
    """The private half of a key that signs no more was destroyed."""
    record("key-private-half-destroyed", alg=alg, kid=kid)
