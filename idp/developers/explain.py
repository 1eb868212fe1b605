"""Why a request is refused: the provider's own checks, each run by itself, told one by one.

Nothing is carried out: no code is issued or redeemed, no secret is compared, and no value that could be one is kept.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from idp import clock
from idp.developers.errors import PAGES, find_entry
from idp.developers.nearest import Difference, find_difference
from idp.developers.pasted import Field, Pasted, Unreadable, parse_pasted
from idp.developers.token_checks import TOKEN_CHECKS, WITHOUT_CLIENT, read_token_request
from idp.oidc.checks import CHECKS, CLIENT_CHECKS, REDIRECT_CHECKS
from idp.oidc.clients import Client, find_client
from idp.oidc.errors import InvalidGrant, OAuthError
from idp.oidc.pushed import PREFIX
from idp.oidc.request import AuthorizationRequest, Parameters, UnreadableRequest, parse_request, read_parameters
from idp.oidc.sources import Source, get_source
from idp.web import PageError

# The marks that our docstrings make for ourselves, such as (AC-92..97, P-30).
_OWN_MARKS = re.compile(r"\s*\((?:(?:AC|RC|P|R|U)-?\d\w*(?:\.\.\d+)?(?:,\s*)?)+\)")

# What to do about a fault whose code, invalid_request, says little; other checks go by their code's cure.
CURES = {
    "check_pkce": "Make a code_verifier for each sign-in and send its S256 hash as code_challenge; "
    "any current library does both when PKCE is switched on.",
    "check_prompt": "Send prompt=none alone, or login, consent and select_account as you need them.",
    "check_response_mode": "Leave response_mode out, or send one of response_modes_supported.",
    "check_response_type": "Ask for response_type=code.",
    "check_subject": "Send an id_token_hint of the very person whose sub is demanded, or neither.",
    "check_code_verifier": "Send the code_verifier whose hash was the code_challenge of this very sign-in.",
    "check_body": "Send every parameter in the body of the POST, none in the address.",
    "check_one_method": "Switch off all ways of authenticating the client but the registered one.",
    "check_registered_method": "Set the method in your library, or have the registration changed.",
    "check_grant_type": "Send a grant_type that is registered for your client.",
    "check_source": "Sign with a registered key and algorithm, aud the issuer; push again what has expired.",
    "check_pushed": "POST the same parameters to pushed_authorization_request_endpoint and send the browser on with "
    "client_id and the request_uri of the answer.",
    "check_signed": "Send the parameters as claims of a JWT that your client signs, in the parameter request.",
    "check_dpop_proof": "Make a new proof for each request: htm POST, htu the token endpoint, iat now, a fresh jti.",
    "check_ticket": "Hand on the code of the callback, or the newest refresh token.",
}
_CURE_OF_THE_REST = "Change the request as the sentence above says."

PASS, FAIL, SKIPPED = "pass", "fail", "skipped"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check said."""

    name: str
    outcome: str
    clause: str
    code: str = ""
    said: str = ""
    cure: str = ""
    is_documented: bool = False

    @property
    def anchor(self) -> str:
        """Where the page of errors speaks of it."""
        return f"page-{self.code}" if self.code in PAGES else self.code


@dataclass(frozen=True, slots=True)
class Explanation:
    """The verdicts on one request, in the order in which the provider checks."""

    kind: str = ""
    verdicts: tuple[Verdict, ...] = ()
    fields: tuple[Field, ...] = ()
    difference: Difference | None = None
    unreadable: str = ""

    @property
    def failed(self) -> list[Verdict]:
        """The checks that the request does not pass."""
        return [verdict for verdict in self.verdicts if verdict.outcome == FAIL]


def explain(text: str) -> Explanation:
    """Explain a pasted request."""
    try:
        pasted = parse_pasted(text)
        explained = _token_request if pasted.is_token_request else _authorization_request
        kind, verdicts, difference = explained(pasted)
    except (Unreadable, UnreadableRequest) as fault:
        return Explanation(unreadable=str(fault))
    return Explanation(kind, tuple(verdicts), tuple(pasted.fields()), difference)


Explained = tuple[str, list[Verdict], Difference | None]


# -- authorization requests ----------------------------------------------------------------------------------------


def _authorization_request(pasted: Pasted) -> Explained:
    try:
        raw = pasted.parameters.encode("ascii")
    except UnicodeEncodeError:
        raise Unreadable("An address is ASCII: encode what is not as %XX of its UTF-8 bytes.") from None
    sent = read_parameters(raw)
    client = find_client(sent["client_id"]) if sent["client_id"] else None
    verdicts = [_run(check, sent, client) for check in CLIENT_CHECKS]
    source, of_source = (Source(sent), _skip(check_source)) if client is None else _find_source(sent, client)
    redirect_uri = source.parameters["redirect_uri"]
    verdicts += [of_source, *(_run(check, source.parameters, client) for check in REDIRECT_CHECKS)]
    difference = find_difference(client, redirect_uri)
    if client is None:
        return "authorization request", [*_until_failure(verdicts), *map(_skip, CHECKS)], difference
    # A redirect URI that is not good is answered by a page; the rest is explained all the same.
    asked, unreadable = _parse_leniently(source.parameters, client_id=client.client_id, redirect_uri=redirect_uri or "")
    asked = replace(asked, is_signed=source.is_signed, is_pushed=source.is_pushed)
    verdicts += unreadable
    verdicts += [_run(check, asked, client) for check in CHECKS]
    return "authorization request", verdicts, difference


def check_source(sent: Parameters, client: Client) -> None:
    """RFC 9101 §6, RFC 9126 §4: a signed or pushed request is genuine, living and this client's."""
    request_uri = sent["request_uri"]
    if request_uri is not None and not request_uri.startswith(PREFIX):
        # Explaining fetches nothing.
        raise OAuthError("A request_uri must come from the PAR endpoint.", code="request_uri_not_supported")
    get_source(sent, client, clock.now())


def _find_source(sent: Parameters, client: Client) -> tuple[Source, Verdict]:
    """Return what counts of the request: what was signed or pushed, if that is good, else what stands beside it."""
    verdict = _run(check_source, sent, client)
    return (get_source(sent, client, clock.now()) if verdict.outcome == PASS else Source(sent)), verdict


def _parse_leniently(
    parameters: Parameters, *, client_id: str, redirect_uri: str
) -> tuple[AuthorizationRequest, list[Verdict]]:
    """Parse the request without the parameters that cannot be read, and say which those are."""
    good: dict[str, str] = {}
    faults: list[Verdict] = []
    clause = "RFC 6749 §3.1: every parameter is sent once and can be read."
    for name in sorted(parameters.repeated):
        faults.append(_failure("parse_request", clause, "invalid_request", f"{name} was sent more than once."))
    for name, value in parameters.values.items():
        if name in parameters.repeated:
            continue
        try:
            parse_request(Parameters({name: value}), client_id=client_id, redirect_uri=redirect_uri)
            good[name] = value
        except OAuthError as fault:
            faults.append(_failure(f"parse_{name}", clause, fault.code, fault.description))
    asked = parse_request(Parameters(good), client_id=client_id, redirect_uri=redirect_uri)
    return asked, faults or [Verdict("parse_request", PASS, clause)]


# -- token requests ------------------------------------------------------------------------------------------------


def _token_request(pasted: Pasted) -> Explained:
    asked = read_token_request(pairs=pasted.pairs(), headers=dict(pasted.headers), query=pasted.query)
    client = find_client(asked.client_id) if asked.client_id else None
    verdicts = [
        _skip(check) if client is None and check not in WITHOUT_CLIENT else _run(check, asked, client)
        for check in TOKEN_CHECKS
    ]
    return "token request", verdicts, find_difference(client, asked.form.get("redirect_uri"))


# -- running a check -----------------------------------------------------------------------------------------------


def _run(check: Callable[..., None], asked: object, client: Client | None) -> Verdict:
    try:
        check(asked, client)
    except PageError as fault:
        code = str(fault.context.get("code", fault.kind))
        return _failure(check.__name__, _clause(check), code, fault.detail)
    except OAuthError as fault:
        # InvalidGrant tells strangers nothing; to a developer the detail is the answer.
        said = fault.detail if isinstance(fault, InvalidGrant) else fault.description
        return _failure(check.__name__, _clause(check), fault.code, said)
    return Verdict(check.__name__, PASS, _clause(check))


def _until_failure(verdicts: list[Verdict]) -> list[Verdict]:
    """Return the verdicts, those after the first failure unsaid: without a client they had nothing to look at."""
    first = next((n for n, verdict in enumerate(verdicts) if verdict.outcome == FAIL), len(verdicts))
    return verdicts[: first + 1] + [replace(verdict, outcome=SKIPPED) for verdict in verdicts[first + 1 :]]


def _skip(check: Callable[..., None]) -> Verdict:
    return Verdict(check.__name__, SKIPPED, _clause(check))


def _failure(name: str, clause: str, code: str, said: str) -> Verdict:
    entry = find_entry(code)
    cure = CURES.get(name) or (entry.cure if entry and code != "invalid_request" else _CURE_OF_THE_REST)
    # The detail of a page is written for our log; its cause for the developer.
    said = entry.cause if entry and code in PAGES else said
    return Verdict(name, FAIL, clause, code, said, cure, is_documented=entry is not None)


def _clause(check: Callable[..., None]) -> str:
    first = (check.__doc__ or "").strip().partition("\n")[0]
    return _OWN_MARKS.sub("", first)
