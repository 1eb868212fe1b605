"""The shape of a machine-facing endpoint (R21): a plain function from a `ProtocolRequest` to a `ProtocolResponse`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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


def json_response(status: int, content: Any, headers: Mapping[str, str] = NO_STORE) -> ProtocolResponse:
    """Return ``content`` as JSON that nobody keeps."""
    body = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    return ProtocolResponse(status, body, {"Content-Type": "application/json", **headers})
