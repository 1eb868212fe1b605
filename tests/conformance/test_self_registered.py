"""What no module of the suite asks: whoever registers itself is a third party, and people are asked about it."""

import html
from collections.abc import Iterator

import pytest
from flask import Flask

from tests.conformance.self_registered import SelfRegistered, rsa_key
from tests.registering import registration_enabled
from tests.strangers import Authority

KEY = rsa_key("one")


@pytest.fixture
def client(app: Flask, alice: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SelfRegistered]:
    with registration_enabled(app, Authority(tmp_path_factory.mktemp("ca"))):
        yield SelfRegistered(app, KEY, policy_uri="https://rp.test/policy", tos_uri="https://rp.test/terms")


def test_a_person_agrees_before_a_self_registered_client_learns_anything(client: SelfRegistered) -> None:
    client.callback(client.sign_in(client.ask(scope="openid email")))

    more = client.ask(scope="openid email phone")
    page = html.unescape(client.browser.get(client.browser.get(more.headers["Location"]).headers["Location"]).text)

    assert '/consent"' in page
    # AC-121: its pages are linked, and not told from where.
    for address in ("https://rp.test/policy", "https://rp.test/terms"):
        assert f'href="{address}" rel="noreferrer noopener external"' in page
    refused = client.ask(scope="openid email phone", prompt="none")
    assert client.callback(refused)["error"] == "consent_required"
