"""Which clients each of the suite's plans needs, as a table: one configuration of the suite per line.

Names of plans, variants and blocks are the suite's own (release 5.2.4).
"""

from dataclasses import dataclass, field
from itertools import product
from typing import Any

_SCOPE = "openid profile email address phone offline_access"
_STATIC = {"server_metadata": "discovery", "client_registration": "static_client"}
_HYBRID = ("code id_token", "code token", "code id_token token")
_IMPLICIT = ("id_token", "id_token token")
# FAPI 2.0 §5.3.2: second clients prove that the query of a redirect URI is kept.
_QUERY = "?dummy1=lorem&dummy2=ipsum"
_AUTH_METHODS = {"private_key_jwt": "private_key_jwt", "mtls": "self_signed_tls_client_auth"}
_BINDINGS = {"dpop": "dpop_bound_access_tokens", "mtls": "tls_client_certificate_bound_access_tokens"}


@dataclass(frozen=True)
class Role:
    """A client in one of the suite's blocks (`client`, `client2` …), as its registration says it."""

    block: str
    asked: dict[str, Any]
    # Signs assertions or request objects with a key of this algorithm.
    signs: str | None = None
    # Shows a certificate, for itself or for its tokens.
    has_certificate: bool = False


@dataclass(frozen=True)
class Configuration:
    """One configuration file of the suite, and the plans that it serves with their variants."""

    name: str
    plans: tuple[tuple[str, dict[str, str]], ...]
    roles: tuple[Role, ...] = ()
    # Plans whose clients register themselves need an initial access token instead.
    registers_itself: bool = False
    more: dict[str, Any] = field(default_factory=dict)


def configurations(base: str, *, issuer: str, mtls_issuer: str) -> tuple[Configuration, ...]:
    """Return every configuration for a suite whose redirect URIs begin with ``base``."""
    return (
        Configuration("basic", _basic_plans(), _basic_roles(base, "basic")),
        Configuration(
            "hybrid",
            (
                ("oidcc-hybrid-certification-test-plan", _STATIC),
                ("oidcc-formpost-hybrid-certification-test-plan", _STATIC),
            ),
            _basic_roles(base, "hybrid", response_types=["code", *_HYBRID]),
        ),
        Configuration(
            "implicit",
            (
                ("oidcc-implicit-certification-test-plan", _STATIC),
                ("oidcc-formpost-implicit-certification-test-plan", _STATIC),
            ),
            _basic_roles(base, "implicit", response_types=list(_IMPLICIT)),
        ),
        *(_logout(base, kind) for kind in ("rp-initiated", "backchannel", "frontchannel")),
        *(_other_auth(base, method) for method in ("private_key_jwt", "client_secret_jwt")),
        Configuration(
            "dynamic",
            (
                ("oidcc-dynamic-certification-test-plan", {"response_type": "code"}),
                ("oidcc-3rdparty-init-login-certification-test-plan", {"response_type": "code"}),
            ),
            registers_itself=True,
        ),
        *(
            _fapi2(base, auth, binding, signed=signed, resource=mtls_issuer if binding == "mtls" else issuer)
            for signed, auth, binding in product((False, True), _AUTH_METHODS, _BINDINGS)
        ),
    )


def _website(base: str, client_id: str, **more: Any) -> dict[str, Any]:
    # The Basic plan sends no PKCE but in one module.
    return {
        "client_id": f"suite-{client_id}",
        "name": f"Conformance suite ({client_id})",
        "redirect_uris": [f"{base}/callback"],
        "scope": _SCOPE,
        "require_pkce": False,
        **more,
    }


def _basic_plans() -> tuple[tuple[str, dict[str, str]], ...]:
    return (
        ("oidcc-config-certification-test-plan", {}),
        ("oidcc-basic-certification-test-plan", _STATIC),
        ("oidcc-formpost-basic-certification-test-plan", _STATIC),
    )


def _basic_roles(base: str, name: str, *, response_types: list[str] | None = None) -> tuple[Role, ...]:
    more: dict[str, Any] = {}
    if response_types is not None:
        grants = ["implicit", "authorization_code", "refresh_token"] if "code" in response_types else ["implicit"]
        more = {"response_types": response_types, "grant_types": grants}
    return (
        Role("client", _website(base, f"{name}-1", **more)),
        Role("client2", _website(base, f"{name}-2", **more)),
        Role("client_secret_post", _website(base, f"{name}-post", auth_method="client_secret_post", **more)),
    )


def _logout(base: str, kind: str) -> Configuration:
    # A client each: one that also had a front-channel URI would be called there while another plan runs.
    uris: dict[str, dict[str, Any]] = {
        "rp-initiated": {},
        "backchannel": {"backchannel_logout_uri": f"{base}/backchannel_logout"},
        "frontchannel": {"frontchannel_logout_uri": f"{base}/frontchannel_logout"},
    }
    asked = _website(
        base, f"{kind}-logout", post_logout_redirect_uris=[f"{base}/post_logout_redirect"], **uris[kind]
    )  # fmt: skip
    plan = "oidcc-rp-initiated-logout" if kind == "rp-initiated" else f"oidcc-{kind}-rp-initiated-logout"
    variant = {"client_registration": "static_client", "response_type": "code"}
    return Configuration(
        f"{kind}-logout", ((f"{plan}-certification-test-plan", variant),), (Role("client", asked),)
    )  # fmt: skip


def _other_auth(base: str, method: str) -> Configuration:
    name = method.replace("_", "-")
    signs = "RS256" if method == "private_key_jwt" else None
    variant = {
        "client_registration": "static_client",
        "client_auth_type": method,
        "response_type": "code",
        "response_mode": "default",
    }
    return Configuration(
        name,
        (("oidcc-test-plan", variant),),
        tuple(
            Role(block, _website(base, f"{name}-{number}", auth_method=method), signs=signs)
            for number, block in enumerate(("client", "client2"), 1)
        ),
    )


def _fapi2(base: str, auth: str, binding: str, *, signed: bool, resource: str) -> Configuration:
    kind = "fapi2-signed" if signed else "fapi2"
    name = f"{kind}-{auth.replace('_', '-')}-{binding}"
    more: dict[str, Any] = {
        "security_profile": "fapi2",
        "require_pkce": True,
        "auth_method": _AUTH_METHODS[auth],
        _BINDINGS[binding]: True,
    }
    variant = {
        "client_auth_type": auth,
        "sender_constrain": binding,
        "openid": "openid_connect",
        "fapi_profile": "plain_fapi",
        "authorization_request_type": "simple",
    }
    plans: tuple[tuple[str, dict[str, str]], ...] = (("fapi2-security-profile-final-test-plan", variant),)
    if signed:
        more["require_signed_request_object"] = True
        method = {**variant, "fapi_request_method": "signed_non_repudiation"}
        plans = tuple(
            ("fapi2-message-signing-final-test-plan", {**method, "fapi_response_mode": mode})
            for mode in ("plain_response", "jarm")
        )
    roles = tuple(
        Role(
            block,
            {
                **_website(base, f"{name}-{number}", **more),
                "redirect_uris": [f"{base}/callback{query}"],
                **({"request_object_signing_alg": alg} if signed else {}),
            },
            signs=alg,
            has_certificate="mtls" in {auth, binding},
        )
        # An RSA key for the first: with it the suite also tries RS256, which must be refused.
        for number, (block, query, alg) in enumerate((("client", "", "PS256"), ("client2", _QUERY, "ES256")), 1)
    )
    return Configuration(name, plans, roles, more={"resource": {"resourceUrl": f"{resource}/userinfo"}})
