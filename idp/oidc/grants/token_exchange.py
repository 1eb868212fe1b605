"""Token exchange (RFC 8693): a service that was called with a person's token gets one for the next service.

Only for registered pairs: the client names in its registration whose tokens it may exchange. The new token never does
more, goes further or lives longer than the one it comes from, and says who acts (§4.1).
"""

from dataclasses import replace
from typing import Any

from idp.oidc import events
from idp.oidc.clients import find_client
from idp.oidc.errors import InvalidRequest, InvalidScope, InvalidTarget, UnauthorizedClient
from idp.oidc.grants.asked import TokenRequest, answer_with_tokens, get_entitled
from idp.oidc.resources import check_resources
from idp.oidc.tokens import AccessToken, Wanted, find_access_token

ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name
# A chain of services longer than this is a loop.
_MOST_ACTORS = 5


def exchange_token(asked: TokenRequest) -> dict[str, Any]:
    """Exchange an access token of a registered client's for one of this client's."""
    if asked.client.is_public:
        raise UnauthorizedClient("A public client may not exchange tokens.")
    if asked.form.get("actor_token") or asked.form.get("actor_token_type"):
        raise InvalidRequest("actor_token is not supported: the client itself is the actor.")
    if asked.form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise InvalidRequest("Only access tokens are issued.")
    subject = _get_subject(asked)
    targets = tuple(dict.fromkeys((*asked.resources, *asked.audience)))
    if not targets:
        raise InvalidTarget("Name the service that the token is for, as resource or audience.")
    check_resources(targets, asked.client)
    # The grant stays the person's: whoever revokes it ends what was exchanged too.
    grant = replace(subject.grant, client_id=asked.client.client_id)
    wanted = Wanted(
        scopes=_scopes(asked, subject), resources=targets, bound_to=asked.bound_to, until=subject.expires_at,
        actors=(asked.client.client_id, *subject.actors),
    )  # fmt: skip
    get_entitled(grant)
    events.token_exchanged(account_id=grant.account_id, client_id=asked.client.client_id, of=subject.grant.client_id)
    return {**answer_with_tokens(asked, grant, wanted), "issued_token_type": ACCESS_TOKEN}


def _get_subject(asked: TokenRequest) -> AccessToken:
    """RFC 8693 §2.1, §2.2.2: an unacceptable subject token is an invalid_request, and no word of why."""
    if asked.get("subject_token_type") != ACCESS_TOKEN:
        raise InvalidRequest("subject_token_type must be that of an access token.")
    subject = find_access_token(asked.get("subject_token"))
    if subject is None or not _may_exchange(asked, subject):
        raise InvalidRequest("The subject_token is not acceptable.")
    return subject


def _may_exchange(asked: TokenRequest, subject: AccessToken) -> bool:
    """Only a person's token, of a registered pair, that was sent to this service, whose client may still act (AC-138).

    A machine's token is its own: exchanged, it would speak in the name of whoever exchanges it. One that is for
    UserInfo or another API was never meant for this service: it leaked (P-12).
    """
    owner = find_client(subject.grant.client_id)
    return (
        subject.grant.account_id is not None
        and subject.grant.client_id in asked.client.exchanges_tokens_of
        and not set(asked.client.serves_resources).isdisjoint(subject.audience)
        and owner is not None
        and not owner.is_suspended
        and len(subject.actors) < _MOST_ACTORS
    )


def _scopes(asked: TokenRequest, subject: AccessToken) -> tuple[str, ...]:
    """Return the scopes that both the subject token and this client have; those asked for must be among them."""
    allowed = asked.client.scopes | asked.client.machine_scopes
    possible = tuple(scope for scope in subject.scopes if scope in allowed and scope != "offline_access")
    text = asked.form.get("scope")
    if text is None:
        return possible
    if not set(text.split()) <= set(possible):
        raise InvalidScope("More scope was asked for than the subject token and this client have.")
    return tuple(dict.fromkeys(text.split()))
