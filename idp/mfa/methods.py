"""The second factors: what each proves, whether an account has it, and where its code goes, if it has one."""

from collections.abc import Callable
from dataclasses import dataclass

from idp import operations
from idp.accounts.contacts import Masked, mask_email, mask_mobile
from idp.accounts.models import Person
from idp.mfa.overview import Overview, find_overview
from idp.mfa.plugged import find_bearer, plugged
from idp.settings import settings


@dataclass(frozen=True, slots=True)
class Method:
    """A second factor that sends a code over ``channel``."""

    channel: str
    proof: str
    destination: Callable[[Person], str | None]
    mask: Callable[[str], Masked]
    is_offered: Callable[[], bool]

    def find_destination(self, account: Person) -> str | None:
        """Return where the account's codes go, or ``None`` if this factor cannot be used."""
        return self.destination(account) if self.is_offered() else None


@dataclass(frozen=True, slots=True)
class Factor:
    """A second factor that sends nothing: the account holder has it at hand."""

    proof: str
    is_enrolled: Callable[[Overview], bool]
    is_offered: Callable[[], bool]


def _verified_email(account: Person) -> str | None:
    return account.email if account.email_verified_at else None


def _verified_mobile(account: Person) -> str | None:
    return account.mobile if account.mobile_verified_at else None


# In the order in which pages offer them.
METHODS: dict[str, Method] = {
    "email": Method("email", "email", _verified_email, mask_email, lambda: True),
    "sms": Method("sms", "sms", _verified_mobile, mask_mobile, lambda: bool(settings.sms.transport)),
}


def available_methods(account: Person) -> list[Method]:
    """Return the factors that this account can use now."""
    return [method for method in METHODS.values() if method.find_destination(account)]


def takes_passkeys() -> bool:
    """Tell whether a passkey may be made or used at this moment."""
    return offers_passkeys() and not operations.is_off("passkey")


def usable_channels() -> list[str]:
    """Return the channels that this provider sends codes by at this moment, whatever an account has."""
    return [name for name, method in METHODS.items() if method.is_offered() and not operations.is_off(name)]


def offers_passkeys() -> bool:
    """Tell whether passkeys can work here: an RP ID is a domain, never an address (WebAuthn §5.1.2)."""
    return settings.passkeys.enabled and not settings.rp_id.replace(".", "").isdigit() and ":" not in settings.rp_id


FACTORS: dict[str, Factor] = {
    "passkey": Factor("passkey", lambda account: account.has_passkeys, offers_passkeys),
    "totp": Factor("totp", lambda account: account.has_totp, lambda: True),
    "recovery": Factor("recovery", lambda account: account.has_recovery_codes, lambda: True),
}


def available_factors(account: Overview) -> list[str]:
    """Return the names of the factors without a code that this account can use now, those of plug-ins last."""
    ours = [name for name, factor in FACTORS.items() if factor.is_offered() and factor.is_enrolled(account)]
    theirs = plugged()
    # Most have none, and a sign-in asks on every page.
    bearer = find_bearer(account.id) if theirs else None
    return [*ours, *(name for name, factor in theirs.items() if bearer and factor.is_enrolled(bearer))]


def enrolled_methods(account: Overview) -> tuple[str, ...]:
    """Return the names of every second factor that this account can use now, in the order in which pages offer them."""
    return (*available_factors(account), *(method.channel for method in available_methods(account)))


def usable_methods(account_id: str) -> tuple[str, ...]:
    """Return the names of an account's second factors that are not switched off."""
    account = find_overview(account_id)
    return tuple(name for name in enrolled_methods(account) if not operations.is_off(name)) if account else ()


def switches() -> tuple[str, ...]:
    """Return everything that operators can switch off."""
    return (*METHODS, *FACTORS, *plugged())
