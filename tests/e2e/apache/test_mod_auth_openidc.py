"""Debian's mod_auth_openidc signs a person in and out: `make test-apache` (the example of /docs, as it stands)."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from tests.e2e.apache.server import apache, is_there
from tests.e2e.demonstration import Demonstration, code_in, free_ports, wait_until
from tests.e2e.visitor import Visitor

pytestmark = pytest.mark.skipif(not is_there(), reason="needs Apache and its module: make test-apache installs both")

SITE, LEFT, KEYS = "sites-available/my-service.conf", "In the same file", "In the place of the secret"
# What the tests want beside the examples: refresh tokens, and to look at the tokens.
MORE = """
OIDCScope "openid profile email offline_access"
OIDCInfoHook access_token refresh_token
"""


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


def add_client(demonstration: Demonstration, port: int, folder: Path, **more: Any) -> dict[str, Any]:
    metadata = {
        "redirect_uris": [f"http://localhost:{port}/callback"],
        "post_logout_redirect_uris": [f"http://localhost:{port}/left/"],
        "scope": "openid profile email offline_access",
        **more,
    }
    path = folder / "client.json"
    path.write_text(json.dumps(metadata))
    added: dict[str, Any] = demonstration.command("clients", "add", "--name", "Apache", "--metadata", str(path))
    return added


def examples(visitor: Visitor, client_id: str, *titles: str) -> list[str]:
    """Return examples of /docs, filled in for a client."""
    guide = f"{visitor.demonstration.addresses.provider}/docs/clients/mod-auth-openidc"
    visitor.page.goto(f"{guide}?client_id={client_id}")
    return [visitor.page.locator(f"pre[aria-label='{title}'] code").inner_text() for title in titles]


def sign_in(visitor: Visitor, site: str) -> None:
    visitor.page.goto(site + "/")
    visitor.identify()
    visitor.type_code(code_in(visitor.choose_and_send("email")))
    visitor.page.wait_for_url(site + "/")


def text(visitor: Visitor, element_id: str) -> str:
    return visitor.page.locator(f"#{element_id}").inner_text()


def tokens(visitor: Visitor, site: str) -> dict[str, str]:
    visitor.page.goto(f"{site}/callback?info=json")
    found: dict[str, str] = json.loads(visitor.page.locator("body").inner_text())
    return found


def test_signs_in_refreshes_and_signs_out(
    visitor: Visitor, demonstration: Demonstration, port: int, tmp_path: Path
) -> None:
    client = add_client(demonstration, port, tmp_path)
    configuration = "\n".join([*examples(visitor, client["client_id"], SITE, LEFT), MORE])
    known = {"OIDC_CLIENT_SECRET": client["client_secret"], "OIDC_CRYPTO_PASSPHRASE": secrets.token_urlsafe()}

    with apache(configuration, port=port, secrets=known) as site:
        sign_in(visitor, site)
        assert text(visitor, "given-name") == "Camille"
        assert text(visitor, "acr") == "urn:sesame:acr:2sv"
        first = text(visitor, "user")

        before = tokens(visitor, site)
        back = f"refresh={site}/&access_token={before['access_token']}"
        visitor.page.goto(f"{site}/callback?{back}")
        assert visitor.page.url == f"{site}/"
        after = tokens(visitor, site)
        assert after["access_token"] != before["access_token"]
        assert after["refresh_token"] != before["refresh_token"]

        visitor.page.goto(f"{site}/callback?logout={site}/left/")
        assert visitor.page.url == f"{site}/left/"
        visitor.page.goto(site + "/")
        visitor.page.locator("#nir").wait_for()
        sign_in(visitor, site)
        assert text(visitor, "user") == first


def test_hears_of_a_sign_out_elsewhere(
    visitor: Visitor, demonstration: Demonstration, port: int, tmp_path: Path
) -> None:
    heard_at = f"http://localhost:{port}/callback?logout=backchannel"
    client = add_client(demonstration, port, tmp_path, backchannel_logout_uri=heard_at)
    configuration = "\n".join([*examples(visitor, client["client_id"], SITE, LEFT), MORE])
    known = {"OIDC_CLIENT_SECRET": client["client_secret"], "OIDC_CRYPTO_PASSPHRASE": secrets.token_urlsafe()}

    with apache(configuration, port=port, secrets=known) as site:
        sign_in(visitor, site)
        visitor.page.goto(f"{demonstration.addresses.provider}/logout")
        visitor.press("logout-confirm")
        wait_until(lambda: is_told(demonstration, client["client_id"]), 20, "no sign-out was told")

        visitor.page.goto(site + "/")
        visitor.page.locator("#nir").wait_for()


def is_told(demonstration: Demonstration, client_id: str) -> bool:
    """Tell whether the client has answered that it knows (Back-Channel Logout §2.8)."""
    listed = demonstration.command("clients", "logouts", client_id)
    assert all(one["state"] in {"queued", "sending", "told"} for one in listed), listed
    return [one["state"] for one in listed] == ["told"]


@pytest.fixture
def key(tmp_path: Path) -> RSAKey:
    key = RSAKey.generate_key(2048, {"kid": "my-key", "use": "sig", "alg": "RS256"})
    (tmp_path / "private.pem").write_bytes(key.as_pem(private=True))
    (tmp_path / "public.pem").write_bytes(key.as_pem(private=False))
    return key


def test_proves_itself_with_a_key_and_signs_its_requests(
    visitor: Visitor, demonstration: Demonstration, port: int, tmp_path: Path, key: RSAKey
) -> None:
    client = add_client(
        demonstration, port, tmp_path, auth_method="private_key_jwt", require_signed_request_object=True,
        request_object_signing_alg="RS256", jwks={"keys": [key.as_dict(private=False)]},
    )  # fmt: skip
    copied = (
        "response_type",
        "scope",
        "client_id",
        "state",
        "redirect_uri",
        "nonce",
        "code_challenge",
        "code_challenge_method",
    )
    signing = {"copy_from_request": copied, "crypto": {"sign_alg": "RS256"}, "request_object_type": "request"}
    site, keys = examples(visitor, client["client_id"], SITE, KEYS)
    by_secret = ("OIDCClientSecret", "OIDCProviderTokenEndpointAuth")
    configuration = "\n".join(
        [
            *(line for line in site.splitlines() if not line.startswith(by_secret)),
            keys.replace("/etc/apache2", str(tmp_path)),
            "OIDCRequestObject " + json.dumps(json.dumps(signing)),
        ]
    )

    with apache(configuration, port=port, secrets={"OIDC_CRYPTO_PASSPHRASE": secrets.token_urlsafe()}) as site:
        sign_in(visitor, site)

        assert text(visitor, "given-name") == "Camille"
