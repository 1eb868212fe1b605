"""The audit events of a visitor's walk."""

from collections.abc import Iterable

from idp.audit import record


def passkey_used(*, account_id: str | None, ceremony: str, refusal: str | None) -> None:
    """A passkey was shown; ``refusal`` says what was wrong with it."""
    outcome = "ok" if refusal is None else "refused"
    record("passkey", outcome=outcome, reason=refusal, account_id=account_id, ceremony=ceremony)


def sign_in_ended(
    outcome: str, *, reason: str | None, account_id: str | None, client_id: str | None, proofs: Iterable[str]
) -> None:
    """A sign-in came to its end, with the proofs that had been given."""
    record(
        "sign-in", outcome=outcome, reason=reason, account_id=account_id, client_id=client_id, proofs=" ".join(proofs)
    )


def password_renewed_outside(*, account_id: str, directory: str, on_their_word: bool) -> None:
    """After a stop, somebody said that the password was changed in an outside directory; ``on_their_word`` sufficed."""
    record("password-renewed-outside", account_id=account_id, directory=directory, on_their_word=on_their_word)
