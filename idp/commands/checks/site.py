"""What others see at the issuer's address: its certificate, and the documents that phones look for there."""

import json
import socket
import ssl
from datetime import timedelta
from urllib.parse import urlsplit

from flask import current_app

from idp import clock
from idp.commands.checks import Finding, failure, ok, skipped, warning
from idp.settings import settings

_PATIENCE = 5.0
# RC-42.
_SOON, _VERY_SOON = timedelta(days=30), timedelta(days=7)
_DOCUMENTS = (
    "/.well-known/openid-configuration",
    "/.well-known/apple-app-site-association",
    "/.well-known/assetlinks.json",
    "/.well-known/webauthn",
)


def check_certificate() -> list[Finding]:
    """Connect to the issuer as a browser would, and see for how long that will go well."""
    if not settings.has_tls:
        return [skipped("the issuer is this machine only, without TLS")]
    try:
        with _connect() as line:
            ends = ssl.cert_time_to_seconds(str((line.getpeercert() or {})["notAfter"]))
            version = line.version()
    except ssl.SSLCertVerificationError as fault:
        return [failure(f"the certificate is not good for {settings.issuer_host}: {fault.verify_message}", "renew it")]
    except OSError as fault:
        return [_unreachable(fault)]
    left = timedelta(seconds=ends - clock.now().timestamp())
    if left < _SOON:
        how = failure if left < _VERY_SOON else warning
        return [how(f"the certificate ends in {left.days} days", "renew it, and see why that did not happen by itself")]
    return [ok(f"the certificate is good for {left.days} days ({version})")]


def check_documents() -> list[Finding]:
    """Compare what is served at the issuer's address with what we would serve: proxies leave some of it out."""
    if not settings.has_tls:
        return [skipped("nobody fetches documents from this machine")]
    here = current_app.test_client()
    wanted = {path: here.get(path, base_url=settings.issuer).json for path in _DOCUMENTS
              if here.get(path, base_url=settings.issuer).status_code == 200}  # fmt: skip
    found = []
    for path, document in wanted.items():
        try:
            status, served = _get(path)
        except OSError as fault:
            return [
                failure(f"{settings.issuer} cannot be reached ({type(fault).__name__})", "see DNS, proxy, firewall")
            ]
        if status != 200 or served != document:
            found.append(
                failure(f"{path} is not what we serve (status {status})", "let the proxy hand it on, unchanged")
            )
    return found or [ok(f"{len(wanted)} documents are served as they are")]


def _unreachable(fault: OSError) -> Finding:
    return failure(f"{settings.issuer} cannot be reached ({type(fault).__name__})", "see DNS, proxy, firewall")


def _connect() -> ssl.SSLSocket:
    parts = urlsplit(settings.issuer)
    host = parts.hostname or ""
    plain = socket.create_connection((host, parts.port or 443), timeout=_PATIENCE)
    try:
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


def _get(path: str) -> tuple[int, object]:
    """Return status and JSON; redirects are not followed: Apple and Google do not either."""
    with _connect() as line:
        host = urlsplit(settings.issuer).netloc
        line.sendall(f"GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\n\r\n".encode())
        raw = b"".join(iter(lambda: line.recv(65_536), b""))
    head, _, body = raw.partition(b"\r\n\r\n")
    try:
        return int(head.split(b" ", 2)[1]), json.loads(body)
    except (ValueError, IndexError):
        return 0, None
