"""The second factors that plug-ins brought: which are in use, and one try at one of them.

Whatever a plug-in does, a try is counted on the account before it is judged, and what was right is right once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, cast

from flask import Flask, current_app

from idp import crypto, entry_points, metrics
from idp.accounts import directory
from idp.db import release
from idp.mfa import events, guard, second_factor
from idp.mfa.levels import LEVELS, Level, register_level
from idp.mfa.second_factor import Bearer, FactorAway, SecondFactor
from idp.mfa.tries import TryOutcome, try_once
from idp.settings import Settings, SettingsFault
from idp.state import Space, state

LONGEST: Final = 64
_RIGHT_ONCE: Final = timedelta(days=1)
# RFC 8176 §2, those that something typed may be.
_AMR: Final = frozenset({"pwd", "otp", "kba", "hwk", "swk", "pop", "mca", "mfa", "pin", "sc"})


@dataclass(frozen=True)
class Used:
    """That a typed secret was right."""


USED = Space("factor-used", Used)


def open_factors(settings: Settings, taken: frozenset[str]) -> dict[str, SecondFactor]:
    """Return the factors that the settings name, or raise `SettingsFault` with all that is wrong with them."""
    factors: dict[str, SecondFactor] = {}
    faults: list[str] = []
    for name in settings.second_factors:
        if name in taken or name in factors or any(name in level.proofs for level in LEVELS):
            faults.append(f"second_factors: {name} is the name of another one")
            continue
        try:
            factors[name] = entry_points.make(entry_points.SECOND_FACTORS, name, settings)
        except SettingsFault as fault:
            faults += fault.faults
            continue
        faults += [f"second_factors: {name}: {why}" for why in find_faults(factors[name], settings.locales)]
    if faults:
        raise SettingsFault(faults)
    return factors


def find_faults(factor: SecondFactor, locales: tuple[str, ...]) -> list[str]:
    """Return why a factor cannot be offered."""
    faults = [] if factor.acr in second_factor.LEVELS else [f"acr is one of {', '.join(second_factor.LEVELS)}"]
    if "pwd" not in factor.amr or not set(factor.amr) <= _AMR:
        faults.append(f"amr has pwd, and words of {', '.join(sorted(_AMR))}")
    if ("mfa" in factor.amr) != (factor.acr != second_factor.LEVELS[0]):
        faults.append("amr has mfa exactly where acr is more than two steps (R5)")
    for locale in locales:
        try:
            texts = factor.texts(locale)
        except KeyError:
            faults.append(f"has no texts in {locale}")
            continue
        missing = [name for name in second_factor.TEXTS if not texts.get(name, "").strip()]
        if missing:
            faults.append(f"has no text {', '.join(missing)} in {locale}")
    return faults


def init_factors(app: Flask, factors: Mapping[str, SecondFactor]) -> None:
    """Let an application offer ``factors``: their levels, their texts, and themselves."""
    sesame = app.extensions["sesame"]
    sesame["second_factors"] = dict(factors)
    for name, factor in factors.items():
        register_level(Level(factor.acr, frozenset({"pwd", name}), factor.amr))
        for locale in sesame["settings"].locales:
            texts = sesame["texts"].setdefault(locale, {})
            for key, text in factor.texts(locale).items():
                texts[f"u05.{key}.{name}" if key in {"with", "have"} else f"factor.{name}.{key}"] = text


def plugged() -> Mapping[str, SecondFactor]:
    """Return the plug-ins' factors of the application that answers now, by name."""
    return cast("dict[str, SecondFactor]", current_app.extensions["sesame"].get("second_factors", {}))


def find_bearer(account_id: str) -> Bearer:
    """Return what a plug-in is told of an account."""
    account = directory.get_account(account_id)
    return Bearer(account.id, account.nir, account.email, account.mobile, account.profile)


def check_plugged(name: str, account_id: str, typed: str, *, lane: str, now: datetime) -> TryOutcome:
    """Say what became of a typed secret; of many that type the same one, one hears ``ok``. Commits.

    Raises `FactorAway`, and then nothing was counted.
    """
    factor, bearer = plugged()[name], find_bearer(account_id)

    def _is_right() -> bool:
        # No lock or connection is held while the plug-in thinks.
        release()
        return factor.check(bearer, typed, now=now) and _use(name, bearer.account_id, typed)

    try:
        outcome = try_once(bearer.account_id, lane=lane, now=now, is_right=_is_right)
    except FactorAway:
        guard.give_back_try(bearer.account_id, lane)
        metrics.FACTOR.labels(name, "away").inc()
        raise
    metrics.FACTOR.labels(name, outcome).inc()
    events.plugged_factor_tried(outcome, account_id=bearer.account_id, factor=name)
    return outcome


def _use(name: str, account_id: str, typed: str) -> bool:
    used = crypto.keyed("factor-used", f"{name}:{account_id}:{typed}").hex()
    return state.add(USED, used, Used(), ttl=_RIGHT_ONCE)
