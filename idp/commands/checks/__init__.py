"""What `idp doctor` looks at: `CHECKS`, one line each; a check returns findings, and each says what to do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "skipped", "warning", "failure"]
# From the least to the worst.
ORDER: tuple[Status, ...] = ("ok", "skipped", "warning", "failure")


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: how it is, in one sentence, and what puts it right."""

    status: Status
    says: str
    fix: str = ""


def ok(says: str) -> Finding:
    """Say that all is well."""
    return Finding("ok", says)


def skipped(says: str) -> Finding:
    """Say that there was nothing to look at, or no way to."""
    return Finding("skipped", says)


def warning(says: str, fix: str) -> Finding:
    """Say what works and should not stay so."""
    return Finding("warning", says, fix)


def failure(says: str, fix: str) -> Finding:
    """Say what does not work, or does not protect."""
    return Finding("failure", says, fix)


def first_bad_or(findings: Iterable[Finding], good: Finding) -> list[Finding]:
    """Return the findings, or ``good`` when there is none."""
    return list(findings) or [good]


Check = Callable[[], list[Finding]]
