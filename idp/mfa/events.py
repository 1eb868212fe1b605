"""The audit events of proofs beyond the password: codes, apps, sheets, resets, stop keys."""

from typing import Literal

from idp.audit import record


def code_sent(*, account_id: str, channel: str, purpose: str, void: bool) -> None:
    """A code was handed to the outbox; ``void`` when it is for nobody and only looks like one."""
    record("code-send", outcome="void" if void else "ok", account_id=account_id, channel=channel, purpose=purpose)


def code_send_throttled(*, account_id: str, channel: str) -> None:
    """A code was asked for too often."""
    record("code-send", outcome="throttled", account_id=account_id, channel=channel)


def code_tried(outcome: str, *, account_id: str, channel: str, purpose: str) -> None:
    """Somebody typed a code that had been sent."""
    record("code", outcome=outcome, account_id=account_id, channel=channel, purpose=purpose)


def totp_tried(outcome: str, *, account_id: str) -> None:
    """Somebody typed a code of an authenticator app."""
    record("totp", outcome=outcome, account_id=account_id)


def recovery_code_tried(outcome: str, *, account_id: str) -> None:
    """Somebody typed a code of a sheet of paper."""
    record("recovery-code", outcome=outcome, account_id=account_id)


def plugged_factor_tried(outcome: str, *, account_id: str, factor: str) -> None:
    """Somebody used the second factor of a plug-in."""
    record("factor", outcome=outcome, account_id=account_id, factor=factor)


def password_reset(*, account_id: str, channel: str, sessions: int) -> None:
    """A forgotten password was replaced, and sessions ended."""
    record("password-reset", account_id=account_id, channel=channel, sessions=sessions)


def stop_key_used(*, account_id: str, of: Literal["code", "alert"], sessions: int) -> None:
    """The stop key of a message was typed: what the message was about ended, and sessions with it."""
    record("stop", account_id=account_id, reason=of, sessions=sessions)


def passkey_added(*, account_id: str, passkey_id: str, aaguid: str) -> None:
    """A passkey was added; ``aaguid`` is the model of what holds it."""
    record("passkey-added", account_id=account_id, passkey=passkey_id, aaguid=aaguid)


def passkey_not_added(*, account_id: str, reason: str) -> None:
    """What a browser sent to add a passkey was refused."""
    record("passkey-added", outcome="refused", reason=reason, account_id=account_id)


def passkey_offered(outcome: str, *, account_id: str) -> None:
    """Face or fingerprint was offered after a sign-in with a code."""
    record("passkey-offered", outcome=outcome, account_id=account_id)
