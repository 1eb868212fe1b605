"""How a document is fetched from a stranger's server: the only place that calls addresses of strangers (SSRF).

Relying parties tell us URLs: `jwks_uri`, `sector_identifier_uri`, `request_uri`, `backchannel_logout_uri`, `logo_uri`,
`security_events_uri`.
None of them may make us speak to our own network. The name is looked up once, every address that it has must be public,
and we connect to an address that was checked, never to the name again (DNS rebinding). Redirects are not followed,
proxies and cookies are not used, and one deadline ends everything, however slowly the other side drips.

This is the standard library's HTTP on a socket of our own: of a larger library we would switch off all but that.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from urllib.parse import SplitResult, urlencode, urlsplit

from idp import logs, metrics
from idp.addresses import is_reachable
from idp.settings import settings

# Status line and header fields; the body has its own limit.
_LONGEST_HEAD = 16 * 1024
_LONGEST_URL = 2000
# Looking a name up knows no deadline of its own, so it is done beside us; four lookups that hang stop no fifth thread.
_lookups = ThreadPoolExecutor(max_workers=4, thread_name_prefix="lookup")
_FAILURES = (OSError, http.client.HTTPException, ValueError)
Resolver = Callable[[str, int], Sequence[str]]
log = logs.get_logger()


class FetchFault(Exception):
    """Nothing usable was fetched; ``reason`` is for the log: told to a stranger, it would map our network."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Fetched:
    """What the other side answered, whatever its status; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def look_up(host: str, port: int) -> list[str]:
    """Return every address of ``host``."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def fetch(
    url: str,
    *,
    method: str = "GET",
    form: Mapping[str, str] | None = None,
    body: tuple[str, bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 5.0,
    limit: int = 65_536,
    accept: str = "application/json",
    resolve: Resolver = look_up,
) -> Fetched:
    """Fetch ``url`` within ``timeout`` seconds in all and at most ``limit`` bytes, or raise `FetchFault`.

    ``body`` is a media type with its bytes, instead of a ``form``. A redirect is returned as it is; the caller judges
    the status. End the transaction first (`db.release`).
    """
    deadline = _Deadline(timeout)
    try:
        parts = _read_url(url)
        addresses = _find_addresses(parts, deadline, resolve)
        stream = _connect(parts, addresses, deadline, limit + _LONGEST_HEAD)
        try:
            answer = _exchange(
                stream, parts, method, body or _encoded(form), {**(headers or {}), "Accept": accept}, limit
            )
        finally:
            stream.hang_up()
    except FetchFault as fault:
        _count(url, fault.reason)
        raise
    except _FAILURES as fault:
        reason = "took too long" if isinstance(fault, TimeoutError) else f"failed: {type(fault).__name__}"
        _count(url, reason)
        raise FetchFault(reason) from fault
    metrics.FETCH.labels("answered").inc()
    return answer


def _count(url: str, reason: str) -> None:
    metrics.FETCH.labels("failed").inc()
    log.info("fetch-failed", host=_host_for_log(url), reason=reason)


def _host_for_log(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


class _Deadline:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds that are left; raises `TimeoutError` when none are."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left


def _read_url(url: str) -> SplitResult:
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise FetchFault("is not a URL")
    parts = urlsplit(url)
    if parts.scheme not in ({"https", "http"} if settings.is_loopback else {"https"}):
        raise FetchFault("is not https")
    if not parts.hostname or "@" in parts.netloc or parts.port == 0:
        raise FetchFault("has no host, or has a user name, or has port 0")
    return parts


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _find_addresses(parts: SplitResult, deadline: _Deadline, resolve: Resolver) -> list[str]:
    """Look the name up once; one address that is not public condemns the name."""
    looking = _lookups.submit(resolve, cast(str, parts.hostname), _port(parts))
    try:
        found = list(dict.fromkeys(looking.result(deadline.left())))
    finally:
        looking.cancel()
    networks = settings.fetch.networks
    if not found or not all(is_reachable(one, allowed=networks, loopback=settings.is_loopback) for one in found):
        raise FetchFault("leads to an address that is not public")
    return found


def _connect(parts: SplitResult, addresses: Sequence[str], deadline: _Deadline, limit: int) -> "_Stream":
    """Connect to the first address that answers, and prove over TLS that it has the name that was asked."""
    failure: OSError = OSError("no address")
    for address in addresses:
        try:
            plain = socket.create_connection((address, _port(parts)), deadline.left())
            break
        except OSError as fault:
            failure = fault
    else:
        raise failure
    if parts.scheme == "http":
        return _Stream(plain, deadline, limit)
    try:
        plain.settimeout(deadline.left())
        name = cast(str, parts.hostname).rstrip(".")
        return _Stream(_tls(settings.fetch.ca_file).wrap_socket(plain, server_hostname=name), deadline, limit)
    except BaseException:
        plain.close()
        raise


@lru_cache(maxsize=8)
def _tls(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    context.set_alpn_protocols(["http/1.1"])
    return context


class _Stream(io.RawIOBase):
    """A socket whose every read and write ends at one deadline, and that reads no more than was agreed."""

    def __init__(self, sock: socket.socket, deadline: _Deadline, limit: int) -> None:
        self._sock, self._deadline, self._left = sock, deadline, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.left())
        read = self._sock.recv_into(buffer)
        self._left -= read
        if self._left < 0:
            raise FetchFault("is too large")
        return read

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Be the file that http.client reads the answer from."""
        return io.BufferedReader(self)

    def close(self) -> None:
        """Stay open: http.client closes its end as soon as it read `Connection: close`, before it reads the body."""

    def hang_up(self) -> None:
        self._sock.close()


def _encoded(form: Mapping[str, str] | None) -> tuple[str, bytes] | None:
    return None if form is None else ("application/x-www-form-urlencoded", urlencode(form).encode())


def _exchange(
    stream: _Stream,
    parts: SplitResult,
    method: str,
    body: tuple[str, bytes] | None,
    headers: Mapping[str, str],
    limit: int,
) -> Fetched:
    # The fragment stays here: RFC 9110 §7.1, and OpenID Connect Core §6.2 puts a hash into it.
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    sent = {**headers, "Host": parts.netloc, "Accept-Encoding": "identity", "Connection": "close"}
    sent.setdefault("User-Agent", "Sesame")
    if body is not None:
        sent["Content-Type"] = body[0]
    connection = http.client.HTTPConnection(cast(str, parts.hostname), _port(parts))
    connection.sock = cast(Any, stream)
    connection.request(method, target, body and body[1], sent)
    answer = connection.getresponse()
    told = {name.lower(): value for name, value in answer.getheaders()}
    if told.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        # What was asked for in the clear and comes compressed may be a bomb; nothing here inflates anything.
        raise FetchFault("is compressed")
    if told.get("transfer-encoding", "chunked").strip().lower() != "chunked":
        raise FetchFault("has a transfer coding that was not asked for")
    content = answer.read(limit + 1)
    if len(content) > limit:
        raise FetchFault("is too large")
    if (answer.length or 0) > 0:
        raise FetchFault("ended before its end")
    return Fetched(answer.status, told, content)
