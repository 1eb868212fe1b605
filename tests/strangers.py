"""Servers of other people: real listeners on loopback, with TLS under a certificate authority made for the test."""

import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

NAMES = ("rp.test", "other.test", "localhost")


class Authority:
    """A certificate authority, and one certificate of its for ``NAMES`` and 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        self.ca_file, self.chain_file = folder / "ca.pem", folder / "chain.pem"
        root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test CA")])
        ca = _sign(root, root, root_key, root_key, x509.BasicConstraints(ca=True, path_length=0))
        names = x509.SubjectAlternativeName(
            [*(x509.DNSName(name) for name in NAMES), x509.IPAddress(ip_address("127.0.0.1"))]
        )
        leaf = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "rp.test")])
        certificate = _sign(leaf, root, key, root_key, names)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.ca_file.write_bytes(ca.public_bytes(Encoding.PEM))
        self.chain_file.write_bytes(private + certificate.public_bytes(Encoding.PEM))


def _sign(subject: x509.Name, issuer: x509.Name, key: Any, signer: Any, extension: Any) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    builder = builder.not_valid_after(now + timedelta(days=2)).add_extension(extension, critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    return builder.add_extension(authority, critical=False).sign(signer, hashes.SHA256())


Answer = Callable[[BaseHTTPRequestHandler], None]


class Stranger:
    """A web server whose pages are functions; ``seen`` holds what was asked of it."""

    def __init__(self, authority: Authority | None = None) -> None:
        self.pages: dict[str, Answer] = {}
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.released = threading.Event()
        stranger = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except (ConnectionError, ssl.SSLError, TimeoutError):
                    self.close_connection = True

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                stranger.seen.append((self.command, self.path, dict(self.headers.items()), body))
                page = stranger.pages.get(self.path.partition("?")[0])
                page(self) if page else self.send_error(404)

            do_POST = do_GET  # noqa: N815 - the name that http.server calls

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        if authority is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority.chain_file)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port: int = self.server.server_address[1]
        self.url = f"{'https' if authority else 'http'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


def says(body: bytes | str, *, status: int = 200, kind: str = "application/json", **headers: str) -> Answer:
    """Return a page that answers ``body``; ``Cache_Control=…`` becomes a header."""
    content = body.encode() if isinstance(body, str) else body

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def drips(raw: bytes, released: threading.Event, pause: float = 0.05) -> Answer:
    """Return a page that writes ``raw`` byte by byte, until it is released."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        for byte in raw:
            if released.wait(pause):
                return
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()

    return answer


def sends(raw: bytes) -> Answer:
    """Return a page that writes ``raw`` as its whole answer, head and all."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.write(raw)

    return answer
