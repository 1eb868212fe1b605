"""How the worker calls an operator's HTTP interface: the only place that uses httpx.

The addresses are the administrator's, not a stranger's (`idp/fetch.py` is for those). Redirects are not followed: they
would carry the key elsewhere. Nothing of a request is ever logged: some operators want the secret in the address.
"""

import json
import logging
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from idp.messages.relays import is_loopback
from idp.messages.transport import AnswerClass

_LONGEST_ANSWER = 64 * 1024
# It writes every URL at INFO.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class HttpFault(Exception):
    """No answer was had; ``answer_class`` says why in the words of transports."""

    def __init__(self, answer_class: AnswerClass) -> None:
        super().__init__(answer_class)
        self.answer_class: AnswerClass = answer_class


class BadGatewayUrl(Exception):
    """The URL of a gateway cannot be used; the message never quotes it."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the other side answered, whatever its status; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON, or ``None``."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


def check_url(url: str, name: str) -> str:
    """Return ``url`` without a slash at its end, or raise `BadGatewayUrl`: https, or http on this machine."""
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    if not is_safe or not parts.hostname or "@" in parts.netloc:
        raise BadGatewayUrl(f"{name} is an https:// URL without a user name")
    return url.rstrip("/")


class HttpClient:
    """Calls one operator over connections that are kept; used from one event loop."""

    def __init__(self, *, timeout: float, ca_file: Path | None) -> None:
        # Here and below, not above: a process that serves knows the gateways and calls none of them.
        import httpx

        tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        # No proxy and no .netrc of the environment; nothing inflates an answer.
        self._client = httpx.AsyncClient(
            verify=tls,
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "Sesame", "Accept": "application/json", "Accept-Encoding": "identity"},
        )

    async def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Reply:
        """Send one request and return the answer, or raise `HttpFault`."""
        import httpx

        try:
            async with self._client.stream(method, url, headers=dict(headers or {}), content=body) as answer:
                content = b""
                async for piece in answer.aiter_raw():
                    content += piece
                    if len(content) > _LONGEST_ANSWER:
                        raise HttpFault("unreachable")
                return Reply(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, content)
        except httpx.TimeoutException:
            # `from None`: httpx's errors hold the request, and that the secret.
            raise HttpFault("timeout") from None
        except httpx.ConnectError as fault:
            raise HttpFault("tls" if _is_tls(fault) else "unreachable") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError):
            raise HttpFault("unreachable") from None

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()


def _is_tls(fault: BaseException | None) -> bool:
    while fault is not None:
        if isinstance(fault, ssl.SSLError):
            return True
        fault = fault.__cause__ or fault.__context__
    return False
