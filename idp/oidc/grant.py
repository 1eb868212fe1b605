"""What a visitor granted a client in one authorization: the facts that codes, tokens and families carry on."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Grant:
    """One authorization: who, to whom, what, and how they had signed in."""

    id: str
    client_id: str
    account_id: str
    sid: str
    scopes: tuple[str, ...]
    auth_time: datetime
    acr: str
    amr: tuple[str, ...]
    userinfo_claims: tuple[str, ...] = ()
    id_token_claims: tuple[str, ...] = ()
