"""FAPI 2.0 Security Profile: `fapi2-security-profile-final-test-plan` with plain_fapi and openid_connect.

Each module runs for every kind of client for which the plan has it: private_key_jwt or mTLS, tokens bound by DPoP or
mTLS. What the suite asks of TLS itself and of the `Date` header is the server's and the proxy's, and is not seen here.
"""

import json
from typing import Any

from tests.conformance.checks import (
    DISCOVERY,
    FAPI2_ALGORITHMS,
    SCOPE_CLAIMS,
    check_error_answer,
    check_error_callback,
    check_id_token,
    check_metadata,
    check_token_answer,
    check_userinfo,
)
from tests.conformance.fapi_client import (
    CLIENT_REFUSED,
    INVALID_GRANT,
    POSSESSION_REFUSED,
    QUERY,
    FapiClient,
    other_thumbprint,
)
from tests.conformance.keys import assertion, dpop_proof, encode, moment, new_key, unsigned, with_bad_signature
from tests.conformance.plans import SECURITY_PROFILE_KINDS, Kind
from tests.conftest import ISSUER, Browser, Clock

KINDS = SECURITY_PROFILE_KINDS

# -- a client that behaves -----------------------------------------------------------------------------------------


def test_fapi2_security_profile_final_discovery_end_point_verification(app: Any, http: Browser, kind: Kind) -> None:
    metadata = http.get(DISCOVERY).json

    check_metadata(metadata, ISSUER + DISCOVERY)
    assert metadata["pushed_authorization_request_endpoint"] == f"{ISSUER}/par"
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert isinstance(metadata.get("require_pushed_authorization_requests", False), bool)
    assert set(metadata["id_token_signing_alg_values_supported"]) & set(FAPI2_ALGORITHMS)
    if "userinfo_signing_alg_values_supported" in metadata:
        assert set(metadata["userinfo_signing_alg_values_supported"]) & set(FAPI2_ALGORITHMS)
    if kind.binding == "dpop":
        assert set(metadata["dpop_signing_alg_values_supported"]) <= set(FAPI2_ALGORITHMS)
        assert metadata["dpop_signing_alg_values_supported"]
    else:
        assert metadata["tls_client_certificate_bound_access_tokens"] is True
    methods = set(metadata["token_endpoint_auth_methods_supported"])
    if kind.auth == "mtls":
        assert methods >= {"tls_client_auth", "self_signed_tls_client_auth"}
    else:
        assert "private_key_jwt" in methods
    assert set(metadata["token_endpoint_auth_signing_alg_values_supported"]) & set(FAPI2_ALGORITHMS)
    if kind.jarm:
        # JARM §4: as lists; nothing is encrypted here, so the other two may be absent.
        assert "jwt" in metadata["response_modes_supported"]
        assert set(metadata["authorization_signing_alg_values_supported"]) & set(FAPI2_ALGORITHMS)
    if kind.signed:
        assert set(metadata["request_object_signing_alg_values_supported"]) & set(FAPI2_ALGORITHMS)


def test_fapi2_security_profile_final_happy_flow(client: FapiClient, second: FapiClient) -> None:
    token = client.flow().tokens["access_token"]

    # FAPI 2.0 §5.3.4-2: the resource server takes no token from the address.
    assert client.resource(token, query={"access_token": token}).status_code in {400, 401}
    for accept in ("application/json;charset=UTF-8", "application/json, application/*+json, */*"):
        assert client.resource(token, headers={"Accept": accept}).status_code == 200
    # The second comes with a query in its redirect URI, and names its key without a proof.
    assert second.redirect_uri.endswith(QUERY)
    jkt = {"dpop_jkt": second.party.dpop_key.thumbprint()} if second.is_dpop else {}
    second.flow(**jkt)


def test_fapi2_security_profile_final_user_rejects_authentication(client: FapiClient, second: FapiClient) -> None:
    for one in (client, second):
        request = one.request(state="s" * 128)
        answer = one.visitor.walk(one.open(request, one.pushed(request)), cancel=True)
        assert one.visitor.seen == ["cancel"]
        check_error_callback(one.callback(answer), issuer=ISSUER, state="s" * 128, errors={"access_denied"})


def test_fapi2_security_profile_final_ensure_authorization_request_without_state_success(client: FapiClient) -> None:
    # `authorize` holds the callback to the state that was asked for: none.
    client.flow(state=None)


def test_fapi2_security_profile_final_ensure_authorization_request_without_nonce_success(client: FapiClient) -> None:
    assert "nonce" not in client.flow(nonce=None).id_token


def test_fapi2_security_profile_final_ensure_authorization_request_with_64_char_nonce_success(
    client: FapiClient,
) -> None:
    """FAPI 2.0 §5.3.2.2-14: nonces up to 64 characters."""
    assert client.flow(nonce="n" * 64).id_token["nonce"] == "n" * 64


def test_fapi2_security_profile_final_ensure_other_scope_order_succeeds(client: FapiClient) -> None:
    assert client.flow(scope="email profile openid").userinfo["email"]


def test_fapi2_security_profile_final_test_claims_parameter_identity_claims(client: FapiClient) -> None:
    assert client.metadata["claims_parameter_supported"] is True
    known = sorted({claim for claims in SCOPE_CLAIMS.values() for claim in claims})
    offered = [claim for claim in known if claim in client.metadata["claims_supported"]]
    # By turns as each of the forms of OpenID Connect Core §5.5.1; what is not understood is ignored.
    forms = [None, {"essential": True}, {"essential": False}, {"unknown": "member"}]
    wanted = {claim: forms[number % len(forms)] for number, claim in enumerate(offered)} | {"u8yXk2": None}
    claims = {"id_token": wanted, "userinfo": wanted, "qZ81kd": {"r5Tn": None}}

    request = client.request(claims=json.dumps(claims), scope="openid")
    flow = client.redeem(request, client.authorize(request, client.pushed(request)), asked=offered)

    assert offered
    assert set(offered) <= flow.userinfo.keys() | flow.id_token.keys()


def test_fapi2_security_profile_final_access_token_type_header_case_sensitivity(client: FapiClient) -> None:
    """RFC 9110 §11.1: the name of a scheme is case-insensitive."""
    token = client.flow().tokens["access_token"]

    assert client.resource(token, scheme=client.token_type.swapcase()).status_code == 200


# -- DPoP ----------------------------------------------------------------------------------------------------------


def test_fapi2_security_profile_final_check_dpop_proof_nbf_exp(client: FapiClient) -> None:
    client.flow(proof={"nbf": moment(), "exp": moment(minutes=5)})


def test_fapi2_security_profile_final_ensure_dpopproof_with_iat_10seconds_before_succeeds(client: FapiClient) -> None:
    """FAPI 2.0 §5.3.2.1-13: clocks up to 10 seconds apart."""
    client.flow(proof={"iat": moment(seconds=-10)}, push={"proof": {"iat": moment(seconds=-10)}})


def test_fapi2_security_profile_final_ensure_dpopproof_with_iat_10seconds_after_succeeds(client: FapiClient) -> None:
    client.flow(proof={"iat": moment(seconds=10)}, push={"proof": {"iat": moment(seconds=10)}})


def test_fapi2_security_profile_final_ensure_mismatched_dpop_jkt_fails(client: FapiClient) -> None:
    answer = client.push(client.request(dpop_jkt=other_thumbprint()), proof={})

    client.check_push_refused(answer, "invalid_request", "invalid_dpop_proof")


def test_fapi2_security_profile_final_ensure_token_endpoint_fails_with_mismatched_dpop_proof_jkt(
    client: FapiClient,
) -> None:
    code = client.get_code(push={"proof": {}})

    check_error_answer(client.exchange(code, proof={"key": new_key()}), POSSESSION_REFUSED)


def test_fapi2_security_profile_final_ensure_token_endpoint_fails_with_mismatched_dpop_jkt(client: FapiClient) -> None:
    code = client.get_code(dpop_jkt=other_thumbprint())

    check_error_answer(client.exchange(code), POSSESSION_REFUSED)


def test_fapi2_security_profile_final_ensure_dpopproof_at_par_endpoint_binding_success(client: FapiClient) -> None:
    client.flow(push={"proof": {}})


def test_fapi2_security_profile_final_ensure_dpop_auth_code_binding_success(client: FapiClient) -> None:
    client.flow(push={"proof": {}}, dpop_jkt=client.party.dpop_key.thumbprint())


def test_fapi2_security_profile_final_dpop_negative_tests(client: FapiClient) -> None:
    """RFC 9449 §4.3 and §7.1, at the resource; afterwards a good proof still opens it."""
    token = client.flow().tokens["access_token"]
    here, key = f"{ISSUER}{client.at('userinfo_endpoint')}", client.party.dpop_key
    good = dpop_proof(key, "GET", here, token=token, nonce=client.nonce)
    head, payload, signature = good.split(".")
    renamed = encode(json.dumps({"alg2": "PS256", "typ": "dpop+jwt"}).encode())
    private = {name: part for name, part in key.as_dict(private=True).items() if name not in {"kid", "use"}}

    def call(*proofs: str, scheme: str = "DPoP") -> int:
        headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", proof) for proof in proofs)]
        answer = client.back.get(client.at("userinfo_endpoint"), headers=headers)
        # RFC 9449 §7.1: a refusal says how to do better.
        assert answer.status_code == 200 or "DPoP" in answer.headers.get("WWW-Authenticate", "")
        return int(answer.status_code)

    def proof(**changes: Any) -> str:
        made = {"method": "GET", "url": here, "token": token, "key": key, "nonce": client.nonce, **changes}
        return dpop_proof(made.pop("key"), made.pop("method"), made.pop("url"), **made)

    claims = {"jti": "j" * 20, "htm": "GET", "htu": here, "iat": moment()}
    refused = {
        "two proofs": (proof(), proof()),
        "not a JWT": (f"{head}.{payload}",),
        "no typ": (proof(header={"typ": None}),),
        "no alg": (f"{renamed}.{payload}.{signature}",),
        "no jwk": (proof(header={"jwk": None}),),
        "no jti": (proof(jti=None),),
        "no htm": (proof(htm=None),),
        "no htu": (proof(htu=None),),
        "no iat": (proof(iat=None),),
        "no ath": (proof(token=None),),
        "wrong typ": (proof(header={"typ": "dpop+jwt+wrong"}),),
        "RS256": (proof(alg="RS256"),),
        "none": (unsigned(claims, typ="dpop+jwt"),),
        "none, with a key": (unsigned(claims, typ="dpop+jwt", jwk=key.as_dict(private=False)),),
        "bad signature": (with_bad_signature(proof()),),
        "private key": (proof(header={"jwk": private}),),
        "another method": (proof(method="PUT"),),
        "another place": (proof(url=here + "ohnonotagain"),),
        "an hour ahead": (proof(iat=moment(hours=1)),),
        "an hour ago": (proof(iat=moment(hours=-1)),),
        "another token": (proof(token=token[::-1]),),
        "another key": (proof(key=new_key()),),
        "no proof": (),
    }
    accepted = {
        "query and fragment of htu": proof(url=f"{here}?allthedoors=1#cheeryandsunny"),
        "more than is known": proof(header={"tx_id": moment()}, tx_id_key=moment()),
        "case of scheme and host": proof(url=here.replace("https://idp.test", "HTTPS://IDP.TEST")),
        "the default port": proof(url=here.replace("idp.test", "idp.test:443")),
    }

    assert {why: call(*proofs) for why, proofs in refused.items()} == dict.fromkeys(refused, 401)
    assert {why: call(one) for why, one in accepted.items()} == dict.fromkeys(accepted, 200)
    # RFC 9449 §11.1: the very same proof again.
    assert (call(good), call(good)) == (200, 401)
    # §7.1: "a resource server MUST NOT" take a bound token under the Bearer scheme.
    assert call(scheme="Bearer") == 401
    assert call(proof(), scheme="Bearer") == 401
    assert call(proof()) == 200


# -- requests that may fail cleanly --------------------------------------------------------------------------------


def test_fapi2_security_profile_final_ensure_different_nonce_inside_and_outside_request_object(
    client: FapiClient,
) -> None:
    """RFC 9101 §5: what stands beside the `request_uri` is not used; `flow` holds the nonce to the one inside."""
    client.flow(how={"nonce": "of-the-address"})


def test_fapi2_security_profile_final_ensure_different_state_inside_and_outside_request_object(
    client: FapiClient,
) -> None:
    client.flow(how={"state": "of-the-address"})


def test_fapi2_security_profile_final_state_only_outside_request_object_not_used(client: FapiClient) -> None:
    client.flow(state=None, how={"state": "of-the-address"})


def test_fapi2_security_profile_final_ensure_authorization_request_with_long_nonce(client: FapiClient) -> None:
    """Whole, or refused; never cut short."""
    client.flow(nonce="n" * 384)


def test_fapi2_security_profile_final_ensure_authorization_request_with_long_state(client: FapiClient) -> None:
    client.flow(state="s" * 1000)


# -- requests that must fail ---------------------------------------------------------------------------------------


def test_fapi2_security_profile_final_ensure_request_object_without_redirect_uri_fails(client: FapiClient) -> None:
    request = client.request()
    inside = {name: value for name, value in request.items() if name != "redirect_uri"}

    client.check_push_refused(client.push(inside), "invalid_request", "invalid_request_object")


def test_fapi2_security_profile_final_plain_fapi_tolerate_unregistered_redirect_uri(client: FapiClient) -> None:
    """RFC 9126 §2.4 lets a provider allow it; this one compares exactly, as RFC 9700 §2.1 demands."""
    answer = client.push(client.request(redirect_uri=f"{client.redirect_uri}/cV9xa1"))

    client.check_push_refused(answer, "invalid_request", "invalid_request_object")


def test_fapi2_security_profile_final_ensure_unsigned_authorization_request_without_using_par_fails(
    client: FapiClient,
) -> None:
    request = client.request()

    client.check_refused(client.ask(request), request, "invalid_request")


def test_fapi2_security_profile_final_ensure_redirect_uri_in_authorization_request(client: FapiClient) -> None:
    answer = client.push(client.request(redirect_uri=None))

    client.check_push_refused(answer, "invalid_request", "invalid_request_object")


def test_fapi2_security_profile_final_ensure_response_type_code_idtoken_fails(client: FapiClient) -> None:
    answer = client.push(client.request(response_type="code id_token"))

    client.check_push_refused(answer, "unsupported_response_type", "invalid_request", "unauthorized_client")


def test_fapi2_security_profile_final_ensure_response_type_token_fails(client: FapiClient) -> None:
    answer = client.push(client.request(response_type="token"))

    client.check_push_refused(answer, "unsupported_response_type", "invalid_request", "unauthorized_client")


# -- the token endpoint --------------------------------------------------------------------------------------------


def test_fapi2_security_profile_final_ensure_client_id_in_token_endpoint(
    client: FapiClient, second: FapiClient
) -> None:
    """The second client's name with the first one's credentials."""
    call = client.token_call(client.get_code())

    if client.kind.auth == "mtls":
        client.show_certificate(call)
    else:
        client.prove(call)
        call.form["client_assertion"] = assertion(second.client_id, client.party.key, ISSUER)
    call.form["client_id"] = second.client_id

    check_error_answer(client.send("/token", call), {"invalid_client": {400, 401}, "invalid_grant": {400}})


def test_fapi2_security_profile_final_ensure_holder_of_key_required(client: FapiClient) -> None:
    token = client.flow().tokens["access_token"]
    call = client.prove(client.token_call(client.get_code(), possess=False))
    if not client.is_dpop:
        # Without the certificate that binds the token, a client that proves itself by one proves nothing at all.
        call.headers.clear()
    expected = POSSESSION_REFUSED if client.is_dpop else CLIENT_REFUSED
    if (client.kind.auth, client.kind.binding) == ("private_key_jwt", "mtls"):
        expected = {**CLIENT_REFUSED, **INVALID_GRANT}

    check_error_answer(client.send("/token", call), expected)
    # The suite asks for this at the token endpoint only; a bound token alone opens nothing either (RFC 8705 §3).
    assert client.resource(token, possess=False).status_code == 401


def test_fapi2_security_profile_final_ensure_authorization_code_is_bound_to_client(
    client: FapiClient, second: FapiClient
) -> None:
    code = client.get_code()

    answer = second.exchange(code, redirect_uri=client.redirect_uri, code_verifier=client.verifier)

    check_error_answer(answer, INVALID_GRANT)


def test_fapi2_security_profile_final_attempt_reuse_authorization_code_after_one_second(
    client: FapiClient, clock: Clock
) -> None:
    flow = client.flow()
    clock.step(seconds=1)

    check_error_answer(client.exchange(flow.callback["code"]), INVALID_GRANT)

    assert client.resource(flow.tokens["access_token"]).status_code == 401


def test_fapi2_security_profile_final_ensure_token_endpoint_fails_with_expired_auth_code(
    client: FapiClient, clock: Clock
) -> None:
    """FAPI 2.0 §5.3.2.1-11: codes live for at most 60 seconds."""
    code = client.get_code()
    clock.step(seconds=62)

    check_error_answer(client.exchange(code), INVALID_GRANT)


def test_fapi2_security_profile_final_refresh_token(client: FapiClient, second: FapiClient, clock: Clock) -> None:
    """Bound to the client, refused without authentication or proof, still good 30 s after it was used (§5.3.2.1-9)."""
    assert "refresh_token" in client.metadata["grant_types_supported"]
    scope = "openid profile offline_access"
    tokens: dict[str, str] = {}

    for one in (client, second):
        request = one.request(scope=scope, prompt="consent")
        flow = one.redeem(request, one.authorize(request, one.pushed(request)))
        token = tokens[one.client_id] = flow.tokens["refresh_token"]
        clock.step(seconds=1)
        # A new DPoP key: the refresh token of a confidential client is bound to the client, not to a key.
        fresh = {"key": new_key()}
        answer = one.refresh(token, proof=fresh, **({"scope": scope} if one is client else {}))
        renewed = check_token_answer(answer, token_type=one.token_type)
        assert renewed["access_token"] != flow.tokens["access_token"]
        if "id_token" in renewed:
            again = check_id_token(
                renewed["id_token"], one.keys, issuer=ISSUER, client_id=one.client_id, nonce=None,
                access_token=renewed["access_token"], algorithms=FAPI2_ALGORITHMS,
            )  # fmt: skip
            for name in ("iss", "sub", "aud", "azp", "auth_time"):
                assert again.get(name) == flow.id_token.get(name)
            assert again["iat"] > flow.id_token["iat"]
        check_userinfo(one.resource(renewed["access_token"], proof=fresh), sub=flow.id_token["sub"])
        # A lost answer: 30 seconds later the one before works as before.
        clock.step(seconds=30)
        check_token_answer(one.refresh(token, scope=scope), token_type=one.token_type)

    token = tokens[client.client_id]
    # With neither assertion nor certificate of the client's own; mtls+mtls is the case after this one.
    if client.kind.auth == "private_key_jwt" or client.is_dpop:
        named = {"client_id": client.client_id} if client.kind.auth == "mtls" else {}
        unproved = client.refresh_call(token, scope=scope, **named)
        check_error_answer(client.send("/token", unproved), {**CLIENT_REFUSED, **INVALID_GRANT})
    unbound = client.prove(client.refresh_call(token, possess=False, scope=scope))
    if client.is_dpop:
        check_error_answer(client.send("/token", unbound), POSSESSION_REFUSED)
    else:
        unbound.headers.clear()
        check_error_answer(client.send("/token", unbound), {**CLIENT_REFUSED, **INVALID_GRANT})
    # Another's refresh token.
    check_error_answer(client.refresh(tokens[second.client_id], scope=scope), INVALID_GRANT)
    # All those refusals cost the rightful owner nothing.
    check_token_answer(client.refresh(token, scope=scope), token_type=client.token_type)


# -- private_key_jwt -----------------------------------------------------------------------------------------------


def check_assertion_refused(client: FapiClient, **auth: Any) -> None:
    """Get a code and hold the token endpoint to refuse the assertion that ``auth`` makes of a good one."""
    check_error_answer(client.exchange(client.get_code(), auth=auth), CLIENT_REFUSED)


def test_fapi2_security_profile_final_ensure_signed_client_assertion_with_RS256_fails(client: FapiClient) -> None:
    answer = client.exchange(client.get_code(), auth={"alg": "RS256"})

    check_error_answer(answer, {"invalid_client": {400, 401}})


def test_fapi2_security_profile_final_ensure_client_assertion_in_token_endpoint(client: FapiClient) -> None:
    call = client.token_call(client.get_code(), client_id=client.client_id)

    check_error_answer(client.send("/token", call), CLIENT_REFUSED)


def test_fapi2_security_profile_final_ensure_client_assertion_with_exp_is_5_minutes_in_past_fails(
    client: FapiClient,
) -> None:
    check_assertion_refused(client, exp=moment(minutes=-5))


def test_fapi2_security_profile_final_ensure_client_assertion_with_wrong_aud_fails(client: FapiClient) -> None:
    check_assertion_refused(client, audience="https://fapidev-rs.authlete.net/api/userinfo")


def test_fapi2_security_profile_final_ensure_client_assertion_with_no_sub_fails(client: FapiClient) -> None:
    """What keeps a request object from being an assertion."""
    check_assertion_refused(client, sub=None)


def test_fapi2_security_profile_final_par_ensure_jwt_client_assertions_nbf_8_seconds_in_the_future_is_accepted(
    client: FapiClient,
) -> None:
    client.flow(push={"iat": moment(seconds=8), "nbf": moment(seconds=8)})


def test_fapi2_security_profile_final_par_ensure_jwt_client_assertions_nbf_over_60_seconds_in_the_future_fails(
    client: FapiClient,
) -> None:
    """FAPI 2.0 §5.3.2.1-13: more than 60 seconds ahead is never a clock that is off."""
    late = {"iat": moment(seconds=62), "nbf": moment(seconds=62), "exp": moment(seconds=122)}

    check_error_answer(client.push(client.request(), **late), CLIENT_REFUSED)


def check_audience_refused(client: FapiClient, audience: Any) -> None:
    """FAPI 2.0 §5.3.2.1-8: the issuer, "as a string and not as an array", and nothing else."""
    check_error_answer(client.push(client.request(), audience=audience), CLIENT_REFUSED)


def test_fapi2_security_profile_final_par_test_array_as_audience_fails(client: FapiClient) -> None:
    check_audience_refused(client, [ISSUER, "https://other.test"])
    check_audience_refused(client, [ISSUER])


def test_fapi2_security_profile_final_par_test_par_endpoint_url_as_audience_fails(client: FapiClient) -> None:
    check_audience_refused(client, client.metadata["pushed_authorization_request_endpoint"])


def test_fapi2_security_profile_final_par_test_token_endpoint_url_as_audience_fails(client: FapiClient) -> None:
    check_audience_refused(client, client.metadata["token_endpoint"])


# -- pushed authorization requests ---------------------------------------------------------------------------------


def test_fapi2_security_profile_final_par_ensure_reused_request_uri_prior_to_auth_completion_succeeds(
    client: FapiClient,
) -> None:
    """FAPI 2.0 §5.3.2.2: used up by the end of the sign-in, not by the first look at its page."""
    request = client.request()
    request_uri = client.pushed(request)

    first = client.visitor.follow(client.open(request, request_uri))

    assert first.status_code == 200
    client.redeem(request, client.authorize(request, request_uri))


def test_fapi2_security_profile_final_par_attempt_reuse_request_uri(client: FapiClient) -> None:
    request = client.request()
    request_uri = client.pushed(request)
    client.redeem(request, client.authorize(request, request_uri))

    client.check_refused(client.open(request, request_uri), request, "invalid_request_uri")


def test_fapi2_security_profile_final_par_attempt_to_use_expired_request_uri(client: FapiClient, clock: Clock) -> None:
    request = client.request()
    pushed = client.check_pushed(client.push(request))
    clock.step(seconds=pushed["expires_in"])

    client.check_refused(client.open(request, pushed["request_uri"]), request, "invalid_request_uri")


def test_fapi2_security_profile_final_par_attempt_to_use_request_uri_for_different_client(
    client: FapiClient, second: FapiClient
) -> None:
    request = client.request()

    answer = client.open({**request, "client_id": second.client_id}, client.pushed(request))

    client.check_refused(answer, request, "invalid_request", "invalid_request_object", "invalid_request_uri")


def test_fapi2_security_profile_final_par_authorization_request_containing_request_uri_form_param(
    client: FapiClient,
) -> None:
    answer = client.push(client.request(), form={"request_uri": "urn:example:bwc4JK-ESC0w8acc191e-Y1LTC2"})

    client.check_push_refused(answer, "invalid_request", "invalid_request_object", "request_uri_not_supported")


def test_fapi2_security_profile_final_par_attempt_invalid_http_method(client: FapiClient) -> None:
    assert 400 <= client.push(client.request(), method="PUT").status_code < 500


def test_fapi2_security_profile_final_par_without_duplicate_parameters(client: FapiClient) -> None:
    client.flow(how={"repeat": False})


# -- PKCE ----------------------------------------------------------------------------------------------------------


def test_fapi2_security_profile_final_par_ensure_pkce_required(client: FapiClient) -> None:
    answer = client.push(client.request(code_challenge=None, code_challenge_method=None))

    client.check_push_refused(answer, "invalid_request")


def test_fapi2_security_profile_final_par_plain_pkce_rejected(client: FapiClient) -> None:
    answer = client.push(client.request(code_challenge="v" * 64, code_challenge_method="plain"))

    client.check_push_refused(answer, "invalid_request")


def test_fapi2_security_profile_final_ensure_pkce_code_verifier_required(client: FapiClient) -> None:
    check_error_answer(client.exchange(client.get_code(), code_verifier=None), INVALID_GRANT)


def test_fapi2_security_profile_final_incorrect_pkce_code_verifier_rejected(client: FapiClient) -> None:
    check_error_answer(client.exchange(client.get_code(), code_verifier="w" * 64), INVALID_GRANT)
