"""What stands between a request and its answer, as a list: the first need that is open decides what happens."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from idp.mfa.levels import ACR_VALUES, is_at_least, reaches
from idp.mfa.methods import usable_methods
from idp.mfa.policy import can_reach
from idp.oidc.clients import Client
from idp.oidc.consents import find_consent, wanted_scopes
from idp.oidc.request import AuthorizationRequest
from idp.oidc.subjects import subject_for
from idp.session import Session

UNMET = "unmet_authentication_requirements"


@dataclass(frozen=True)
class Standing:
    """What decides whether a request can be answered now; ``agreed`` and ``fresh_after`` come from a finished walk."""

    request: AuthorizationRequest
    client: Client
    session: Session | None
    fresh_after: datetime | None
    has_walked: bool = False
    agreed: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """Something missing, and the error that says so where no page may be shown (OIDC Core §3.1.2.6), or none helped."""

    name: str
    error: str
    description: str
    is_open: Callable[[Standing], bool]
    error_after_walk: str = "login_required"


def fresh_after(request: AuthorizationRequest, client: Client, now: datetime) -> datetime | None:
    """Return the moment that proofs must be younger than, or ``None`` when any age will do (P-33, P-34)."""
    if request.prompt & {"login", "select_account"}:
        return now
    max_age = request.max_age if request.max_age is not None else client.default_max_age
    return None if max_age is None else now - timedelta(seconds=max_age)


def demanded_sub(request: AuthorizationRequest) -> str | None:
    """Return the `sub` that must come out of this request, if it names one."""
    return request.id_token_hint.sub if request.id_token_hint else request.claims.sub


def wished_levels(request: AuthorizationRequest, client: Client) -> tuple[str, ...]:
    """Return the levels that would please; `acr_values` is a voluntary claim (OIDC Core §3.1.2.1)."""
    asked = (*request.acr_values, *request.claims.wished_acr) or client.default_acr_values
    return tuple(acr for acr in asked if acr in ACR_VALUES)


def demanded_levels(request: AuthorizationRequest) -> tuple[str, ...]:
    """Return the levels of which one must be reached; `check_acr` made sure that one of them is known."""
    return tuple(acr for acr in request.claims.essential_acr if acr in ACR_VALUES)


def needed_levels(request: AuthorizationRequest, client: Client) -> tuple[str, ...]:
    """Return the levels of which one must be reached: those demanded, none below what the client is registered for."""
    floor, asked = client.minimum_acr, demanded_levels(request)
    if floor is None:
        return asked
    return tuple(dict.fromkeys(one if is_at_least(one, floor) else floor for one in asked)) or (floor,)


def reported_acr(request: AuthorizationRequest, acr: str) -> str:
    """Return the `acr` for the ID token: one of the demanded values, if any (OIDC Core §5.5.1.1)."""
    kept = [wanted for wanted in demanded_levels(request) if is_at_least(acr, wanted)]
    return acr if acr in kept or not kept else max(kept, key=ACR_VALUES.index)


def find_need(standing: Standing) -> Need | None:
    """Return the first need that is open, or ``None`` when the request can be answered."""
    return next((need for need in NEEDS if need.is_open(standing)), None)


def expected_account(standing: Standing) -> str | None:
    """Return who alone may finish the walk: whom a demanded `sub` means is known only while they are signed in."""
    if demanded_sub(standing.request) is None or standing.session is None or _is_another_person(standing):
        return None
    return standing.session.account_id


def must_agree(standing: Standing, need: Need) -> bool:
    """Tell whether the walk that ``need`` sets off has to ask for consent, as far as can be known now."""
    return need.name == "gesture" or _needs_consent(standing)


def _is_anonymous(standing: Standing) -> bool:
    return standing.session is None or standing.session.account_id is None


def _is_stale(standing: Standing) -> bool:
    moment, session = standing.fresh_after, standing.session
    if moment is None or session is None or session.auth_time is None:
        return False
    # A prompt asks for proofs made after it, also when it comes within the clock's same tick.
    asked_to_sign_in = bool(standing.request.prompt & {"login", "select_account"}) and not standing.has_walked
    return asked_to_sign_in or session.auth_time < moment


def _is_another_person(standing: Standing) -> bool:
    sub, session = demanded_sub(standing.request), standing.session
    return sub is not None and session is not None and subject_for(session.account_id or "", standing.client) != sub


def _is_too_low(standing: Standing) -> bool:
    acr = standing.session.acr if standing.session else None
    return not reaches(acr, needed_levels(standing.request, standing.client))


def _wishes_more(standing: Standing) -> bool:
    """RFC 9470 §5: a level that is wished for and can be reached is offered, once; nobody is turned away for it."""
    session, wished = standing.session, wished_levels(standing.request, standing.client)
    if standing.has_walked or "none" in standing.request.prompt or session is None or session.account_id is None:
        return False
    if reaches(session.acr, wished):
        return False
    return can_reach(usable_methods(session.account_id), wished)


def _needs_consent(standing: Standing) -> bool:
    if standing.agreed:
        return False
    # RFC 9396 §7: what is allowed in detail is allowed once; nobody agreed to this one before.
    if "consent" in standing.request.prompt or standing.request.authorization_details:
        return True
    if standing.client.first_party or standing.session is None or standing.session.account_id is None:
        return False
    consent = find_consent(standing.session.account_id, standing.client.client_id)
    return consent is None or not consent.covers(wanted_scopes(standing.request, standing.client))


def _needs_gesture(standing: Standing) -> bool:
    """RFC 8252 §8.6: who answers to a private-use scheme cannot be known, so never without the visitor (P-65)."""
    silent = not standing.agreed and not standing.has_walked
    return silent and standing.client.is_public and is_private_use(standing.request.redirect_uri)


def is_private_use(redirect_uri: str) -> bool:
    """Tell whether a redirect URI has a scheme that any app could claim."""
    return urlsplit(redirect_uri).scheme not in {"https", "http"}


NEEDS: tuple[Need, ...] = (
    Need("sign-in", "login_required", "Nobody is signed in.", _is_anonymous),
    Need("freshness", "login_required", "The sign-in is too old.", _is_stale),
    Need("person", "login_required", "Another person is signed in.", _is_another_person),
    Need("level", "login_required", "The sign-in is below the demanded level.", _is_too_low, UNMET),
    Need("wish", "login_required", "The sign-in is below the wished level.", _wishes_more),
    Need("consent", "consent_required", "The account holder has not agreed yet.", _needs_consent),
    Need("gesture", "interaction_required", "The account holder must take part.", _needs_gesture),
)
