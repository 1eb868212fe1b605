"""What is kept of a sign-in in an app: an ordinary interaction, found by `auth_session`, bound to client and key.

`auth_session` is 256 random bits (draft §5.3.1) and kept as its fingerprint. No browser holds the interaction, so that
no page can see or move it; and this endpoint knows none that a browser began.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from idp import crypto, entropy
from idp.accounts import devices
from idp.mfa import guard
from idp.oidc.clients import Client
from idp.oidc.errors import InvalidSession
from idp.oidc.request import AuthorizationRequest, Parameters, restore_request
from idp.settings import settings
from idp.signin.interaction import (
    INTERACTIONS,
    Demand,
    Interaction,
    change_interaction,
    keep_interaction,
    new_interaction,
)
from idp.signin.journey import Facts, gather_facts
from idp.state import Space, state

RESUME = "/authorize-challenge"


@dataclass(frozen=True)
class AppSession:
    """Whose sign-in it is, and the request as it was sent, for the web to take over."""

    interaction_id: str
    client_id: str
    jkt: str
    values: Mapping[str, str] = field(repr=False)
    resources: tuple[str, ...] = ()


APP_SESSIONS = Space("app-session", AppSession, once=True)


@dataclass(frozen=True)
class AppWalk:
    """A sign-in under way in an app that has just proved its key."""

    auth_session: str = field(repr=False)
    session: AppSession
    client: Client
    interaction: Interaction

    @property
    def device(self) -> str:
        """What stands for the recognised-device cookie of a browser."""
        return devices.cookie_of_key(self.session.jkt)

    @property
    def place(self) -> str:
        """What binds a passkey's challenge to this sign-in in this app."""
        return f"in-app:{self.interaction.id}:{self.session.jkt}"

    @property
    def asked(self) -> AuthorizationRequest:
        """The authorization request."""
        return restore_request(self.interaction.payload)

    def lane(self, now: datetime) -> str:
        """Return the lane in which this app's wrong codes are counted: its own once it is recognised (R7)."""
        return devices.find_lane(self.device, self.interaction.account_id, now=now) or guard.UNKNOWN_DEVICES

    def facts(self, now: datetime) -> Facts:
        """Look up what decides the next step."""
        return gather_facts(self.interaction, now, lane=self.lane(now))

    def changed(self, now: datetime, **changes: Any) -> "AppWalk":
        """Change fields of the interaction, or raise `InvalidSession` when it ended meanwhile."""
        kept = change_interaction(
            self.interaction, lambda old: None if old.outcome else replace(old, acted_at=now, **changes)
        )
        if kept is None:
            raise InvalidSession("the sign-in ended meanwhile")
        return replace(self, interaction=kept)

    def forget(self) -> None:
        """End `auth_session`: whatever comes next begins anew."""
        state.delete(APP_SESSIONS, crypto.fingerprint(self.auth_session))


def begin(
    parameters: Parameters, asked: AuthorizationRequest, demand: Demand, *, client: Client, jkt: str, now: datetime
) -> AppWalk:
    """Keep a request that passed its checks, and give it an `auth_session`."""
    interaction = new_interaction(demand=demand, payload=asked.as_payload(), resume_at=RESUME, now=now)
    # That mails come back is told on the next page that a person sees.
    interaction = replace(interaction, postponed=("address",))
    keep_interaction(interaction)
    session = AppSession(interaction.id, client.client_id, jkt, parameters.values, parameters.resources)
    auth_session = entropy.token()
    state.put(APP_SESSIONS, crypto.fingerprint(auth_session), session, ttl=settings.lifetimes.interaction)
    return AppWalk(auth_session, session, client, interaction)


def find_app_session(auth_session: str) -> AppSession | None:
    """Return what an `auth_session` stands for."""
    return state.get(APP_SESSIONS, crypto.fingerprint(auth_session))


def find_walk(auth_session: str, session: AppSession, client: Client) -> AppWalk | None:
    """Return the sign-in of a session whose client and key are known to be right, unless it is over."""
    interaction = state.get(INTERACTIONS, session.interaction_id)
    if interaction is None or interaction.outcome is not None:
        return None
    return AppWalk(auth_session, session, client, interaction)
