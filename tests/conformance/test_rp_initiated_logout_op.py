"""RP-Initiated OP: `oidcc-rp-initiated-logout-certification-test-plan`.

Every module signs the person in first and then sends the browser to the end-session endpoint.
"""

import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conformance.checks import DISCOVERY, check_metadata
from tests.conformance.conftest import Maker
from tests.conformance.keys import decode, rsa_key, sign, unsigned
from tests.conformance.leaving import GOODBYE, STATE, Leaving, sign_in
from tests.conftest import ISSUER, Browser


@pytest.fixture
def leaving(make_client: Maker) -> Leaving:
    return sign_in(make_client(post_logout_redirect_uris=[GOODBYE]))


def check_signed_out_page(page: Any) -> None:
    """Hold a page to « you are signed out »: nothing to press, nowhere to go by itself."""
    assert page.status_code == 200
    assert "Location" not in page.headers
    assert "logout-confirm" not in page.text
    assert GOODBYE not in page.text


def check_not_redirected(page: Any) -> None:
    """Hold a page to a question or an error; §3: "the OP MUST NOT perform post-logout redirection"."""
    assert page.status_code in {200, 400}
    assert "Location" not in page.headers
    assert page.mimetype == "text/html"
    assert GOODBYE not in page.text


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(http: Browser) -> None:
    metadata = http.get(DISCOVERY).json

    check_metadata(metadata, ISSUER + DISCOVERY)
    assert urlsplit(metadata["end_session_endpoint"]).scheme == "https"


def test_oidcc_rp_initiated_logout(leaving: Leaving) -> None:
    answer = leaving.leave()

    assert answer.status_code == 303
    assert answer.headers["Location"] == f"{GOODBYE}?state={STATE}"
    assert not leaving.rp.is_signed_in()


def test_oidcc_rp_initiated_logout_no_state(leaving: Leaving) -> None:
    answer = leaving.leave(state=None)

    assert answer.headers["Location"] == GOODBYE
    assert not leaving.rp.is_signed_in()


def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(leaving: Leaving) -> None:
    check_not_redirected(leaving.leave(post_logout_redirect_uri=f"{GOODBYE}/dR5fj2"))


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(leaving: Leaving) -> None:
    check_not_redirected(leaving.leave(post_logout_redirect_uri=f"{GOODBYE}?foo=bar"))


def test_oidcc_rp_initiated_logout_bad_id_token_hint(leaving: Leaving) -> None:
    """The very claims of the ID token, signed by a stranger under the name of the provider's own key."""
    header = json.loads(decode(leaving.hint.split(".")[0]))

    check_not_redirected(leaving.leave(id_token_hint=sign(leaving.flow.id_token, rsa_key("stranger"), **header)))


def test_oidcc_rp_initiated_logout_modified_id_token_hint(leaving: Leaving) -> None:
    check_not_redirected(leaving.leave(id_token_hint=unsigned(leaving.flow.id_token)))


def test_oidcc_rp_initiated_logout_no_id_token_hint(leaving: Leaving) -> None:
    check_not_redirected(leaving.leave(id_token_hint=None))


def test_oidcc_rp_initiated_logout_no_params(leaving: Leaving) -> None:
    page = leaving.leave(id_token_hint=None, post_logout_redirect_uri=None, state=None)

    # §2: without a hint "the OP MUST ask the End-User whether to log out".
    check_signed_out_page(leaving.confirm(page))
    assert not leaving.rp.is_signed_in()


def test_oidcc_rp_initiated_logout_only_state(leaving: Leaving) -> None:
    page = leaving.leave(id_token_hint=None, post_logout_redirect_uri=None)

    check_signed_out_page(leaving.confirm(page))
    assert not leaving.rp.is_signed_in()


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(leaving: Leaving) -> None:
    check_signed_out_page(leaving.leave(post_logout_redirect_uri=None))

    assert not leaving.rp.is_signed_in()
