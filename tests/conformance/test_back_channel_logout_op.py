"""Back-Channel OP: `oidcc-backchannel-rp-initiated-logout-certification-test-plan`.

The relying party's server is a real one, behind TLS; a worker tells it, as in production.
"""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from flask import Flask

from idp.settings import FetchSettings
from idp.worker import Worker
from tests.conformance.checks import DISCOVERY, check_metadata, read_token
from tests.conformance.conftest import Maker
from tests.conformance.keys import moment
from tests.conformance.leaving import GOODBYE, STATE, sign_in
from tests.conftest import ISSUER, Browser
from tests.strangers import Authority, Stranger, says

EVENT = "http://schemas.openid.net/event/backchannel-logout"
PATH = "/a/sesame/backchannel_logout"


@pytest.fixture(scope="module")
def web_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("web"))


@pytest.fixture
def server(app: Flask, web_authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stranger]:
    """Return the relying party's server: https://rp.test, which the name service of the test has on loopback."""
    sesame, look_up = app.extensions["sesame"], socket.getaddrinfo
    fetch = FetchSettings(ca_file=web_authority.ca_file, allow_networks=("127.0.0.0/8",))
    monkeypatch.setitem(sesame, "settings", sesame["settings"].model_copy(update={"fetch": fetch}))

    def look_up_here(host: str, *rest: Any, **more: Any) -> Any:
        return look_up("127.0.0.1" if host == "rp.test" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_here)
    server = Stranger(web_authority)
    server.pages[PATH] = says("", Cache_Control="no-store")
    yield server
    server.close()


@pytest.fixture
def start_worker(app: Flask, server: Stranger) -> Iterator[Callable[[], None]]:
    """Return a starter of a worker: not before the sign-in, whose mailed code it would send away under the test."""
    worker = Worker(app, look_every=0.05)
    yield worker.start
    worker.stop()
    worker.join(15)


def test_oidcc_backchannel_logout_discovery_endpoint_verification(http: Browser) -> None:
    metadata = http.get(DISCOVERY).json

    check_metadata(metadata, ISSUER + DISCOVERY)
    assert metadata["backchannel_logout_supported"] is True
    # Compulsory for certification.
    assert metadata["backchannel_logout_session_supported"] is True
    assert metadata["end_session_endpoint"].startswith("https://")


def test_oidcc_backchannel_rp_initiated_logout(
    make_client: Maker, server: Stranger, start_worker: Callable[[], None]
) -> None:
    leaving = sign_in(
        make_client(
            post_logout_redirect_uris=[GOODBYE], backchannel_logout_uri=f"https://rp.test:{server.port}{PATH}",
            backchannel_logout_session_required=True,
        )
    )  # fmt: skip
    id_token = leaving.flow.id_token
    start_worker()

    answer = leaving.leave()

    assert answer.headers["Location"] == f"{GOODBYE}?state={STATE}"
    until = time.monotonic() + 10
    while not server.seen and time.monotonic() < until:
        time.sleep(0.02)
    ((method, path, headers, body),) = server.seen
    assert (method, path) == ("POST", PATH)
    assert headers["Content-Type"].partition(";")[0] == "application/x-www-form-urlencoded"
    form = dict(parse_qsl(body.decode(), strict_parsing=True))
    assert form.keys() == {"logout_token"}
    # Signed by a published key, with the algorithm of the client's ID tokens (Back-Channel Logout §2.4, §2.6).
    claims = read_token(form["logout_token"], leaving.rp.keys, algorithms=["RS256"])
    assert claims["iss"] == ISSUER
    assert claims["aud"] in (leaving.rp.client_id, [leaving.rp.client_id])
    assert abs(claims["iat"] - moment()) <= 300
    assert claims["exp"] > moment()
    assert claims["jti"]
    assert claims["events"] == {EVENT: {}}
    assert "nonce" not in claims
    assert claims["sid"] == id_token["sid"]
    assert claims.get("sub", id_token["sub"]) == id_token["sub"]
    assert not leaving.rp.is_signed_in()
