"""A client that keeps a secret proves itself from its own networks only, by whichever door it comes."""

from typing import Any

import pytest
from flask import Flask

from idp.oidc.client_networks import is_allowed_from, network_faults
from idp.oidc.clients import Client as Known
from idp.oidc.lane import Lane
from tests.oidc.conftest import Maker
from tests.oidc.wsgi import ask

FORM = b"grant_type=client_credentials&client_id=net&client_secret="


@pytest.mark.parametrize("path", ["/token", "/introspect", "/revoke"])
@pytest.mark.parametrize(("address", "lets_in"), [("192.0.2.7", True), ("198.51.100.7", False), ("", False)])
def test_a_secret_is_worth_nothing_from_elsewhere(
    app: Flask, make_client: Maker, path: str, address: str, lets_in: bool
) -> None:
    """AC-129 narrowed: the right secret, from a network that is not the client's, by the lane and by Flask alike."""
    client = make_client(
        "net", grant_types=["client_credentials"], machine_scope="api", auth_method="client_secret_post",
        allowed_networks=["192.0.2.0/24", "2001:db8::/48"],
    )  # fmt: skip
    body = FORM + client.secret.encode() + b"&token=x"
    front = app.wsgi_app if isinstance(app.wsgi_app, Lane) else Lane(app)

    answers = [ask(door, "POST", path, body, REMOTE_ADDR=address) for door in (front, front.behind)]

    assert [answer[0][:3] for answer in answers] == ["200" if lets_in else "401"] * 2
    assert answers[0][2] == answers[1][2] or path == "/token"


def known(*networks: str) -> Known:
    return Known("net", "Net", allowed_networks=networks)


def test_addresses_are_compared_as_the_doors_tell_them() -> None:
    assert is_allowed_from(known(), "unknown")
    assert is_allowed_from(known("2001:db8::/48"), "2001:db8:0:7::/64")
    assert not is_allowed_from(known("2001:db8::/48"), "2001:db8:1::/64")
    assert not is_allowed_from(known("0.0.0.0/0"), "2001:db8::/64")
    assert not is_allowed_from(known("0.0.0.0/0", "::/0"), "unknown")


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"allowed_networks": ["192.0.2.1/24"]}, "no network"),
        ({"allowed_networks": ["example.fr"]}, "no network"),
        ({"allowed_networks": ["2001:db8::1/128"]}, "narrower than /64"),
        ({"allowed_networks": ["10.0.0.0/8"] * 51}, "at most"),
        ({"allowed_networks": ["10.0.0.0/8"], "token_endpoint_auth_method": "none"}, "proves nothing"),
        ({"allowed_networks": ["10.0.0.0/8", "192.0.2.7/32", "::/0"]}, None),
        ({}, None),
    ],
)
def test_networks_that_cannot_stand_are_named(more: dict[str, Any], fault: str | None) -> None:
    faults = network_faults(more)

    assert (fault is None) == (not faults)
    assert fault is None or fault in faults[0]
