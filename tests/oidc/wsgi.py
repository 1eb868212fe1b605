"""A request as a server would hand it to the application, without a test client between."""

import io
from collections.abc import Callable
from typing import Any

FORM = "application/x-www-form-urlencoded"
HOST = {"HTTP_HOST": "idp.test", "wsgi.url_scheme": "https", "SERVER_PORT": "443"}


def ask(wsgi: Callable[..., Any], method: str, path: str, body: bytes | None = None, **changes: Any) -> tuple[Any, ...]:
    """Send one request to a WSGI application; return status, header lines in their order, and body."""
    path, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "SCRIPT_NAME": "",
        "SERVER_NAME": "idp.test", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "192.0.2.7",
        "wsgi.input": io.BytesIO(body or b""), **HOST,
    }  # fmt: skip
    if body is not None:
        environ |= {"CONTENT_TYPE": FORM, "CONTENT_LENGTH": str(len(body))}
    environ = {name: value for name, value in {**environ, **changes}.items() if value is not None}
    told: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], _fault: Any = None) -> None:
        told[:] = [status, headers]

    answer = wsgi(environ, start_response)
    content = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return (told[0], told[1], content)
