"""What a visitor must still do, as a list: the first step that is due is the page to show."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from idp import operations
from idp.accounts import devices
from idp.mfa import guard, promotion
from idp.mfa.codes import Challenge, find_challenge
from idp.mfa.guard import CodePause
from idp.mfa.levels import level_of, reaches
from idp.mfa.methods import FACTORS, METHODS, enrolled_methods, takes_passkeys
from idp.mfa.overview import Overview, find_overview
from idp.mfa.plugged import plugged
from idp.mfa.policy import RESET_CHANNEL, Decision, PolicyFacts, Rules, can_reach, decide
from idp.mfa.reset import find_distrusted
from idp.session import Proof
from idp.settings import settings
from idp.signin.interaction import Interaction
from idp.web import device_cookie


@dataclass(frozen=True)
class Facts:
    """What decides the next step."""

    interaction: Interaction
    account: Overview | None
    # Where this device's wrong codes are counted.
    lane: str
    decision: Decision
    challenge: Challenge | None
    pause: CodePause | None
    # The channel by which the password was replaced a short while ago.
    distrusted: str | None = None
    # What the account has and operators have switched off for now.
    switched_off: tuple[str, ...] = ()
    # Whether a passkey is offered once everything is proved.
    promotes: bool = False

    @property
    def channels(self) -> tuple[str, ...]:
        """The offered methods that send a code."""
        methods = (self.distrusted if method == RESET_CHANNEL else method for method in self.decision.methods)
        return tuple(method for method in methods if method in METHODS)

    @property
    def plugged(self) -> tuple[str, ...]:
        """The offered methods that plug-ins brought."""
        return tuple(method for method in self.decision.methods if method in plugged())

    @property
    def factors(self) -> tuple[str, ...]:
        """The offered methods that send nothing."""
        return tuple(method for method in self.decision.methods if method in FACTORS or method in plugged())

    @property
    def is_identified(self) -> bool:
        """Whether it is known who signs in, by what still holds."""
        return self.has_current_password or self.has_current_passkey

    @property
    def proofs(self) -> tuple[Proof, ...]:
        """What the visitor proved and what still holds; nothing else may be told to a service."""
        holds = {"pwd": self.has_current_password, "passkey": self.has_current_passkey}
        return tuple(
            proof for proof in self.interaction.proofs if holds.get(proof.name, True) and not self.is_void(proof)
        )

    @property
    def email_bounces(self) -> bool:
        """Whether codes go to an address that refused a message."""
        account = self.account
        return account is not None and account.email_verified_at is not None and account.email_is_undeliverable

    @property
    def has_current_passkey(self) -> bool:
        """Whether the visitor proved a passkey and the account has removed none since (AC-86)."""
        removed = self.account.passkey_removed_at if self.account else None
        proofs = [proof for proof in self.interaction.proofs if proof.name == "passkey"]
        return self.account is not None and any(
            (removed is None or proof.at > removed) and not self.is_void(proof) for proof in proofs
        )

    @property
    def has_current_password(self) -> bool:
        """Whether the visitor proved the password that the account has now; a changed one ends the walk (AC-49)."""
        changed = self.account.password_changed_at if self.account else None
        proofs = [proof for proof in self.interaction.proofs if proof.name == "pwd" and not self.is_void(proof)]
        return self.account is not None and any(changed is None or proof.at >= changed for proof in proofs)

    @property
    def code_proof(self) -> str:
        """What the code that is out would prove: less over the channel by which the password was just replaced."""
        channel = self.challenge.channel if self.challenge else ""
        return RESET_CHANNEL if channel == self.distrusted else METHODS[channel].proof

    def is_void(self, proof: Proof) -> bool:
        """Whether somebody stopped this account's sign-ins after this was proved."""
        stopped = self.account.stopped_at if self.account else None
        return stopped is not None and proof.at <= stopped

    @property
    def level_is_reached(self) -> bool:
        """Whether the proofs so far are a complete sign-in that meets the demand, the wishes having been offered."""
        level = level_of(proof.name for proof in self.proofs)
        if level is None or not self.decision.is_met_by(level.acr, self.interaction.demand.levels):
            return False
        return reaches(level.acr, self.interaction.demand.wished_levels) or not self.may_rise

    @property
    def may_rise(self) -> bool:
        """Whether a better second factor is there that this walk has not offered yet (RFC 9470 §5).

        What an earlier sign-in proved does not count; a second factor of this walk does, whichever was chosen.
        """
        begun, wished = self.interaction.created_at, self.interaction.demand.wished_levels
        has_chosen = any(proof.name != "pwd" and proof.at >= begun for proof in self.interaction.proofs)
        return not has_chosen and can_reach(self.decision.methods, wished)

    def is_fresh(self, now: datetime) -> bool:
        """Whether all of a complete sign-in was proved in this walk, and the last of it a moment ago (R6).

        A message that took six minutes must not have the person begin again.
        """
        lasts = settings.lifetimes.fresh_proof
        own = [proof for proof in self.proofs if proof.at > self.interaction.created_at - lasts]
        newest = max((proof.at for proof in own), default=None)
        return newest is not None and now - newest < lasts and level_of(proof.name for proof in own) is not None

    @property
    def code_is_out(self) -> bool:
        """Whether a code was sent that the visitor may be typing; none counts over a channel that is off."""
        return (
            self.challenge is not None
            and self.challenge.used_at is None
            and self.challenge.channel not in self.switched_off
        )

    @property
    def code_is_being_used(self) -> bool:
        """Whether the code was right a moment ago in a request that has not written down yet what that proves."""
        used_at = self.challenge.used_at if self.challenge else None
        proofs = [proof for proof in self.interaction.proofs if proof.name == self.code_proof]
        return used_at is not None and all(proof.at < used_at for proof in proofs)


@dataclass(frozen=True, slots=True)
class Step:
    """A step, due when its question is answered yes; its page is ``/signin/<interaction>/<name>``."""

    name: str
    is_due: Callable[[Facts], bool]


STEPS: tuple[Step, ...] = (
    Step("identify", lambda f: not f.is_identified),
    Step("restricted", lambda f: f.account is not None and f.account.status != "active"),
    Step("no-channel", lambda f: not f.level_is_reached and f.decision.reason == "none-enrolled"),
    # Later it may be on again: the sign-in waits, and nothing less is taken meanwhile.
    Step("switched-off", lambda f: not f.level_is_reached and f.decision.reason == "switched-off"),
    Step("unmet", lambda f: not f.level_is_reached and not f.decision.methods),
    # Where codes help too, their pages offer the passkey beside them: nobody without JavaScript is led astray.
    Step("passkey", lambda f: not f.level_is_reached and not f.channels and "passkey" in f.factors),
    Step("pause", lambda f: not f.level_is_reached and f.pause is not None),
    # The same for an app and for recovery codes: a page of their own only where nothing else is left.
    Step("authenticator", lambda f: not f.level_is_reached and not f.channels and "totp" in f.factors),
    Step("factor", lambda f: not f.level_is_reached and not f.channels and bool(f.plugged)),
    Step("recovery", lambda f: not f.level_is_reached and not f.channels and "recovery" in f.factors),
    Step("code", lambda f: not f.level_is_reached and f.code_is_out),
    Step("send", lambda f: not f.level_is_reached),
    Step("renew", lambda f: f.account is not None and f.account.stopped_at is not None),
    Step("address", lambda f: f.email_bounces and "address" not in f.interaction.postponed),
    Step("consent", lambda f: f.interaction.demand.consent_to is not None and f.interaction.consented is None),
    Step("promote", lambda f: f.promotes and "promote" not in f.interaction.postponed),
)


def next_step(facts: Facts) -> str | None:
    """Return the step that is due, or ``None`` when nothing is left to do."""
    return next((step.name for step in STEPS if step.is_due(facts)), None)


def gather_facts(interaction: Interaction, now: datetime, *, lane: str | None = None) -> Facts:
    """Look up what decides the next step of a sign-in, in this browser unless the ``lane`` of another device is given.

    The lane is that of the interaction's account.
    """
    if lane is None:
        lane = lane_of(interaction.account_id, now) if interaction.account_id else guard.UNKNOWN_DEVICES
    account = find_overview(interaction.account_id, lane) if interaction.account_id else None
    distrusted = find_distrusted(account, now) if account else None
    challenge = find_challenge(interaction.challenge_id)
    if challenge is not None and challenge.account_id != interaction.account_id:
        challenge = None
    pause = guard.pause_of(account.failures, account.paused_until, now) if account and account.failures else None
    enrolled = enrolled_methods(account) if account else ()
    facts = Facts(
        interaction=interaction,
        account=account,
        lane=lane,
        decision=decide(
            PolicyFacts(
                enrolled=enrolled,
                demanded=interaction.demand.levels,
                wished=interaction.demand.wished_levels,
                device_is_known=lane != guard.UNKNOWN_DEVICES,
                codes_are_paused=pause is not None,
                distrusted=distrusted or "",
                off=frozenset(operations.off_since()),
                rules=Rules(**settings.policy.model_dump()),
            )
        ),
        challenge=challenge,
        pause=pause,
        distrusted=distrusted,
        switched_off=tuple(name for name in enrolled if operations.is_off(name)),
    )
    return replace(facts, promotes=_promotes(facts, now))


def _promotes(facts: Facts, now: datetime) -> bool:
    """Tell whether a visitor who proved everything, with a code, is offered a passkey (U13)."""
    interaction, account = facts.interaction, facts.account
    if account is None or not interaction.enrols_here or "promote" in interaction.postponed:
        return False
    if interaction.promoted_to == account.id:
        # Until it is decided: also after the passkey was made.
        return True
    names = {proof.name for proof in facts.proofs}
    has_used_code = bool(names & promotion.CODES) and "passkey" not in names
    service_id = interaction.demand.service_id
    return has_used_code and facts.is_fresh(now) and promotion.is_due(account, service_id=service_id, now=now)


def lane_of(account_id: str, now: datetime) -> str:
    """Return the lane in which this browser's wrong codes of an account are counted."""
    return devices.find_lane(device_cookie(), account_id, now=now) or guard.UNKNOWN_DEVICES


def offers_passkey_signin() -> bool:
    """Tell whether a passkey may be the whole sign-in (R6)."""
    allowed = settings.policy.methods
    return settings.passkey_signin and takes_passkeys() and (not allowed or "passkey" in allowed)
