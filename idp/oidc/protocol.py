"""The shape of a machine-facing endpoint (R21): a plain function from a `ProtocolRequest` to a `ProtocolResponse`."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from pydantic_core import to_json

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
# RFC 8707 §2, RFC 8693 §2.1: these alone "MAY" be sent more than once.
REPEATABLE = frozenset({"resource", "audience"})


@dataclass(frozen=True, slots=True)
class ProtocolRequest:
    """A request as an endpoint needs it: header names in lower case, each form field once but for `REPEATABLE`."""

    method: str
    path: str
    headers: Mapping[str, str]
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    # Every value of the fields that may be repeated.
    many: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    json: Mapping[str, Any] | None = None
    address: str = "unknown"
    # The certificate that the client showed to our proxy, as PEM (RFC 8705).
    client_certificate: str | None = None


@dataclass(frozen=True, slots=True)
class ProtocolResponse:
    """An answer: status, body and headers."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Document:
    """What is published as it is, put into bytes once, with its name for caches."""

    body: bytes
    headers: Mapping[str, str]


def publish(tree: Any, *, max_age: timedelta) -> Document:
    """Return a document that is JSON, and may be kept for ``max_age``."""
    body = to_json(tree)
    headers = {
        "Content-Type": "application/json",
        "Cache-Control": f"public, max-age={int(max_age.total_seconds())}",
        "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
    }
    return Document(body, headers)


def json_response(status: int, content: Any, headers: Mapping[str, str] = NO_STORE) -> ProtocolResponse:
    """Return ``content`` as JSON that nobody keeps."""
    return ProtocolResponse(status, to_json(content), {"Content-Type": "application/json", **headers})
