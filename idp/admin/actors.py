"""Who acts: a person, a token of theirs, or the operator at the machine, and what they may do at this moment."""

from dataclasses import dataclass
from typing import Literal

from idp.admin.faults import Forbidden
from idp.admin.roles import PERMISSIONS

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


def operator(name: str) -> Actor:
    """Return whoever sits at the machine: everything is theirs anyway, and everything is written down."""
    return Actor(f"cli:{name}"[:60], frozenset(PERMISSIONS), "cli", is_operator=True)
