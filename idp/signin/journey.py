"""What a visitor must still do, as a list: the first step that is due is the page to show."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from idp.accounts import devices, directory
from idp.accounts.models import Account
from idp.messages.undeliverable import is_undeliverable
from idp.mfa import guard
from idp.mfa.codes import Challenge, find_challenge
from idp.mfa.guard import CodePause
from idp.mfa.levels import level_of, reaches
from idp.mfa.methods import available_methods
from idp.mfa.policy import can_reach, offered_channels
from idp.session import Proof
from idp.signin.interaction import Interaction
from idp.web import device_cookie


@dataclass(frozen=True)
class Facts:
    """What decides the next step."""

    interaction: Interaction
    account: Account | None
    has_methods: bool
    channels: tuple[str, ...]
    challenge: Challenge | None
    pause: CodePause | None
    email_bounced: bool = False

    @property
    def has_current_password(self) -> bool:
        """Whether the visitor proved the password that the account has now; a changed one ends the walk (AC-49)."""
        changed = self.account.password_changed_at if self.account else None
        proofs = [proof for proof in self.interaction.proofs if proof.name == "pwd" and not self.is_void(proof)]
        return self.account is not None and any(changed is None or proof.at >= changed for proof in proofs)

    def is_void(self, proof: Proof) -> bool:
        """Whether somebody stopped this account's sign-ins after this was proved."""
        stopped = self.account.stopped_at if self.account else None
        return stopped is not None and proof.at <= stopped

    @property
    def level_is_reached(self) -> bool:
        """Whether the proofs so far are a complete sign-in that meets the demand, the wishes having been offered."""
        level = level_of(proof.name for proof in self.interaction.proofs if not self.is_void(proof))
        if level is None or not reaches(level.acr, self.interaction.demand.levels):
            return False
        return reaches(level.acr, self.interaction.demand.wished_levels) or not self.may_rise

    @property
    def may_rise(self) -> bool:
        """Whether a better second factor is there that this walk has not offered yet (RFC 9470 §5).

        What an earlier sign-in proved does not count; a second factor of this walk does, whichever was chosen.
        """
        begun, wished = self.interaction.created_at, self.interaction.demand.wished_levels
        has_chosen = any(proof.name != "pwd" and proof.at >= begun for proof in self.interaction.proofs)
        return not has_chosen and can_reach(self.channels, wished)

    @property
    def code_is_out(self) -> bool:
        """Whether a code was sent that the visitor may be typing."""
        return self.challenge is not None and self.challenge.used_at is None


@dataclass(frozen=True, slots=True)
class Step:
    """A step, due when its question is answered yes; its page is ``/signin/<interaction>/<name>``."""

    name: str
    is_due: Callable[[Facts], bool]


STEPS: tuple[Step, ...] = (
    Step("identify", lambda f: not f.has_current_password),
    Step("restricted", lambda f: f.account is not None and f.account.status != "active"),
    Step("no-channel", lambda f: not f.level_is_reached and not f.has_methods),
    Step("unmet", lambda f: not f.level_is_reached and not f.channels),
    Step("pause", lambda f: not f.level_is_reached and f.pause is not None),
    Step("code", lambda f: not f.level_is_reached and f.code_is_out),
    Step("send", lambda f: not f.level_is_reached),
    Step("renew", lambda f: f.account is not None and f.account.stopped_at is not None),
    Step("address", lambda f: f.email_bounced and "address" not in f.interaction.postponed),
    Step("consent", lambda f: f.interaction.demand.consent_to is not None and f.interaction.consented is None),
)


def next_step(facts: Facts) -> str | None:
    """Return the step that is due, or ``None`` when nothing is left to do."""
    return next((step.name for step in STEPS if step.is_due(facts)), None)


def gather_facts(interaction: Interaction, now: datetime) -> Facts:
    """Look up what decides the next step of a sign-in."""
    account = directory.find_account(interaction.account_id) if interaction.account_id else None
    methods = tuple(method.channel for method in available_methods(account)) if account else ()
    demand = interaction.demand
    challenge = find_challenge(interaction.challenge_id)
    if challenge is not None and challenge.account_id != interaction.account_id:
        challenge = None
    email = account.email if account and account.email_verified_at else None
    return Facts(
        email_bounced=is_undeliverable(account.id, email) if account else False,
        interaction=interaction,
        account=account,
        has_methods=bool(methods),
        channels=offered_channels(methods, demanded=demand.levels, wished=demand.wished_levels),
        challenge=challenge,
        pause=guard.find_pause(account.id, lane_of(account.id, now), now) if account else None,
    )


def lane_of(account_id: str, now: datetime) -> str:
    """Return the lane in which this browser's wrong codes of an account are counted."""
    return devices.find_lane(device_cookie(), account_id, now=now) or guard.UNKNOWN_DEVICES
