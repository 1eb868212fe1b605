"""Who may do what in the administration, as one table: no role holds everything, no permission is held by default.

Whoever administers has the permissions of all their roles together, looked up at every request: a role that is taken
away is gone with the next one (ASVS 8.3.2).
"""

from collections.abc import Iterable
from typing import Final

# What each permission lets its holder do; the reference page is written from this.
PERMISSIONS: Final[dict[str, str]] = {
    "clients.read": "see clients, their history, and what waits for approval",
    "clients.write": "register and change clients; what is risky waits for a second person",
    "clients.secrets": "make client secrets and revoke them",
    "clients.suspend": "suspend, resume, archive and restore clients",
    "clients.approve": "approve or refuse changes of clients that somebody else asked for",
    "emergency": "apply a risky change alone (break-glass): everybody is alerted, somebody else reviews it",
    "keys.read": "see signing keys",
    "keys.rotate": "rotate signing keys, and revoke them in an emergency; another person approves",
    "keys.approve": "approve or refuse what another key-holder asked for",
    "operations.read": "see the dashboard, the settings, channels, banner and texts",
    "operations.write": "switch channels off and on, put up the banner, change limits and texts",
    "operations.approve": "approve or refuse such changes that somebody else asked for",
    "support.read": "find an account or a reference, always with a reason",
    "support.act": "lift a pause, send towards a change of contact",
    "accounts.disable": "ask that nobody may sign in with an account, or that it is given back",
    "accounts.approve": "approve or refuse what an adviser asked for an account",
    "audit.read": "search, verify and export the audit trail",
    "administrators.read": "see administrators, their roles and tokens",
    "administrators.write": "add, disable and re-enrol administrators, and change their roles",
    "administrators.approve": "approve or refuse role changes that somebody else asked for",
    "tokens.write": "make tokens of one's own for the REST interface",
}


def _of(words: str) -> frozenset[str]:
    return frozenset(words.split())


ROLES: Final[dict[str, frozenset[str]]] = {
    "reader": _of("clients.read operations.read tokens.write"),
    "editor": _of("clients.read clients.write clients.secrets clients.suspend operations.read tokens.write"),
    "operator": _of("clients.read operations.read operations.write emergency tokens.write"),
    "approver": _of(
        "clients.read clients.approve clients.suspend operations.read operations.approve "
        "keys.read keys.approve accounts.approve emergency tokens.write"
    ),
    "key-holder": _of(
        "clients.read clients.secrets operations.read keys.read keys.rotate keys.approve emergency tokens.write"
    ),
    "support": _of("support.read support.act accounts.disable tokens.write"),
    "auditor": _of("clients.read operations.read audit.read administrators.read tokens.write"),
    "role-admin": _of("administrators.read administrators.write administrators.approve tokens.write"),
}
# What a token may hold only if it is tied to addresses: whoever steals it must also be there.
NEEDS_NETWORK: Final = _of(
    "clients.approve administrators.write administrators.approve operations.write operations.approve "
    "keys.rotate keys.approve emergency support.read support.act accounts.disable accounts.approve audit.read"
)
# What is done in the console only by who showed their passkey a moment ago; a token for it is made that way, too.
NEEDS_PROOF: Final = frozenset(
    {name for name in PERMISSIONS if name.endswith(".approve")} | {"emergency", "administrators.write"}
)


def permissions_of(roles: Iterable[str]) -> frozenset[str]:
    """Return what ``roles`` allow together; a role that is not in the table allows nothing."""
    return frozenset(permission for role in roles for permission in ROLES.get(role, ()))
