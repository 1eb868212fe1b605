"""The modules of each certification plan that Sésame aims at, as the conformance suite names them (release 5.2.4).

`test_plans.py` holds that each of them has a test, and that no test is named after a module that no plan has.
"""

from dataclasses import dataclass

BASIC = (
    "oidcc-server", "oidcc-response-type-missing", "oidcc-idtoken-signature", "oidcc-idtoken-unsigned",
    "oidcc-userinfo-get", "oidcc-userinfo-post-header", "oidcc-userinfo-post-body",
    "oidcc-ensure-request-without-nonce-succeeds-for-code-flow", "oidcc-scope-profile", "oidcc-scope-email",
    "oidcc-scope-address", "oidcc-scope-phone", "oidcc-scope-all", "oidcc-alternate-happy-flow", "oidcc-display-page",
    "oidcc-display-popup", "oidcc-prompt-login", "oidcc-prompt-none-not-logged-in", "oidcc-prompt-none-logged-in",
    "oidcc-max-age-1", "oidcc-max-age-10000", "oidcc-ensure-request-with-unknown-parameter-succeeds",
    "oidcc-id-token-hint", "oidcc-login-hint", "oidcc-ui-locales", "oidcc-claims-locales",
    "oidcc-ensure-request-with-acr-values-succeeds", "oidcc-codereuse", "oidcc-codereuse-30seconds",
    "oidcc-ensure-registered-redirect-uri", "oidcc-ensure-post-request-succeeds", "oidcc-server-client-secret-post",
    "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", "oidcc-claims-essential",
    "oidcc-ensure-request-object-with-redirect-uri", "oidcc-refresh-token",
    "oidcc-ensure-request-with-valid-pkce-succeeds",
)  # fmt: skip

CONFIG = ("oidcc-discovery-endpoint-verification",)
RP_INITIATED_LOGOUT = (
    "oidcc-rp-initiated-logout-discovery-endpoint-verification", "oidcc-rp-initiated-logout",
    "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", "oidcc-rp-initiated-logout-modified-id-token-hint",
    "oidcc-rp-initiated-logout-no-id-token-hint", "oidcc-rp-initiated-logout-no-params",
    "oidcc-rp-initiated-logout-no-post-logout-redirect-uri", "oidcc-rp-initiated-logout-no-state",
    "oidcc-rp-initiated-logout-only-state", "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
    "oidcc-rp-initiated-logout-bad-id-token-hint",
)  # fmt: skip
BACK_CHANNEL_LOGOUT = (
    "oidcc-backchannel-logout-discovery-endpoint-verification", "oidcc-backchannel-rp-initiated-logout",
)  # fmt: skip
FRONT_CHANNEL_LOGOUT = (
    "oidcc-frontchannel-logout-discovery-endpoint-verification", "oidcc-frontchannel-rp-initiated-logout",
)  # fmt: skip

# -- FAPI 2.0, whose modules all begin with `FAPI2` ------------------------------------------------------------------

FAPI2 = "fapi2-security-profile-final-"
# For every kind of client.
FOR_ALL = (
    "discovery-end-point-verification", "happy-flow", "user-rejects-authentication",
    "ensure-authorization-request-without-state-success", "ensure-authorization-request-without-nonce-success",
    "ensure-authorization-request-with-64-char-nonce-success", "ensure-other-scope-order-succeeds",
    "test-claims-parameter-identity-claims", "access-token-type-header-case-sensitivity",
    "ensure-different-nonce-inside-and-outside-request-object",
    "ensure-different-state-inside-and-outside-request-object", "ensure-authorization-request-with-long-nonce",
    "ensure-authorization-request-with-long-state", "state-only-outside-request-object-not-used",
    "ensure-request-object-without-redirect-uri-fails", "plain-fapi-tolerate-unregistered-redirect-uri",
    "ensure-unsigned-authorization-request-without-using-par-fails", "ensure-redirect-uri-in-authorization-request",
    "ensure-response-type-code-idtoken-fails", "ensure-response-type-token-fails", "ensure-client-id-in-token-endpoint",
    "ensure-holder-of-key-required", "ensure-authorization-code-is-bound-to-client",
    "attempt-reuse-authorization-code-after-one-second", "ensure-token-endpoint-fails-with-expired-auth-code",
    "refresh-token", "par-ensure-reused-request-uri-prior-to-auth-completion-succeeds", "par-attempt-reuse-request_uri",
    "par-attempt-to-use-expired-request_uri", "par-attempt-to-use-request_uri-for-different-client",
    "par-authorization-request-containing-request_uri-form-param", "par-attempt-invalid-http-method",
    "par-ensure-pkce-required", "ensure-pkce-code-verifier-required", "incorrect-pkce-code-verifier-rejected",
    "par-plain-pkce-rejected", "par-without-duplicate-parameters",
)  # fmt: skip
# Only where tokens are bound by DPoP.
FOR_DPOP = (
    "check-dpop-proof-nbf-exp", "ensure-dpopproof-with-iat-10seconds-before-succeeds",
    "ensure-dpopproof-with-iat-10seconds-after-succeeds", "ensure-mismatched-dpop-jkt-fails",
    "ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt",
    "ensure-token-endpoint-fails-with-mismatched-dpop-jkt", "ensure-dpopproof-at-par-endpoint-binding-success",
    "ensure-dpop-auth-code-binding-success", "dpop-negative-tests",
)  # fmt: skip
# Only where the client proves itself by private_key_jwt.
FOR_PRIVATE_KEY_JWT = (
    "ensure-signed-client-assertion-with-RS256-fails", "ensure-client-assertion-in-token-endpoint",
    "ensure-client-assertion-with-exp-is-5-minutes-in-past-fails", "ensure-client-assertion-with-wrong-aud-fails",
    "ensure-client-assertion-with-no-sub-fails",
    "par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted",
    "par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails", "par-test-array-as-audience-fails",
    "par-test-par-endpoint-url-as-audience-fails", "par-test-token-endpoint-url-as-audience-fails",
)  # fmt: skip
# Only where request objects are signed (fapi_request_method=signed_non_repudiation).
FOR_SIGNED_REQUESTS = (
    "ensure-request-object-with-multiple-aud-succeeds",
    "ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted", "ensure-request-object-without-exp-fails",
    "ensure-request-object-without-nbf-fails", "ensure-expired-request-object-fails",
    "ensure-request-object-with-bad-aud-fails", "ensure-request-object-with-exp-over-60-fails",
    "ensure-request-object-with-nbf-over-60-fails", "ensure-signed-request-object-with-RS256-fails",
    "ensure-request-object-signature-algorithm-is-not-none", "ensure-request-object-with-invalid-signature-fails",
    "ensure-matching-key-in-authorization-request", "ensure-unsigned-request-at-par-endpoint-fails",
    "par-authorization-request-containing-request_uri",
)  # fmt: skip
# What the two FAPI plans list and a plain FAPI provider is not asked for.
LEFT_OUT = {
    "australia-connectid-ensure-request-object-with-exp-over-10-fails": "ConnectID Australia only",
    "australia-connectid-ensure-request-object-with-nbf-over-15-fails": "ConnectID Australia only",
    "australia-connectid-ensure-invalid-purpose-fails": "ConnectID Australia only",
    "australia-connectid-test-claims-parameter-idtoken-identity-claims": "ConnectID Australia only",
    "brazil-ensure-bad-payment-signature-fails": "Open Finance Brazil only",
    "ensure-server-handles-non-matching-intent-id": "Open Banking UK only: needs its consent API",
    "test-essential-acr-sca-claim": "Open Banking UK only: its own acr values",
    "ensure-registered-redirect-uri": "not for plain FAPI, which may tolerate one: see that module",
}


@dataclass(frozen=True)
class Kind:
    """A way to be a FAPI client: the variants `client_auth_type`, `sender_constrain`, and those of Message Signing."""

    auth: str
    binding: str
    signed: bool = False
    jarm: bool = False

    def __str__(self) -> str:
        return "+".join([self.auth, self.binding, *["signed"] * self.signed, *["jarm"] * self.jarm])

    @property
    def modules(self) -> tuple[str, ...]:
        """Return the modules that the plan runs for clients of this kind."""
        return (
            *FOR_ALL,
            *(FOR_DPOP if self.binding == "dpop" else ()),
            *(FOR_PRIVATE_KEY_JWT if self.auth == "private_key_jwt" else ()),
            *(FOR_SIGNED_REQUESTS if self.signed else ()),
        )


SECURITY_PROFILE_KINDS = (
    Kind("private_key_jwt", "dpop"),
    Kind("private_key_jwt", "mtls"),
    Kind("mtls", "dpop"),
    Kind("mtls", "mtls"),
)
MESSAGE_SIGNING_KINDS = (
    Kind("private_key_jwt", "dpop", signed=True, jarm=True),
    Kind("mtls", "mtls", signed=True),
)
# The test file of each plan, and the modules that it holds.
PLANS: dict[str, tuple[str, ...]] = {
    "test_basic_op": BASIC,
    "test_config_op": CONFIG,
    "test_form_post_op": BASIC,
    "test_rp_initiated_logout_op": RP_INITIATED_LOGOUT,
    "test_back_channel_logout_op": BACK_CHANNEL_LOGOUT,
    "test_front_channel_logout_op": FRONT_CHANNEL_LOGOUT,
    "test_fapi2_security_profile": tuple(FAPI2 + name for name in (*FOR_ALL, *FOR_DPOP, *FOR_PRIVATE_KEY_JWT)),
    "test_fapi2_message_signing": tuple(
        FAPI2 + name for name in (*FOR_ALL, *FOR_DPOP, *FOR_PRIVATE_KEY_JWT, *FOR_SIGNED_REQUESTS)
    ),
}


def name_of_test(module: str) -> str:
    """Return the name of the test of a module."""
    return "test_" + module.replace("-", "_")
