"""How a directory is reached by LDAP: few connections, verified TLS, every wait bounded, every silence `DirectoryAway`.

A lane is two connections to one server: one that the service account looks people up with, and one that tries their
passwords (RFC 4511 §4.2). Referrals are never followed: they would carry passwords to servers that nobody named.
"""

import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from ldap3 import NONE, SAFE_SYNC, SIMPLE, SUBTREE, Connection, Server, Tls
from ldap3.core.exceptions import LDAPException

from idp import logs
from idp.accounts.outside import DirectoryAway
from idp.settings import LdapSettings

T = TypeVar("T")

_SUCCESS: Final = 0
_SIZE_LIMIT: Final = 4
# What servers answer to a password that does not open an entry, whatever the reason: constraintViolation (locked),
# noSuchObject, invalidDNSyntax, inappropriateAuthentication (no password), invalidCredentials, unwillingToPerform
# (inactivated). They are one answer here, or it would tell who exists.
_REFUSALS: Final = frozenset({19, 32, 34, 48, 49, 53})

log = logs.get_logger()


@dataclass(frozen=True, repr=False, slots=True)
class Entry:
    """One entry that was found; attribute names in lower case."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]


class _VerifiedTls(Tls):  # type: ignore[misc]
    """TLS as `ssl.create_default_context` does it. The library's own sends no host name and checks it afterwards."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        super().__init__(validate=ssl.CERT_REQUIRED)
        self._context, self._host = context, host

    def wrap_socket(self, connection: Connection, do_handshake: bool = False) -> None:
        connection.socket = self._context.wrap_socket(
            connection.socket, server_hostname=self._host, do_handshake_on_connect=do_handshake
        )


class Lane:
    """Two open connections to one server, used by one thread at a time."""

    def __init__(self, settings: LdapSettings, url: str, context: ssl.SSLContext) -> None:
        self._settings, self.idle_since = settings, time.monotonic()
        self._opened: list[Connection] = []
        try:
            self._lookup = self._connect(url, context)
            self._login = self._connect(url, context)
            if settings.bind_dn and self._bind(self._lookup, settings.bind_dn, _service_password(settings)):
                raise DirectoryAway("the service account may not sign in")
        except BaseException:
            self.close()
            raise

    def search(self, condition: str, attributes: Sequence[str], limit: int) -> list[Entry]:
        """Return the entries below the base that fulfil ``condition``, at most ``limit``."""
        with _answering("search"):
            _status, result, response, _request = self._lookup.search(
                self._settings.base,
                condition,
                SUBTREE,
                attributes=list(attributes),
                size_limit=limit,
                time_limit=self._settings.timeout,
            )
        if result["result"] not in {_SUCCESS, _SIZE_LIMIT}:
            raise DirectoryAway(f"search: {result['description']}")
        return [_entry(found) for found in response if found["type"] == "searchResEntry"]

    def opens(self, dn: str, password: bytes) -> bool:
        """Tell whether ``password`` is that of the entry ``dn``."""
        # RFC 4513 §5.1.2: a name without a password, or no name, "succeeds" and has proved nothing.
        if not dn or not password:
            raise ValueError("a bind needs a name and a password")
        return not self._bind(self._login, dn, password)

    def close(self) -> None:
        """Close both connections."""
        for connection in self._opened:
            with suppress(LDAPException, OSError):
                connection.unbind()
            # What never was open has a socket too.
            if connection.socket is not None:
                connection.socket.close()

    def _connect(self, url: str, context: ssl.SSLContext) -> Connection:
        parts, settings = urlsplit(url), self._settings
        is_ldaps, host = parts.scheme == "ldaps", parts.hostname or ""
        with _answering("connect"):
            server = Server(
                host,
                parts.port or (636 if is_ldaps else 389),
                use_ssl=is_ldaps,
                tls=_VerifiedTls(context, host),
                get_info=NONE,
                connect_timeout=settings.connect_timeout,
            )
            connection = Connection(
                server,
                authentication=SIMPLE,
                user="nobody",
                password="-",  # noqa: S106 - never sent: only `rebind` binds
                client_strategy=SAFE_SYNC,
                auto_referrals=False,
                auto_range=False,
                check_names=False,
                return_empty_attributes=False,
                receive_timeout=settings.timeout,
            )
            self._opened.append(connection)
            connection.open(read_server_info=False)
            if parts.scheme == "ldap+starttls":
                connection.start_tls(read_server_info=False)
        return connection

    def _bind(self, connection: Connection, dn: str, password: bytes) -> bool:
        """Try a password and return whether it was refused."""
        with _answering("bind"):
            _status, result, _response, _request = connection.rebind(dn, password, SIMPLE, read_server_info=False)
            connection.password = None
        if result["result"] not in {_SUCCESS, *_REFUSALS}:
            raise DirectoryAway(f"bind: {result['description']}")
        return bool(result["result"] != _SUCCESS)


class LanePool:
    """At most so many lanes; the server that answered last is asked first."""

    def __init__(self, settings: LdapSettings) -> None:
        self._settings = settings
        self._context = ssl.create_default_context(cafile=settings.ca_file)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._free = threading.BoundedSemaphore(settings.connections)
        self._lock = threading.Lock()
        self._idle: list[Lane] = []
        self._preferred = 0

    def run(self, act: Callable[[Lane], T]) -> T:
        """Do something in a lane; what an idle connection cannot do any more is done again in a new one."""
        if not self._free.acquire(timeout=self._settings.timeout):
            raise DirectoryAway("every lane is taken")
        try:
            lane = self._take_idle()
            if lane is not None:
                with suppress(DirectoryAway):
                    return self._use(lane, act)
            return self._use(self._open(), act)
        finally:
            self._free.release()

    def close(self) -> None:
        """Close what is idle."""
        while (lane := self._take_idle()) is not None:
            lane.close()

    def _use(self, lane: Lane, act: Callable[[Lane], T]) -> T:
        try:
            result = act(lane)
        except BaseException:
            lane.close()
            raise
        lane.idle_since = time.monotonic()
        with self._lock:
            self._idle.append(lane)
        return result

    def _take_idle(self) -> Lane | None:
        """Return the lane that was used last, closing those that were not used for long."""
        oldest = time.monotonic() - self._settings.idle.total_seconds()
        with self._lock:
            stale = [lane for lane in self._idle if lane.idle_since < oldest]
            self._idle = [lane for lane in self._idle if lane.idle_since >= oldest]
            lane = self._idle.pop() if self._idle else None
        for old in stale:
            old.close()
        return lane

    def _open(self) -> Lane:
        urls, first = self._settings.urls, self._preferred
        for number in (*range(first, len(urls)), *range(first)):
            try:
                lane = Lane(self._settings, urls[number], self._context)
            except DirectoryAway as fault:
                log.warning("directory-server-away", server=number, detail=str(fault))
                continue
            self._preferred = number
            return lane
        raise DirectoryAway("no server answers")


@contextmanager
def _answering(act: str) -> Iterator[None]:
    """Turn what goes wrong on the way into `DirectoryAway`; never the library's words, which quote what was sent."""
    try:
        yield
    # TypeError: the library's own slip when a server hangs up in the middle of an answer.
    except (LDAPException, OSError, TypeError) as fault:
        raise DirectoryAway(f"{act}: {type(fault).__name__}") from None


def _entry(found: Mapping[str, Any]) -> Entry:
    return Entry(found["dn"], {name.lower(): list(values) for name, values in found["raw_attributes"].items()})


def _service_password(settings: LdapSettings) -> bytes:
    return settings.bind_password.get_secret_value().encode()
