"""What each security profile demands of a client (R14), as a table: the checks ask it, registration enforces it."""

from dataclasses import dataclass

ASYMMETRIC = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
# FAPI 2.0 Security Profile §5.4.1: "PS256, ES256, or EdDSA (using the Ed25519 variant)".
STRONG = ("PS256", "ES256", "EdDSA", "Ed25519")
STRONG_AUTH = frozenset({"private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth"})


@dataclass(frozen=True, slots=True)
class Profile:
    """The demands of one profile; every field says what is demanded when it is true."""

    name: str
    # RFC 9126 §5: authorization requests only by PAR.
    pushed: bool = False
    # FAPI 2.0 §5.3.2.2-1: no token comes through the browser.
    code_only: bool = False
    # RFC 7636, whatever the registration says.
    pkce: bool = False
    # FAPI 2.0 §5.3.2.1-8: the assertion's audience is the issuer, as a string.
    issuer_audience: bool = False
    # Access tokens are bound to a key, by DPoP or mTLS.
    bound_tokens: bool = False
    # FAPI 2.0 §5.3.2.1-9: refresh tokens stay the same.
    keeps_refresh_tokens: bool = False
    # Foreign signatures that are accepted.
    algorithms: tuple[str, ...] = ASYMMETRIC
    # How the client may prove itself; empty: any way.
    client_auth: frozenset[str] = frozenset()
    # FAPI 2.0 Message Signing §5.3.1: request objects need `nbf` and `exp`.
    dated_request_objects: bool = False


PROFILES: dict[str, Profile] = {
    "oidc": Profile("oidc"),
    "native": Profile("native", pkce=True),
    "fapi2": Profile(
        "fapi2",
        pushed=True,
        code_only=True,
        pkce=True,
        issuer_audience=True,
        bound_tokens=True,
        keeps_refresh_tokens=True,
        algorithms=STRONG,
        client_auth=STRONG_AUTH,
        dated_request_objects=True,
    ),
}
