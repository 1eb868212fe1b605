"""FAPI 2.0 Message Signing: `fapi2-message-signing-final-test-plan`.

The whole list of the Security Profile again, every request signed and, for the first kind of client, every response
as JARM; and the modules that only signed request objects have.
"""

from typing import Any

from tests.conformance.fapi_client import FapiClient
from tests.conformance.keys import moment, unsigned, with_bad_signature
from tests.conformance.plans import MESSAGE_SIGNING_KINDS
from tests.conformance.test_fapi2_security_profile import *  # noqa: F403 - the same modules, for the kinds below

KINDS = MESSAGE_SIGNING_KINDS


def check_object_refused(client: FapiClient, **changes: Any) -> None:
    """Hold the PAR endpoint to refuse a request object that ``changes`` make of a good one (RFC 9101 §6.2, §6.3)."""
    request = client.request()

    answer = client.push(request, request_object=client.request_object(request, **changes))

    client.check_push_refused(answer, "invalid_request_object")


def flow_with_object(client: FapiClient, **changes: Any) -> None:
    """Go the whole way with a request object that ``changes`` make of a good one."""
    request = client.request()
    request_uri = client.pushed(request, request_object=client.request_object(request, **changes))

    client.redeem(request, client.authorize(request, request_uri, repeat=False))


def test_fapi2_security_profile_final_ensure_request_object_with_multiple_aud_succeeds(client: FapiClient) -> None:
    flow_with_object(client, aud=[client.metadata["issuer"], "https://other1.example.com", "invalid"])


def test_fapi2_security_profile_final_ensure_request_object_with_nbf_8_seconds_in_the_future_is_accepted(
    client: FapiClient,
) -> None:
    flow_with_object(client, nbf=moment(seconds=8))


def test_fapi2_security_profile_final_ensure_request_object_without_exp_fails(client: FapiClient) -> None:
    """Message Signing §5.3.1-4."""
    check_object_refused(client, exp=None)


def test_fapi2_security_profile_final_ensure_request_object_without_nbf_fails(client: FapiClient) -> None:
    """Message Signing §5.3.1-3."""
    check_object_refused(client, nbf=None)


def test_fapi2_security_profile_final_ensure_expired_request_object_fails(client: FapiClient) -> None:
    check_object_refused(client, exp=moment(minutes=-5))


def test_fapi2_security_profile_final_ensure_request_object_with_bad_aud_fails(client: FapiClient) -> None:
    check_object_refused(client, aud="https://www.other1.example.com/")


def test_fapi2_security_profile_final_ensure_request_object_with_exp_over_60_fails(client: FapiClient) -> None:
    """Message Signing §5.3.1-4: "a lifetime of no longer than 60 minutes after the nbf claim"."""
    check_object_refused(client, exp=moment(minutes=70))


def test_fapi2_security_profile_final_ensure_request_object_with_nbf_over_60_fails(client: FapiClient) -> None:
    """Message Signing §5.3.1-3: "no longer than 60 minutes in the past"."""
    check_object_refused(client, nbf=moment(minutes=-70))


def test_fapi2_security_profile_final_ensure_signed_request_object_with_RS256_fails(client: FapiClient) -> None:
    check_object_refused(client, alg="RS256")


def test_fapi2_security_profile_final_ensure_request_object_signature_algorithm_is_not_none(
    client: FapiClient,
) -> None:
    request = client.request()
    claims = {**request, "iss": client.client_id, "aud": client.metadata["issuer"], "nbf": moment()}

    answer = client.push(request, request_object=unsigned({**claims, "exp": moment(minutes=5)}))

    client.check_push_refused(answer, "invalid_request_object")


def test_fapi2_security_profile_final_ensure_request_object_with_invalid_signature_fails(client: FapiClient) -> None:
    request = client.request()

    answer = client.push(request, request_object=with_bad_signature(client.request_object(request)))

    client.check_push_refused(answer, "invalid_request_object")


def test_fapi2_security_profile_final_ensure_matching_key_in_authorization_request(
    client: FapiClient, second: FapiClient
) -> None:
    """The first client's request, signed by the second."""
    request = client.request()

    answer = client.push(request, request_object=client.request_object(request, key=second.party.key))

    client.check_push_refused(answer, "invalid_request", "invalid_request_object")


def test_fapi2_security_profile_final_ensure_unsigned_request_at_par_endpoint_fails(client: FapiClient) -> None:
    client.check_push_refused(client.push(client.request(), plain=True), "invalid_request")


def test_fapi2_security_profile_final_par_authorization_request_containing_request_uri(client: FapiClient) -> None:
    check_object_refused(client, request_uri="urn:example:bwc4JK-ESC0w8acc191e-Y1LTC2")
