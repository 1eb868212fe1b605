"""Logout addresses are a website's: exact, public, https; a frame's origin is one of the redirect URIs' (AC-168)."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from idp.oidc.clients import Client
from idp.oidc.registration import MetadataFault, add_client, metadata_from_form
from tests.conftest import Clock

GOOD = {
    "client_id": "site", "name": "Site", "redirect_uris": ["https://site.test/cb", "https://login.site.test:8443/cb"],
}  # fmt: skip
Register = Callable[..., Client]


@pytest.fixture
def register(context: Flask, clock: Clock) -> Register:
    return lambda **more: add_client(metadata_from_form({**GOOD, **more}), now=clock())[0]


def faults_of(register: Register, **more: Any) -> list[str]:
    with pytest.raises(MetadataFault) as caught:
        register(**more)
    return caught.value.faults


def test_good_addresses_are_kept(register: Register) -> None:
    client = register(
        backchannel_logout_uri="https://api.elsewhere.test/bcl?a=1",
        frontchannel_logout_uri="https://LOGIN.site.test:8443/fcl",
        frontchannel_logout_session_required=False,
    )

    assert client.backchannel_logout_uri == "https://api.elsewhere.test/bcl?a=1"
    assert client.frontchannel_logout_uri == "https://LOGIN.site.test:8443/fcl"
    assert client.backchannel_logout_session_required is True
    assert client.frontchannel_logout_session_required is False
    assert client.is_told_of_logout


@pytest.mark.parametrize("field", ["backchannel_logout_uri", "frontchannel_logout_uri"])
@pytest.mark.parametrize(
    "uri",
    [
        "http://site.test/out", "https://site.test/out#x", "https://site.test/../out", "https://*.site.test/out",
        "https://user@site.test/out", "https://10.0.0.1/out", "https://169.254.169.254/latest/meta-data",
        "https://[::1]/out", "http://127.0.0.1/out", "http://localhost/out", "https://intranet/out",
        "fr.caf.app:/out", "javascript:alert(1)", "//site.test/out", "", " https://site.test/out", "https://site.test:0/out",
    ],
)  # fmt: skip
def test_an_address_that_is_no_websites_is_refused_ac_168(register: Register, field: str, uri: str) -> None:
    (fault,) = faults_of(register, **{field: uri})

    assert fault.startswith(f"{field}: {uri!r} ")


@pytest.mark.parametrize(
    "uri", ["https://other.test/fcl", "https://site.test:8443/fcl", "https://login.site.test/fcl", "https://site.test.evil.tld/"]
)  # fmt: skip
def test_a_frame_of_another_origin_is_refused(register: Register, uri: str) -> None:
    """Front-Channel Logout §2: "The domain, port, and scheme … MUST be the same"."""
    (fault,) = faults_of(register, frontchannel_logout_uri=uri)

    assert "another origin" in fault


@pytest.mark.parametrize("host", ["site.test;script-src", "site.test,x.test", "si'te.test"])
def test_a_host_cannot_write_into_the_pages_policy(register: Register, host: str) -> None:
    faults = faults_of(register, redirect_uris=[f"https://{host}/cb"], frontchannel_logout_uri=f"https://{host}/fcl")

    assert any("odd characters" in fault for fault in faults)


@pytest.mark.parametrize("value", ["yes", 1, None])
def test_the_flags_are_true_or_false(register: Register, value: Any) -> None:
    if value is None:
        assert register(frontchannel_logout_session_required=value).frontchannel_logout_session_required is True
        return
    (fault,) = faults_of(register, frontchannel_logout_session_required=value)

    assert fault == "frontchannel_logout_session_required: must be true or false"


def test_an_address_that_is_no_text_is_refused(register: Register) -> None:
    (fault,) = faults_of(register, backchannel_logout_uri=["https://site.test/"])

    assert "must be a text" in fault
