"""Tokens that are good only with a key: what a token is bound to (`cnf`), and whether a request holds it."""

from dataclasses import dataclass
from datetime import datetime

from idp.oidc import dpop
from idp.oidc.client_auth import find_certificate
from idp.oidc.clients import Client
from idp.oidc.errors import InvalidDpopProof, InvalidRequest, InvalidToken
from idp.oidc.protocol import ProtocolRequest


@dataclass(frozen=True)
class Confirmation:
    """What a token is bound to: a DPoP key (RFC 9449 §6), a certificate (RFC 8705 §3), both, or neither."""

    jkt: str | None = None
    x5t: str | None = None

    @property
    def cnf(self) -> dict[str, str]:
        """Return the confirmation methods as tokens and introspection name them (RFC 7800)."""
        named = {"jkt": self.jkt, "x5t#S256": self.x5t}
        return {name: value for name, value in named.items() if value is not None}

    @property
    def token_type(self) -> str:
        """Return how the token is presented (RFC 9449 §7.1)."""
        return "Bearer" if self.jkt is None else "DPoP"


def find_confirmation(request: ProtocolRequest, client: Client, now: datetime) -> Confirmation:
    """Return what the tokens of this request will be bound to; raises when the client must bind them and does not."""
    jkt = dpop.find_proof(request, now)
    if client.dpop_bound_access_tokens and jkt is None:
        raise InvalidDpopProof("This client must send a DPoP proof.")
    if not client.binds_to_certificate:
        return Confirmation(jkt)
    certificate = find_certificate(request)
    if certificate is None:
        raise InvalidRequest("This client must show its certificate: use the mutual-TLS endpoint.")
    return Confirmation(jkt, certificate.thumbprint)


def check_possession(
    bound_to: Confirmation, request: ProtocolRequest, now: datetime, *, scheme: str, access_token: str
) -> None:
    """Raise unless the request holds what its token is bound to, and presents it under the right scheme (P-10)."""
    if bound_to.jkt is not None:
        # RFC 9449 §7.2: a bound token "MUST NOT" be accepted as a bearer token.
        if scheme != "dpop":
            raise InvalidToken("This access token is bound to a key: use the DPoP scheme.")
        proof = dpop.find_proof(request, now, access_token=access_token)
        if proof is None:
            raise InvalidDpopProof("A DPoP proof is missing.", status=401)
        if proof != bound_to.jkt:
            raise InvalidToken("The DPoP proof was made with another key.")
    elif scheme == "dpop":
        raise InvalidToken("This access token is not bound to a DPoP key.")
    if bound_to.x5t is not None:
        certificate = find_certificate(request)
        if certificate is None or certificate.thumbprint != bound_to.x5t:
            raise InvalidToken("This access token is bound to another client certificate.")
