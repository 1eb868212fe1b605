"""What was granted to a client in one authorization: the facts that codes, tokens and families carry on."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from idp import entropy
from idp.session_handles import HANDLE, handle_of


@dataclass(frozen=True)
class Grant:
    """One authorization: who, to whom, what, and how they had signed in; a machine's own has nobody and no `acr`."""

    id: str
    client_id: str
    account_id: str | None
    sid: str
    scopes: tuple[str, ...]
    auth_time: datetime
    acr: str
    amr: tuple[str, ...]
    userinfo_claims: tuple[str, ...] = ()
    id_token_claims: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    authorization_details: tuple[dict[str, Any], ...] = ()

    @property
    def holder(self) -> str:
        """Return the account; raises `ValueError` for a grant in which nobody took part."""
        if self.account_id is None:
            raise ValueError("nobody stands behind this grant")
        return self.account_id


def new_grant_id(sid: str, client_id: str) -> str:
    """Return the id of a grant made in a session: the session's handle at this client, then random characters.

    It names the grant and proves nothing: codes and tokens carry 256 bits beside it.
    """
    return handle_of(sid, client_id) + entropy.identifier()[HANDLE:]
