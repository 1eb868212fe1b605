"""The modules of `oidcc-3rdparty-init-login-certification-test-plan`: only the registration is asked."""

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.conformance.self_registered import SelfRegistered, rsa_key
from tests.registering import registration_enabled
from tests.strangers import Authority

KEY = rsa_key("one")


@pytest.fixture
def registering_app(app: Flask, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with registration_enabled(app, Authority(tmp_path_factory.mktemp("ca"))):
        yield app


def test_oidcc_3rd_party_init_login(registering_app: Flask) -> None:
    client = SelfRegistered(registering_app, KEY, initiate_login_uri="https://rp.test/initiate")

    read = client.registrant.manage("GET", client.client)

    assert client.client["initiate_login_uri"] == "https://rp.test/initiate"
    assert (read.status_code, read.mimetype) == (200, "application/json")
    assert read.json["initiate_login_uri"] == "https://rp.test/initiate"
    client.leave()


def test_oidcc_3rd_party_init_login_nohttps(registering_app: Flask) -> None:
    client = SelfRegistered(registering_app, KEY, initiate_login_uri="http://rp.test/initiate")

    assert (client.answer.status_code, client.answer.json["error"]) == (400, "invalid_client_metadata")
