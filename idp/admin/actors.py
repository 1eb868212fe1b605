"""Who acts: a person, a token of theirs, or the operator at the machine, and what they may do at this moment."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from idp.admin.faults import Forbidden, ProofDue
from idp.admin.roles import PERMISSIONS
from idp.settings import settings

Surface = Literal["console", "api", "cli"]


@dataclass(frozen=True)
class Actor:
    """``name`` is the person who answers for it: a token never counts as somebody else than its owner."""

    name: str
    permissions: frozenset[str]
    surface: Surface
    # How the history names a token beside its owner.
    token: str = ""
    # The operator at the machine holds its keys and database; a second person would be theatre (ADR 0015).
    is_operator: bool = False
    # In the console: when the passkey was last shown. A token shows none: it was made, with such a scope, by one.
    proved_at: datetime | None = None

    @property
    def signature(self) -> str:
        """How the history names who did it."""
        return f"{self.name} ({self.token})" if self.token else self.name

    def may(self, permission: str) -> bool:
        """Tell whether the actor has a permission."""
        return permission in self.permissions

    def require(self, permission: str) -> None:
        """Raise `Forbidden` without the permission."""
        if permission not in self.permissions:
            raise Forbidden(f"needs the permission {permission}")

    def require_proof(self, now: datetime) -> None:
        """Raise `ProofDue` in the console unless the passkey was shown in the last minutes (ASVS 7.5.3)."""
        oldest = now - settings.lifetimes.fresh_proof
        if self.surface == "console" and (self.proved_at is None or self.proved_at <= oldest):
            raise ProofDue("show your passkey again for this")


def operator(name: str) -> Actor:
    """Return whoever sits at the machine: everything is theirs anyway, and everything is written down."""
    return Actor(f"cli:{name}"[:60], frozenset(PERMISSIONS), "cli", is_operator=True)
