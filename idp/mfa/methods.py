"""The second factors: what each proves, whether an account has it, and where its code goes."""

from collections.abc import Callable
from dataclasses import dataclass

from idp.accounts.contacts import Masked, mask_email, mask_mobile
from idp.accounts.models import Account
from idp.settings import settings


@dataclass(frozen=True, slots=True)
class Method:
    """A second factor that sends a code over ``channel``."""

    channel: str
    proof: str
    destination: Callable[[Account], str | None]
    mask: Callable[[str], Masked]
    is_offered: Callable[[], bool]

    def find_destination(self, account: Account) -> str | None:
        """Return where the account's codes go, or ``None`` if this factor cannot be used."""
        return self.destination(account) if self.is_offered() else None


def _verified_email(account: Account) -> str | None:
    return account.email if account.email_verified_at else None


def _verified_mobile(account: Account) -> str | None:
    return account.mobile if account.mobile_verified_at else None


# In the order in which pages offer them.
METHODS: dict[str, Method] = {
    "email": Method("email", "email", _verified_email, mask_email, lambda: True),
    "sms": Method("sms", "sms", _verified_mobile, mask_mobile, lambda: bool(settings.sms.transport)),
}


def available_methods(account: Account) -> list[Method]:
    """Return the factors that this account can use now."""
    return [method for method in METHODS.values() if method.find_destination(account)]
