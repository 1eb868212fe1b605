"""Config OP: `oidcc-config-certification-test-plan`, the metadata alone."""

from idp.oidc.jose.own import ALGORITHMS
from tests.conformance.checks import DISCOVERY, REGISTERED_METADATA, check_jwks, check_metadata
from tests.conftest import ISSUER, Browser

_LISTS = (
    "response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported",
    "scopes_supported", "claims_supported", "grant_types_supported", "code_challenge_methods_supported",
)  # fmt: skip


def test_oidcc_discovery_endpoint_verification(http: Browser) -> None:
    answer = http.get(DISCOVERY)

    assert answer.status_code == 200
    assert answer.mimetype == "application/json"
    metadata = answer.json
    check_metadata(metadata, ISSUER + DISCOVERY)
    assert metadata.keys() <= REGISTERED_METADATA
    for name in _LISTS:
        assert metadata[name], name
    # OpenID Connect Discovery §3: "The algorithm RS256 MUST be included"; `none` MAY, and may not here.
    assert {"RS256"} <= set(metadata["id_token_signing_alg_values_supported"]) <= set(ALGORITHMS)
    for name in metadata:
        if name.endswith("_alg_values_supported"):
            assert "none" not in metadata[name], name
    for name in ("request_object_signing_alg_values_supported", "userinfo_signing_alg_values_supported"):
        assert "RS256" in metadata.get(name, ["RS256"]), name
    assert set(metadata["grant_types_supported"]) >= {"authorization_code"}
    assert metadata["claims_parameter_supported"] is True
    for name in ("request_parameter_supported", "request_uri_parameter_supported"):
        # Absent, `request_uri` would be supported by default.
        assert isinstance(metadata[name], bool), name
    check_jwks(http.get(metadata["jwks_uri"].removeprefix(ISSUER)).json)
