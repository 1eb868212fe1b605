"""What the lane reads of a WSGI request: whether it is plain, its body, and the `ProtocolRequest` that it makes."""

import io
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, cast

from idp.guard import MAX_BODY
from idp.oidc.certificates import certificate_header
from idp.oidc.endpoints import FORM, Endpoint, read_form
from idp.oidc.protocol import ProtocolRequest
from idp.settings import Settings
from idp.web import address_unit, real_peer

Environ = dict[str, Any]


class Headers(Mapping[str, str]):
    """The header fields of a WSGI request by their names in lower case, looked up when asked for."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ

    def __getitem__(self, name: str) -> str:
        return cast(str, self._environ[_variable(name)])

    def get(self, name: str, default: Any = None) -> Any:
        """Return a field, or ``default``; the inherited way raises and catches."""
        return self._environ.get(_variable(name), default)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _variable(name) in self._environ

    def __iter__(self) -> Iterator[str]:
        return (name[5:].replace("_", "-").lower() for name in self._environ if name.startswith("HTTP_"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=256)
def _variable(name: str) -> str:
    variable = name.upper().replace("-", "_")
    return variable if variable in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{variable}"


def is_at_our_door(environ: Environ, ours: Settings) -> bool:
    """Tell whether a request is for our host, not below a path, and over TLS if the issuer is."""
    return (
        environ.get("HTTP_HOST") in ours.hosts
        and not environ.get("SCRIPT_NAME")
        and (environ["wsgi.url_scheme"] == "https" or not ours.has_tls)
    )


def is_plain(environ: Environ, endpoint: Endpoint) -> bool:
    """Tell whether a request is one of those that are all alike; `guard.py` and `endpoints.py` judge the others."""
    method = environ["REQUEST_METHOD"]
    if (
        method not in endpoint.methods
        or endpoint.takes != "form"
        or environ.get("QUERY_STRING")
        or "," in environ.get("HTTP_AUTHORIZATION", "")
    ):
        return False
    if method != "POST":
        return True
    length = environ.get("CONTENT_LENGTH", "")
    return (
        environ.get("CONTENT_TYPE", "").partition(";")[0].strip().lower() == FORM
        # Five digits at most, so that int() is cheap and cannot fail.
        and 0 < len(length) <= 5
        and length.isascii()
        and length.isdigit()
        and int(length) <= MAX_BODY
        and "HTTP_TRANSFER_ENCODING" not in environ
        and "HTTP_CONTENT_ENCODING" not in environ
    )


def read_body(environ: Environ) -> bytes | None:
    """Return the whole body; ``None`` if it ends too early, what there was of it being put back."""
    length = int(environ["CONTENT_LENGTH"])
    body: bytes = environ["wsgi.input"].read(length)
    if len(body) == length:
        return body
    environ["wsgi.input"] = io.BytesIO(body)
    return None


def as_request(environ: Environ, body: bytes, ours: Settings) -> ProtocolRequest:
    headers = Headers(environ)
    form, many = read_form(body) if body else ({}, {})
    return ProtocolRequest(
        method=environ["REQUEST_METHOD"],
        path=environ["PATH_INFO"],
        headers=headers,
        form=form,
        many=many,
        address=address_unit(environ.get("REMOTE_ADDR")),
        client_certificate=(
            certificate_header(headers, peer=real_peer(environ), mtls=ours.mtls) if ours.mtls.header else None
        ),
    )
