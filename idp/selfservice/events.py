"""The audit events of « Gérer mon compte »: what account holders did themselves."""

from idp.audit import record


def totp_added(*, account_id: str) -> None:
    """An authenticator app was added."""
    record("totp-added", account_id=account_id)


def totp_removed(*, account_id: str) -> None:
    """The authenticator app was removed."""
    record("totp-removed", account_id=account_id)


def recovery_codes_made(*, account_id: str) -> None:
    """A sheet of recovery codes was made; the one before is worth nothing."""
    record("recovery-codes-made", account_id=account_id)


def recovery_codes_removed(*, account_id: str) -> None:
    """The sheet of recovery codes was made worthless."""
    record("recovery-codes-removed", account_id=account_id)


def passkey_removed(*, account_id: str, passkey_id: str, lost: bool) -> None:
    """A passkey was removed, because it was lost or not."""
    record("passkey-removed", account_id=account_id, passkey=passkey_id, lost=lost)


def password_changed(*, account_id: str) -> None:
    """The password was changed by somebody who knew the old one."""
    record("password-changed", account_id=account_id)


def device_forgotten(*, account_id: str) -> None:
    """A device is no longer recognised."""
    record("device-forgotten", account_id=account_id)


def sign_in_disowned(*, account_id: str) -> None:
    """The account holder said of a past sign-in that it was somebody else's."""
    record("not-me", account_id=account_id)


def data_downloaded(*, account_id: str) -> None:
    """The account holder downloaded what is kept of them."""
    record("data-downloaded", account_id=account_id)


def language_changed(*, account_id: str) -> None:
    """The language of messages was changed."""
    record("language-changed", account_id=account_id)
