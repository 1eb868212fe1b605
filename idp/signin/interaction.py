"""What is kept of one sign-in while it is under way: who asked for what, and what the visitor has proved so far.

An interaction is bound to one browser: only a session that holds its id may see or move it (AC-22).
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from flask import request

from idp import entropy, metrics, web
from idp.session import Proof, Session
from idp.settings import settings
from idp.state import Space, state
from idp.web import PageError

Outcome = Literal["done", "cancelled", "unmet"]
# How many of the browser's other interactions are looked at for one to take up again.
_LOOK_BACK = 4


@dataclass(frozen=True)
class Demand:
    """What the caller asks of a sign-in, in plain values."""

    service: str
    service_id: str
    levels: tuple[str, ...] = ()
    wished_levels: tuple[str, ...] = ()
    fresh_after: datetime | None = None
    consent_to: tuple[str, ...] | None = None
    # Why the service needs what it gets: by text of `consent_to`, in the words of its own, by language.
    consent_purposes: dict[str, dict[str, str]] = field(default_factory=dict)
    # More to agree to, in words of the visitor's language already: a text, and lines under it.
    consent_details: tuple[tuple[str, tuple[str, ...]], ...] = ()
    account_id: str | None = None
    locale: str | None = None
    form_target: str | None = None
    # The service's own: the address here of its logo, and of its pages elsewhere on data and on terms.
    logo: str | None = None
    policy: str | None = None
    terms: str | None = None


@dataclass(frozen=True)
class Interaction:
    """One sign-in under way."""

    id: str
    reference: str
    demand: Demand
    resume_url: str
    payload: dict[str, Any]
    created_at: datetime
    acted_at: datetime
    account_id: str | None = None
    proofs: tuple[Proof, ...] = ()
    challenge_id: str | None = None
    switched: bool = False
    consented: bool | None = None
    # Steps that the visitor put off to another sign-in.
    postponed: tuple[str, ...] = ()
    # Whether this browser could keep a passkey; whom it was offered to in this sign-in, and what was turned on.
    enrols_here: bool = False
    promoted_to: str | None = None
    enrolled: str | None = None
    # How often too many signed in at once for this one's password, and the number that was typed, sealed.
    waits: int = 0
    waits_for: str = ""
    outcome: Outcome | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True)
class Restart:
    """The caller's original request, so that an expired sign-in can begin again."""

    url: str
    service: str


INTERACTIONS = Space("interaction", Interaction, once=True)
RESTARTS = Space("restart", Restart)


def start_interaction(
    *, session: Session, demand: Demand, payload: dict[str, Any], resume_at: str, restart_url: str, now: datetime
) -> Interaction:
    """Keep a new sign-in and bind it to this browser; what the browser has proved already counts, if fresh enough."""
    interaction = new_interaction(demand=demand, payload=payload, resume_at=resume_at, now=now)
    interaction = _take_up(interaction, session, now) or adopt_session(interaction, session)
    keep_interaction(interaction)
    state.put(RESTARTS, interaction.id, Restart(restart_url, demand.service), ttl=settings.lifetimes.restart)
    web.change_session(lambda held: held.with_interaction(interaction.id))
    return interaction


def new_interaction(*, demand: Demand, payload: dict[str, Any], resume_at: str, now: datetime) -> Interaction:
    """Return a sign-in in which nothing is proved yet."""
    interaction_id = entropy.identifier()
    return Interaction(
        id=interaction_id,
        reference=entropy.reference(),
        demand=demand,
        resume_url=f"{resume_at}/{interaction_id}",
        payload=payload,
        created_at=now,
        acted_at=now,
    )


def keep_interaction(interaction: Interaction) -> None:
    """Keep a sign-in that begins; whoever calls binds it to somebody."""
    state.put(INTERACTIONS, interaction.id, interaction, ttl=settings.lifetimes.interaction)


def identified_as(account_id: str, proof: str, now: datetime) -> dict[str, Any]:
    """Return what changes when it is known who signs in: what another person had proved or was sent is dropped."""
    return {"account_id": account_id, "proofs": (Proof(proof, now),), "challenge_id": None, "consented": None}


def with_proof(interaction: Interaction, name: str, now: datetime) -> tuple[Proof, ...]:
    """Return the proofs of a sign-in and one more."""
    return (*(proof for proof in interaction.proofs if proof.name != name), Proof(name, now))


def split_off(interaction: Interaction, now: datetime) -> Interaction:
    """Go on under another id, in a new session that holds nothing else.

    The sign-in is never shared instead: two sessions that hold one could each finish it, and one of them may be a
    session that was planted (AC-21).
    """
    own_id = entropy.identifier()
    resume_url = interaction.resume_url.removesuffix(interaction.id) + own_id
    own = replace(interaction, id=own_id, resume_url=resume_url, acted_at=now)
    state.put(INTERACTIONS, own_id, own, ttl=settings.lifetimes.interaction)
    restart = state.get(RESTARTS, interaction.id)
    if restart is not None:
        state.put(RESTARTS, own_id, restart, ttl=settings.lifetimes.restart)
    web.end_current_session()
    web.ensure_session()
    web.change_session(lambda held: held.with_interaction(own_id))
    return own


def get_interaction(interaction_id: str, resume_at: str | None = None) -> Interaction:
    """Return a sign-in of this browser, or raise `PageError` saying why there is none.

    ``resume_at`` names the caller whose payload it must carry: none reads what another one wrote.
    """
    session = web.current_session()
    interaction = state.get(INTERACTIONS, interaction_id)
    if interaction is None:
        restart = state.get(RESTARTS, interaction_id)
        raise PageError(
            "expired",
            400,
            "interaction ended",
            restart_url=f"/signin/{interaction_id}/restart" if restart else None,
            service=restart.service if restart else None,
        )
    if session is None and web.cookie_name(web.SESSION_COOKIE) not in request.cookies:
        raise PageError("cookies", 400, "no session cookie came back", restart_url=None)
    if session is None or interaction_id not in session.interactions:
        restart_url = f"/signin/{interaction_id}/restart"
        raise PageError("other_browser", 403, "interaction of another browser", restart_url=restart_url)
    if resume_at is not None and interaction.resume_url != f"{resume_at}/{interaction_id}":
        raise PageError("not_found", 404, "interaction of another caller")
    demand = interaction.demand
    about = {"logo": demand.logo, "policy": demand.policy, "terms": demand.terms}
    web.show_interaction(interaction.reference, demand.service, demand.form_target, about)
    return interaction


def change_interaction(interaction: Interaction, fn: Callable[[Interaction], Interaction | None]) -> Interaction | None:
    """Replace a sign-in by ``fn`` of it and give it another hour; ``None`` when it ended or ``fn`` left it."""
    return state.change(INTERACTIONS, interaction.id, fn, ttl=settings.lifetimes.interaction)


def update_interaction(interaction: Interaction, now: datetime, **changes: Any) -> Interaction:
    """Change fields of a sign-in that goes on, or raise `PageError` when it ended meanwhile."""
    changed = change_interaction(
        interaction, lambda old: None if old.outcome else replace(old, acted_at=now, **changes)
    )
    if changed is None:
        raise PageError("expired", 400, "interaction ended", restart_url=f"/signin/{interaction.id}/restart")
    return changed


def answer_interaction(interaction: Interaction, now: datetime) -> Interaction | None:
    """Mark a finished sign-in as answered: one caller gets it, every later one gets ``None``."""

    def _once(old: Interaction) -> Interaction | None:
        return None if old.answered_at or not old.outcome else replace(old, answered_at=now)

    return change_interaction(interaction, _once)


def find_restart(interaction_id: str) -> str | None:
    """Return the address that begins the same request again."""
    restart = state.get(RESTARTS, interaction_id)
    return restart.url if restart else None


def adopt_session(interaction: Interaction, session: Session | None) -> Interaction:
    """Count what the signed-in browser has proved, as far as it is of the right person and fresh enough."""
    if session is None or session.account_id is None or interaction.switched:
        return interaction
    if interaction.account_id not in (None, session.account_id):
        return interaction
    if interaction.demand.account_id not in (None, session.account_id):
        return interaction
    kept = {proof.name: proof for proof in _fresh(session.proofs, interaction.demand)}
    # A password alone is where an unfinished sign-in stands already; only a whole one adds something.
    if not kept or set(kept) <= {proof.name for proof in interaction.proofs}:
        return interaction
    # The younger of two proofs counts: a password typed anew is not undone by the session's older one.
    mine = {proof.name: proof for proof in interaction.proofs}
    newest = {**mine, **{name: max(proof, mine.get(name, proof), key=_moment) for name, proof in kept.items()}}
    return replace(interaction, account_id=session.account_id, proofs=tuple(newest.values()))


def _moment(proof: Proof) -> datetime:
    return proof.at


def _take_up(interaction: Interaction, session: Session, now: datetime) -> Interaction | None:
    """Go on where a closed tab stopped: same browser, same service, password less than 15 minutes ago."""
    for known in reversed(session.interactions[-_LOOK_BACK:]):
        other = state.get(INTERACTIONS, known)
        if other is None or other.outcome or other.account_id is None:
            continue
        same_errand = (other.demand.service_id, other.demand.levels, other.demand.account_id) == (
            interaction.demand.service_id,
            interaction.demand.levels,
            interaction.demand.account_id,
        )
        proofs = _fresh(other.proofs, interaction.demand)
        recent = any(p.name == "pwd" and now - p.at < settings.lifetimes.resume_password for p in proofs)
        if same_errand and recent:
            metrics.RESUMED.inc()
            return replace(
                interaction, account_id=other.account_id, proofs=proofs, challenge_id=other.challenge_id,
                switched=other.switched, enrols_here=other.enrols_here,
            )  # fmt: skip
    return None


def _fresh(proofs: tuple[Proof, ...], demand: Demand) -> tuple[Proof, ...]:
    # Later, not at the same moment: `prompt=login` never counts what was proved before it was asked.
    return tuple(proof for proof in proofs if demand.fresh_after is None or proof.at > demand.fresh_after)
