"""An authorization request may be a form: the body is the only source, and another site's POST loses no session."""

from urllib.parse import urlsplit

import pytest

from tests.authorize.conftest import CALLBACK, Visitor, assert_page, error_of, request_fields, told_to
from tests.conftest import ISSUER

CROSS_SITE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://rp.test"}


def test_a_form_is_answered_like_a_query(signed_in: Visitor) -> None:
    """oidcc-ensure-post-request-succeeds: no CSRF token is asked of the relying party's form."""
    assert told_to(signed_in.ask(method="POST"))["code"]


def test_a_form_starts_a_walk(visitor: Visitor, alice: str) -> None:
    assert told_to(visitor.walk(visitor.ask(method="POST"), alice))["code"]


@pytest.mark.parametrize("query", ["client_id=web", "redirect_uri=https://evil.tld/", "prompt=none", "x=1"])
def test_a_form_with_a_query_is_refused_ac_106(signed_in: Visitor, query: str) -> None:
    assert_page(signed_in.browser.post("/authorize?" + query, data=request_fields()))


def test_a_query_with_a_body_counts_only_the_query_ac_106(visitor: Visitor) -> None:
    answer = visitor.browser.get(
        "/authorize", query_string=request_fields(prompt="none"), data={"redirect_uri": "https://evil.tld/"}
    )

    assert error_of(answer) == "login_required"


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
def test_a_body_that_is_no_form_is_refused(visitor: Visitor, content_type: str) -> None:
    answer = visitor.browser.post("/authorize", data=b'{"client_id":"web"}', content_type=content_type)

    assert_page(answer, 415)


def test_a_form_from_another_site_comes_back_with_the_cookie(signed_in: Visitor) -> None:
    """Browsers keep our `SameSite=Lax` cookie out of such a POST: answering it would overwrite the session."""
    stranger = signed_in.app.test_client()
    answer = stranger.post("/authorize", data=request_fields(prompt="none"), headers=CROSS_SITE)

    assert answer.status_code == 303
    assert "Set-Cookie" not in answer.headers
    assert urlsplit(answer.headers["Location"]).path == "/authorize"
    assert told_to(signed_in.browser.get(answer.headers["Location"]))["code"]


def test_a_bad_form_from_another_site_is_answered_at_once(visitor: Visitor) -> None:
    fields = request_fields(response_type="token")
    answer = visitor.browser.post("/authorize", data=fields, headers=CROSS_SITE)

    assert error_of(answer) == "unsupported_response_type"


def test_a_nir_in_the_form_never_gets_into_an_address(visitor: Visitor) -> None:
    fields = request_fields(login_hint="1991399999001")
    answer = visitor.browser.post("/authorize", data=fields, headers=CROSS_SITE)

    assert "1991399999001" not in answer.headers["Location"]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_refused(visitor: Visitor, method: str) -> None:
    assert visitor.browser.open("/authorize", method=method).status_code == 405


def test_the_address_is_the_issuers(visitor: Visitor) -> None:
    answer = visitor.ask()

    assert urlsplit(answer.headers["Location"]).netloc in {"", urlsplit(ISSUER).netloc}
    assert CALLBACK not in answer.headers["Location"]
