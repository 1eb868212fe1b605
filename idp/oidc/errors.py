"""What a relying party is told when it breaks the contract: a registered code, one ASCII sentence, a private detail."""


class OAuthError(Exception):
    """A refusal with its registered ``code``; ``detail`` goes to the log only."""

    code = "invalid_request"
    status = 400

    def __init__(
        self, description: str, *, detail: str = "", code: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(description)
        self.code = self.code if code is None else code
        self.status = status or self.status
        self.description = description
        self.detail = detail


class InvalidRequest(OAuthError):
    """RFC 6749 §5.2: the request is malformed."""


class InvalidClient(OAuthError):
    """RFC 6749 §5.2: client authentication failed."""

    code = "invalid_client"
    status = 401


class InvalidGrant(OAuthError):
    """RFC 6749 §5.2: the code or refresh token is not good, for whatever reason; always the same sentence."""

    code = "invalid_grant"

    def __init__(self, detail: str) -> None:
        super().__init__("The grant is invalid, expired, revoked or was issued to another client.", detail=detail)


class InvalidScope(OAuthError):
    """RFC 6749 §5.2: more was asked than was granted."""

    code = "invalid_scope"


class UnauthorizedClient(OAuthError):
    """RFC 6749 §5.2: this client may not use this grant."""

    code = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """RFC 6749 §5.2: no such grant here."""

    code = "unsupported_grant_type"


class AuthorizationPending(OAuthError):
    """RFC 8628 §3.5: the account holder has not answered yet; poll again."""

    code = "authorization_pending"


class SlowDown(OAuthError):
    """RFC 8628 §3.5: as pending, and the interval is five seconds longer from now on."""

    code = "slow_down"


class AccessDenied(OAuthError):
    """RFC 8628 §3.5: the account holder said no."""

    code = "access_denied"


class ExpiredToken(OAuthError):
    """RFC 8628 §3.5: the device code has expired before it was approved."""

    code = "expired_token"


class InvalidToken(OAuthError):
    """RFC 6750 §3.1: the access token is not good."""

    code = "invalid_token"
    status = 401


class InsufficientScope(OAuthError):
    """RFC 6750 §3.1: the access token is good, and not for this."""

    code = "insufficient_scope"
    status = 403


class InvalidRequestObject(OAuthError):
    """RFC 9101 §7: the request object is not good."""

    code = "invalid_request_object"


class InvalidRequestUri(OAuthError):
    """RFC 9101 §7: the `request_uri` leads to nothing that may be used."""

    code = "invalid_request_uri"


class InvalidTarget(OAuthError):
    """RFC 8707 §2: a resource that is unknown, malformed or not this client's."""

    code = "invalid_target"


class InvalidAuthorizationDetails(OAuthError):
    """RFC 9396 §5: authorization details that are malformed, or of a type that is not this client's."""

    code = "invalid_authorization_details"


class InvalidSession(OAuthError):
    """OAuth 2.0 for First-Party Applications §5.2.2.1: `auth_session` is not good, for whatever reason."""

    code = "invalid_session"

    def __init__(self, detail: str) -> None:
        super().__init__("The auth_session is unknown, over, or of another client or key.", detail=detail)


class InvalidDpopProof(OAuthError):
    """RFC 9449 §5: the DPoP proof is missing or not good."""

    code = "invalid_dpop_proof"


class UseDpopNonce(OAuthError):
    """RFC 9449 §8: the proof must carry a nonce of ours."""

    code = "use_dpop_nonce"


class InvalidRedirectUri(OAuthError):
    """RFC 7591 §3.2.2: a redirect URI cannot be registered."""

    code = "invalid_redirect_uri"


class InvalidClientMetadata(OAuthError):
    """RFC 7591 §3.2.2: a value of a registration cannot stand."""

    code = "invalid_client_metadata"


class InvalidSoftwareStatement(OAuthError):
    """RFC 7591 §3.2.2: a software statement is not accepted."""

    code = "invalid_software_statement"
