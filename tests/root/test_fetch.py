"""What strangers' servers can and cannot make us do: real listeners, real TLS, and a canary that must stay silent."""

import gzip
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from idp import metrics
from idp.addresses import is_reachable, read_networks
from idp.fetch import Fetched, FetchFault, fetch
from idp.settings import Settings, SettingsFault, load_settings
from tests.conftest import example_settings
from tests.strangers import Authority, Stranger, drips, says, sends

HERE = ["127.0.0.1"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def stranger(authority: Authority) -> Iterator[Stranger]:
    server = Stranger(authority)
    server.pages["/keys"] = says('{"keys":[]}')
    yield server
    server.close()


def provider(
    authority: Authority, networks: tuple[str, ...] = ("127.0.0.0/8",), issuer: str = "https://idp.test"
) -> Any:
    """Return the context of a provider that may fetch from ``networks``."""
    app = Flask("fetching")
    rules = {"ca_file": authority.ca_file, "allow_networks": networks}
    settings = Settings.model_validate(example_settings(issuer=issuer, fetch=rules))
    app.extensions["sesame"] = {"settings": settings}
    return app.app_context()


@pytest.fixture
def trusting(authority: Authority) -> Iterator[None]:
    with provider(authority):
        yield


@pytest.fixture
def public(authority: Authority) -> Iterator[None]:
    """A provider as in production: no network but the public one."""
    with provider(authority, ()):
        yield


def refusal(url: str, **more: Any) -> str:
    with pytest.raises(FetchFault) as caught:
        fetch(url, **more)
    return caught.value.reason


@pytest.mark.usefixtures("trusting")
def test_a_document_is_fetched_over_tls_that_proves_the_name(stranger: Stranger) -> None:
    answer = fetch(f"https://rp.test:{stranger.port}/keys?a=b#hash", resolve=lambda *_: HERE)

    assert answer == Fetched(200, answer.headers, b'{"keys":[]}')
    assert answer.headers["content-type"] == "application/json"
    method, path, headers, body = stranger.seen[0]
    assert (method, path, body) == ("GET", "/keys?a=b", b"")
    assert headers["Host"] == f"rp.test:{stranger.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Cookie", "Authorization"} & headers.keys()


@pytest.mark.usefixtures("trusting")
def test_a_form_is_posted(stranger: Stranger) -> None:
    fetch(f"{stranger.url}/keys", method="POST", form={"logout_token": "a.b=&"}, headers={"X-One": "1"})

    method, _, headers, body = stranger.seen[0]
    assert (method, body) == ("POST", b"logout_token=a.b%3D%26")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["X-One"] == "1"


@pytest.mark.usefixtures("trusting")
def test_a_certificate_for_another_name_is_refused(stranger: Stranger) -> None:
    assert "SSLCertVerificationError" in refusal(f"https://bank.test:{stranger.port}/keys", resolve=lambda *_: HERE)
    assert stranger.seen == []


def test_a_certificate_of_an_unknown_authority_is_refused(
    authority: Authority, stranger: Stranger, tmp_path: Path
) -> None:
    with provider(Authority(tmp_path)):
        assert "SSLCertVerificationError" in refusal(f"{stranger.url}/keys")


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(stranger: Stranger, status: int) -> None:
    stranger.pages["/moved"] = says("", status=status, Location=f"{stranger.url}/keys")

    answer = fetch(f"{stranger.url}/moved")

    assert answer.status == status
    assert [path for _, path, _, _ in stranger.seen] == ["/moved"]


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 1000,
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 300,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"a" * 1000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\na\r\n" * 300,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 300,
    ],
    ids=["header", "headers", "body", "chunks", "continue"],
)
def test_a_server_that_drips_is_left_at_the_deadline(stranger: Stranger, raw: bytes) -> None:
    stranger.pages["/slow"] = drips(raw, stranger.released)
    began = time.monotonic()

    assert refusal(f"{stranger.url}/slow", timeout=0.6) == "took too long"

    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("trusting")
def test_a_server_that_accepts_and_says_nothing_is_left_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()

        assert refusal(f"https://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.4) == "took too long"

    assert time.monotonic() - began < 5


@pytest.mark.usefixtures("trusting")
def test_a_name_server_that_hangs_is_left_at_the_deadline() -> None:
    hung = threading.Event()

    def resolve(_host: str, _port: int) -> list[str]:
        hung.wait(5)
        return HERE

    assert refusal("https://rp.test/", timeout=0.2, resolve=resolve) == "took too long"
    hung.set()


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n" + b"a" * 5_000_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"a" * 5_000_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + b"a" * 0xFFFF + b"\r\n" + b"f" * 90_000,
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 60_000) for n in range(90)),
    ],
    ids=["announced", "until it closes", "chunked", "headers"],
)
def test_more_than_was_agreed_is_not_read(stranger: Stranger, raw: bytes) -> None:
    stranger.pages["/big"] = sends(raw)

    assert refusal(f"{stranger.url}/big", limit=1000) in {"is too large", "failed: ConnectionResetError"}


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\nX-Trailer: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
def test_every_way_to_end_an_answer_is_understood(stranger: Stranger, raw: bytes) -> None:
    stranger.pages["/keys"] = sends(raw)

    assert fetch(f"{stranger.url}/keys").body == b"{}"


@pytest.mark.usefixtures("trusting")
def test_the_limit_itself_is_still_read(stranger: Stranger) -> None:
    stranger.pages["/full"] = says("a" * 1000)

    assert len(fetch(f"{stranger.url}/full", limit=1000).body) == 1000
    assert refusal(f"{stranger.url}/full", limit=999) == "is too large"


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize("coding", ["gzip", "GZIP", "br", "deflate", "identity, gzip"])
def test_a_compressed_bomb_is_not_inflated(stranger: Stranger, coding: str) -> None:
    stranger.pages["/bomb"] = says(gzip.compress(b"0" * 10_000_000), Content_Encoding=coding)

    assert refusal(f"{stranger.url}/bomb") == "is compressed"


@pytest.mark.usefixtures("trusting")
@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 two hundred\r\n\r\n",
        b"",
    ],
)
def test_what_is_no_whole_answer_is_refused(stranger: Stranger, raw: bytes) -> None:
    stranger.pages["/odd"] = sends(raw)

    assert refusal(f"{stranger.url}/odd")


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize(
    "url",
    [
        "http://rp.example/", "ftp://rp.example/", "file:///etc/passwd", "gopher://127.0.0.1/", "data:text/plain,x",
        "//rp.example/", "rp.example", "", "https://", "https:///keys", "https://user@rp.example/",
        "https://user:pw@rp.example/", "https://rp.example:0/", "https://rp.example:99999/", "https://rp.example:x/",
        "https://rp.example/a b", "https://rp.example/\r\nX: y", "https://rp.example\\@evil.example/",
        "https://ré.example/", "https://[::1/", "https://rp.example/" + "a" * 3000,
    ],
)  # fmt: skip
def test_what_is_no_https_url_is_refused_before_a_name_is_looked_up(url: str) -> None:
    asked: list[str] = []

    assert refusal(url, resolve=lambda host, _: asked.append(host) or ["8.8.8.8"])

    assert asked == []


PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254", "169.254.1.1",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1",
    "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "224.0.1.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "168.63.129.16",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:0:8.8.8.8",
    "64:ff9b::10.0.0.1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2001:20::1",
    "2002:7f00:1::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%lo",
    "fec0::1", "ff02::1", "ff0e::1", "2606:4700::1%lo", "", "rp.example", "1", "0x7f.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not is_reachable(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "8.8.8.8", "172.32.0.1", "192.167.0.1", "2606:4700::1111"])
def test_a_public_address_is_not(address: str) -> None:
    assert is_reachable(address)


@pytest.mark.parametrize(
    ("address", "expected"), [("10.1.2.3", True), ("10.2.0.1", False), ("127.0.0.1", False), ("::ffff:10.1.2.3", False)]
)
def test_an_operator_may_name_networks_of_its_own(address: str, expected: bool) -> None:
    assert is_reachable(address, allowed=read_networks(["10.1.0.0/16"])) is expected


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_a_provider_on_this_machine_may_fetch_from_it(address: str) -> None:
    assert is_reachable(address, loopback=True)
    assert not is_reachable("192.168.1.1", loopback=True)
    assert not is_reachable("::ffff:127.0.0.1", loopback=True)


@pytest.mark.usefixtures("public")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "[::1]"])
def test_a_canary_on_this_machine_stays_silent(stranger: Stranger, host: str) -> None:
    # Whatever the resolver of this machine makes of the odd forms: an address, or nothing.
    assert refusal(f"https://{host}:{stranger.port}/keys")

    assert stranger.seen == []


@pytest.mark.usefixtures("public")
def test_a_name_that_leads_here_is_refused(stranger: Stranger) -> None:
    url = f"https://rp.test:{stranger.port}/keys"

    assert refusal(url, resolve=lambda *_: HERE) == "leads to an address that is not public"
    # One private address among public ones condemns the name: which one is used is not the stranger's to choose.
    assert refusal(url, resolve=lambda *_: ["8.8.8.8", *HERE]) == "leads to an address that is not public"
    assert refusal(url, resolve=lambda *_: []) == "leads to an address that is not public"
    assert stranger.seen == []


def test_a_name_is_looked_up_once_so_it_cannot_change_its_mind(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, canary = Stranger(authority), Stranger(authority)
    first.pages["/keys"] = says("{}")
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    system = socket.getaddrinfo

    def only_numbers(host: Any, *rest: Any, **more: Any) -> Any:
        # Whoever asks the system for the name itself after the check would be led elsewhere.
        assert host == "127.0.0.1"
        return system(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", only_numbers)
    try:
        with provider(authority, ("127.0.0.1/32",)):
            fetch(f"https://rp.test:{first.port}/keys", resolve=lambda *_: next(answers))
            second = refusal(f"https://rp.test:{canary.port}/keys", resolve=lambda *_: next(answers))
    finally:
        first.close()
        canary.close()

    assert len(first.seen) == 1
    assert second == "leads to an address that is not public"
    assert canary.seen == []


def test_the_next_address_is_tried_when_the_first_is_silent(authority: Authority, stranger: Stranger) -> None:
    with provider(authority):
        # Nobody listens on this port of 127.0.0.9.
        answer = fetch(f"https://rp.test:{stranger.port}/keys", resolve=lambda *_: ["127.0.0.9", "127.0.0.1"])

    assert answer.status == 200


def test_proxies_of_the_environment_are_not_used(
    authority: Authority, stranger: Stranger, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = Stranger()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, canary.url)
    try:
        with provider(authority):
            fetch(f"{stranger.url}/keys")
    finally:
        canary.close()

    assert canary.seen == []


def test_plain_http_is_for_a_provider_on_this_machine(authority: Authority) -> None:
    plain = Stranger()
    plain.pages["/keys"] = says("{}")
    try:
        with provider(authority, (), issuer="http://localhost:8000"):
            answer = fetch(f"{plain.url}/keys")
        with provider(authority):
            refused = refusal(f"{plain.url}/keys")
    finally:
        plain.close()

    assert (answer.status, refused) == (200, "is not https")


def test_a_network_that_is_none_stops_the_start() -> None:
    with pytest.raises(SettingsFault) as caught:
        load_settings({"IDP_ISSUER": "https://idp.test", "IDP_FETCH__ALLOW_NETWORKS": "10.0.0.1/8"})

    assert any("fetch" in fault and "host bits" in fault for fault in caught.value.faults)


@pytest.mark.usefixtures("trusting")
def test_failures_are_counted_and_told_to_the_log_alone(told: list[dict[str, Any]], stranger: Stranger) -> None:
    before = metrics.FETCH.labels("failed")._value.get()

    refusal(f"https://127.0.0.1:{stranger.port}/keys?secret=1", limit=10)

    assert [(line["host"], line["reason"]) for line in told if line["event"] == "fetch-failed"] == [
        ("127.0.0.1", "is too large")
    ]
    assert "secret" not in str(told)
    assert metrics.FETCH.labels("failed")._value.get() == before + 1
