"""A registration that cannot stand is refused with every reason, each naming the value that it is about (AC-196)."""

from typing import Any

import pytest
from flask import Flask

from idp.db import db
from idp.oidc.clients import ClientSecret, describe_client, find_client
from idp.oidc.redirect_uris import fault_of, matches
from idp.oidc.registration import MetadataFault, add_client, metadata_from_form
from tests.conftest import Clock

GOOD = {"client_id": "web", "name": "Service", "redirect_uris": ["https://rp.example.fr/cb"], "scope": "openid"}


def faults(clock: Clock, **changes: Any) -> str:
    with pytest.raises(MetadataFault) as caught:
        add_client(metadata_from_form({**GOOD, **changes}), now=clock())
    return "\n".join(caught.value.faults)


@pytest.mark.parametrize(
    ("uri", "word"),
    [
        ("http://rp.example.fr/cb", "https"),
        ("https://rp.example.fr/cb#x", "fragment"),
        ("https://*.example.fr/cb", "wildcard"),
        ("https://user:pw@rp.example.fr/cb", "user information"),
        ("https://caf.fr@evil.example/cb", "user information"),
        ("https://rp.example.fr/a/../cb", ".."),
        ("https://rp.example.fr/a/%2e%2e/cb", ".."),
        ("https://rp.example.fr/a%2fcb", "slash"),
        ("javascript:alert(1)", "execute"),
        ("data:text/html,x", "execute"),
        ("https://192.0.2.1/cb", "IP address"),
        ("https://[2001:db8::1]/cb", "IP address"),
        ("https://localhost/cb", "localhost"),
        ("http://127.0.0.1/cb", "loopback"),
        ("https://intranet/cb", "without a domain"),
        (" https://rp.example.fr/cb", "spaces"),
        ("https://rp.example.fr/cb ", "spaces"),
        ("https://caf\u0435.fr/cb", "punycode"),
        ("https:\\\\evil.example", "backslash"),
        ("https://rp.example.fr:99999/cb", "not a URI"),
        ("myapp:/cb", "https"),
        ("", "spaces"),
        ("https://" + "a" * 3000 + ".fr/", "longer"),
    ],
)
def test_a_bad_redirect_uri_is_named_with_its_reason(context: Flask, clock: Clock, uri: str, word: str) -> None:
    told = faults(clock, redirect_uris=["https://rp.example.fr/good", uri])

    assert repr(uri) in told
    assert word in told
    assert "good" not in told


def test_an_app_may_have_a_loopback_or_a_reversed_domain_scheme(context: Flask) -> None:
    for uri in ("http://127.0.0.1/cb", "http://[::1]:8080/cb", "fr.caf.moncompte:/cb", "https://app.caf.fr/cb"):
        assert fault_of(uri, kind="mobile", is_production=True) is None
    assert fault_of("moncompte:/cb", kind="mobile", is_production=True) is not None


def test_all_faults_come_at_once(context: Flask, clock: Clock) -> None:
    told = faults(
        clock, client_id="a b", name="", redirect_uris=["http://x.fr/"], scope="openid admin", id_token_alg="none"
    )

    assert all(word in told for word in ("client_id", "name", "http://x.fr/", "admin", "none"))


def test_too_many_or_doubled_uris_are_refused(context: Flask, clock: Clock) -> None:
    assert "more than 20" in faults(clock, redirect_uris=[f"https://rp.example.fr/{n}" for n in range(21)])
    assert "twice" in faults(clock, redirect_uris=["https://rp.example.fr/cb"] * 2)
    assert "at least one" in faults(clock, redirect_uris=[])


def test_a_taken_client_id_is_refused(context: Flask, clock: Clock) -> None:
    add_client(metadata_from_form(GOOD), now=clock())

    assert "taken" in faults(clock)


def test_the_secret_is_returned_once_and_kept_nowhere_ac_198(context: Flask, clock: Clock) -> None:
    client, secret = add_client(metadata_from_form(GOOD), now=clock())

    assert secret is not None
    assert len(secret) == 43
    assert secret not in str(describe_client(client))
    assert secret not in str([row.__dict__ for row in db.session.query(ClientSecret)])


def test_a_public_client_has_no_secret_and_must_use_pkce(context: Flask, clock: Clock) -> None:
    client, secret = add_client(metadata_from_form({**GOOD, "kind": "single-page"}), now=clock())

    assert secret is None
    assert client.must_use_pkce


def test_a_change_is_seen_within_seconds(context: Flask, clock: Clock) -> None:
    assert find_client("web") is None
    add_client(metadata_from_form(GOOD), now=clock())
    db.session.commit()

    assert find_client("web") is not None


@pytest.mark.parametrize(
    "asked",
    [
        "https://rp.example.fr/cb/", "https://rp.example.fr/CB", "https://rp.example.fr/cb?x=1", "https://rp.example.fr:443/cb",
        "https://rp.example.fr.evil.tld/cb", "https://rp.example.fr@evil.tld/cb", "https://xrp.example.fr/cb",
        "https://rpXexample.fr/cb", "http://rp.example.fr/cb", "https://rp.example.fr/cb/../x", "https://rp.example.fr/cb%2f..",
    ],
)  # fmt: skip
def test_only_the_same_string_matches_ac_92_ac_93_ac_94(asked: str) -> None:
    assert not matches(("https://rp.example.fr/cb",), asked, kind="website")


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ("http://127.0.0.1:51004/callback", True),
        ("http://127.0.0.1/callback", True),
        ("http://127.0.0.1:1/other", False),
        ("http://localhost:51004/callback", False),
        ("http://[::1]:51004/callback", False),
        ("http://127.0.0.1.evil/callback", False),
        ("http://127.0.0.1:80@evil/callback", False),
        ("https://127.0.0.1:51004/callback", False),
        ("http://127.0.0.1:x/callback", False),
    ],
)
def test_on_loopback_only_the_port_is_free_and_only_for_apps_ac_96(asked: str, fits: bool) -> None:
    assert matches(("http://127.0.0.1/callback",), asked, kind="mobile") is fits
    assert not matches(("http://127.0.0.1/callback",), "http://127.0.0.1:1/callback", kind="website")
