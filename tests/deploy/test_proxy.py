"""The drill of the proxy: nginx with the file that is shipped, in front of two nodes as `idp serve` starts them.

``make drill-proxy``; left out of `make test`, whose machines need no nginx.
"""

import http.client
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.deploy.shipped import DEPLOY
from tests.node import Node, free_port, get, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not os.environ.get("DRILL_PROXY") or shutil.which("nginx") is None, reason="`make drill-proxy` runs it"
    ),
]
NAME = "connexion.example.fr"
# One of these is what an attacker writes, the other what the proxy does.
FORGED = "203.0.113.66"


@dataclass
class Proxy:
    """A running nginx and where it listens."""

    tls: int
    clear: int
    folder: Path
    trusted: ssl.SSLContext = field(repr=False)

    def ask(
        self, path: str, *, method: str = "GET", host: str = NAME, sni: str = NAME, body: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], str]:  # fmt: skip
        """Send one request over TLS, whatever is written in its header fields."""
        plain = socket.create_connection(("127.0.0.1", self.tls), timeout=30)
        with plain, self.trusted.wrap_socket(plain, server_hostname=sni) as secured:
            return _exchange(secured, method, path, host, body, headers)

    def ask_in_the_clear(self, path: str, *, method: str = "GET", host: str = NAME) -> tuple[int, dict[str, str], str]:
        with socket.create_connection(("127.0.0.1", self.clear), timeout=30) as plain:
            return _exchange(plain, method, path, host, "" if method == "POST" else None, None)


def _exchange(
    connection: socket.socket, method: str, path: str, host: str, body: str | None, headers: dict[str, str] | None
) -> tuple[int, dict[str, str], str]:
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body is not None:
        lines += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
    connection.sendall("\r\n".join([*lines, "", body or ""]).encode())
    answer = http.client.HTTPResponse(connection, method=method)
    answer.begin()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read().decode()


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Node]]:
    """Start two nodes on one database; nobody but the proxy speaks to them."""
    folder = tmp_path_factory.mktemp("nodes")
    shared = {
        "IDP_ISSUER": f"https://{NAME}", "IDP_TRUSTED_HOPS": "1", "IDP_LOG_LEVEL": "info",
        "IDP_DATABASE_URL": f"sqlite:///{folder}/site.db", "IDP_STATE_FILE": f"{folder}/state.db",
        "IDP_ADMIN__NETWORKS": f"{FORGED}/32",
    }  # fmt: skip
    found = [Node(folder, **shared) for _ in range(2)]
    for node in found:
        start(node)
    yield found
    for node in found:
        node.stop()


def start(node: Node) -> "subprocess.Popen[bytes]":
    process = node.start("serve", "--port", str(node.port), "--threads", "8")
    until(lambda: get(f"http://127.0.0.1:{node.port}/healthz/ready")[0] == 200, "the node is ready")
    return process


@pytest.fixture(scope="module")
def proxy(nodes: list[Node], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """Start nginx with the shipped file; only names of machines, ports and folders are this machine's."""
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "tls").mkdir()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME},DNS:elsewhere.example",
         "-keyout", folder / "tls" / "privkey.pem", "-out", folder / "tls" / "fullchain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    tls, clear = free_port(), free_port()
    conf = (DEPLOY / "nginx" / "sesame.conf").read_text(encoding="utf-8")
    for pattern, here in (
        (r"/etc/nginx/tls", f"{folder}/tls"), (r"/etc/nginx/pages", f"{DEPLOY}/nginx/pages"),
        (r"/var/log/nginx", f"{folder}"), (r"listen 443", f"listen 127.0.0.1:{tls}"),
        (r"listen 80\b", f"listen 127.0.0.1:{clear}"), (r"web-1:8000", f"127.0.0.1:{nodes[0].port}"),
        (r"web-2:8000", f"127.0.0.1:{nodes[1].port}"),
    ):  # fmt: skip
        conf, times = re.subn(pattern, here, conf)
        assert times, f"{pattern} is not in the file any more"
    (folder / "sesame.conf").write_text(conf)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/pid; error_log {folder}/error.log; events {{}}\n"
        f"http {{ {temporary} include {folder}/sesame.conf; }}\n"
    )
    server = subprocess.Popen(["nginx", "-c", folder / "nginx.conf"], stderr=subprocess.PIPE)
    trusted = ssl.create_default_context(cafile=str(folder / "tls" / "fullchain.pem"))
    trusted.check_hostname = False
    found = Proxy(tls, clear, folder, trusted)
    until(lambda: _listens(tls) or server.poll() is not None, "nginx listens")
    assert server.poll() is None, server.stderr.read() if server.stderr else ""
    yield found
    server.terminate()
    server.wait(20)
    if server.stderr:
        server.stderr.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_metadata_come_through_under_the_public_name(proxy: Proxy) -> None:
    status, headers, body = proxy.ask("/.well-known/openid-configuration")

    assert status == 200
    assert f'"issuer":"https://{NAME}"' in body.replace(" ", "")
    assert headers["strict-transport-security"].startswith("max-age=31536000")
    assert "nginx/" not in headers["server"], "no version banner"


def test_only_the_known_name_is_answered_ac_155(proxy: Proxy) -> None:
    assert proxy.ask("/", host="evil.example")[0] == 421
    assert proxy.ask("/", host=f"{NAME}.evil.example")[0] == 421
    assert proxy.ask_in_the_clear("/", host="evil.example")[0] == 421
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        proxy.ask("/", sni="evil.example")


def test_in_the_clear_nothing_is_answered_but_the_way_to_tls(proxy: Proxy) -> None:
    status, headers, _ = proxy.ask_in_the_clear("/authorize?client_id=x")

    assert (status, headers["location"]) == (301, f"https://{NAME}/authorize?client_id=x")
    assert proxy.ask_in_the_clear("/token", method="POST")[0] == 405


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_of_today(proxy: Proxy, version: ssl.TLSVersion) -> None:
    offered = ssl.create_default_context(cafile=str(proxy.folder / "tls" / "fullchain.pem"))
    offered.minimum_version = offered.maximum_version = version
    plain = socket.create_connection(("127.0.0.1", proxy.tls))
    with plain, offered.wrap_socket(plain, server_hostname=NAME) as secured:
        cipher = secured.cipher()

    assert cipher is not None
    assert re.match(r"TLS_(AES|CHACHA)|ECDHE-.*(GCM|POLY1305)", cipher[0])


def test_tls_without_forward_secrecy_is_refused(proxy: Proxy) -> None:
    weak = ssl.create_default_context(cafile=str(proxy.folder / "tls" / "fullchain.pem"))
    weak.maximum_version = ssl.TLSVersion.TLSv1_2
    weak.set_ciphers("AES256-GCM-SHA384:AES128-SHA")
    with socket.create_connection(("127.0.0.1", proxy.tls)) as plain, pytest.raises(ssl.SSLError):
        weak.wrap_socket(plain, server_hostname=NAME)


@pytest.mark.parametrize(
    "name",
    [
        "X-Forwarded-For",
        "X_Forwarded_For",
        "X_FORWARDED-FOR",
        "Forwarded",
        "X-Real-IP",
        "X-Forwarded-Host",
        "X_Forwarded_Host",
    ],
)
def test_nobody_says_himself_where_he_comes_from_ac_155(proxy: Proxy, name: str) -> None:
    # `/admin` answers that address alone: whoever could write it would be let in.
    written = {"Forwarded": f"for={FORGED}", "X-Forwarded-Host": "evil.example", "X_Forwarded_Host": "evil.example"}

    status, headers, body = proxy.ask("/admin", headers={name: written.get(name, FORGED)})

    assert status == 404
    assert "evil.example" not in body + str(headers)


def test_the_address_that_the_proxy_sees_is_the_one_that_counts(nodes: list[Node]) -> None:
    """What the test above proves only if the setting works: from the node's side, that address is let in."""
    answer = http.client.HTTPConnection("127.0.0.1", nodes[0].port, timeout=30)
    told = {"Host": NAME, "X-Forwarded-For": FORGED, "X-Forwarded-Proto": "https", "X-Forwarded-Host": NAME}
    answer.request("GET", "/admin", headers=told)

    assert answer.getresponse().status == 303
    answer.close()


@pytest.mark.parametrize("path", ["/healthz/live", "/healthz/ready", "/metrics", "/.git/HEAD", "/.env"])
def test_what_is_for_the_inside_is_not_there_from_outside_ac_223(proxy: Proxy, path: str) -> None:
    assert proxy.ask(path)[0] == 404


def test_a_large_body_and_a_long_address_are_refused_at_the_door_ac_205(proxy: Proxy) -> None:
    assert proxy.ask("/token", method="POST", body="x" * (65 * 1024))[0] == 413
    assert proxy.ask("/authorize?x=" + "y" * (33 * 1024))[0] == 414


def test_the_log_of_the_proxy_has_paths_without_what_was_asked_ac_214(proxy: Proxy) -> None:
    proxy.ask("/authorize?login_hint=somebody&state=canary-of-the-log")

    log = until(lambda: (proxy.folder / "access.log").read_text(), "a line is written")
    assert '"path":"/authorize"' in log
    assert "canary-of-the-log" not in log


def test_machines_are_slowed_down_and_people_are_not(proxy: Proxy) -> None:
    twenty = Counter(proxy.ask("/help/code")[0] for _ in range(20))
    flood = Counter(proxy.ask("/signin/x/identify", method="POST", body="")[0] for _ in range(60))
    tokens = Counter(proxy.ask("/token", method="POST", body="grant_type=x")[0] for _ in range(60))

    assert twenty.keys() <= {200, 404}
    assert flood[429] > 0
    assert tokens == {401: 60}, "services come from few addresses: Sésame counts them itself"


def test_nodes_are_replaced_one_after_the_other_without_a_failed_request_rc_27(proxy: Proxy, nodes: list[Node]) -> None:
    """Twenty requests a second, half of them posted, while each node is stopped and started again."""
    seen: list[tuple[str, int]] = []
    stop = threading.Event()

    def visit(method: str, path: str, body: str | None) -> None:
        while not stop.is_set():
            try:
                status, *_ = proxy.ask(path, method=method, body=body)
            except OSError as fault:
                seen.append((f"{method} {type(fault).__name__}", 0))
            else:
                seen.append((method, status))
            time.sleep(0.1)

    threads = [
        threading.Thread(target=visit, args=args)
        for args in (("GET", "/jwks.json", None), ("POST", "/token", "grant_type=x"))
    ]
    for thread in threads:
        thread.start()
    for node in nodes:
        _wait_for_more(seen)
        running = node.processes[-1]
        running.terminate()
        running.wait(40)
        start(node)
    _wait_for_more(seen)
    stop.set()
    for thread in threads:
        thread.join()

    print(Counter(seen), (proxy.folder / "error.log").read_text()[-2000:])
    assert Counter(seen).keys() == {("GET", 200), ("POST", 401)}


def _wait_for_more(seen: list[tuple[str, int]]) -> None:
    before = len(seen)
    # Two seconds and more: longer than the proxy leaves a node alone that had refused.
    until(lambda: len(seen) > before + 40, "requests go on")


def test_without_a_node_people_read_a_page_and_programs_an_error(proxy: Proxy, nodes: list[Node]) -> None:
    for node in nodes:
        node.stop()
        node.processes.clear()

    status, headers, body = proxy.ask("/signin/x/identify")
    machine, _, error = proxy.ask("/token", method="POST", body="grant_type=x")

    assert (status, headers["retry-after"], headers["cache-control"]) == (503, "30", "no-store")
    assert "Attendez une minute" in body
    assert (machine, error) == (503, '{"error":"temporarily_unavailable"}')
