"""Which redirect URIs may be registered, and which a request may use: the same string, but a loopback port."""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

_LONGEST = 2000
_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_REVERSE_DOMAIN = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+")
_UNSAFE = frozenset({"javascript", "data", "vbscript", "file", "intent", "blob", "about"})


def fault_of(uri: str, *, kind: str, is_production: bool) -> str | None:
    """Return why ``uri`` cannot be a redirect URI of a client of this ``kind``, or ``None`` if it can (AC-196)."""
    if not uri or uri != uri.strip() or not uri.isascii() or not uri.isprintable() or " " in uri:
        return "has spaces, control or non-ASCII characters; write an international host as punycode (xn--)"
    if len(uri) > _LONGEST:
        return f"is longer than {_LONGEST} characters"
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return "is not a URI"
    for bad, why in (
        ("#" in uri, "has a fragment (RFC 6749 3.1.2)"),
        ("*" in uri, "has a wildcard; register each address"),
        ("\\" in uri, "has a backslash"),
        (parts.scheme.lower() in _UNSAFE, f"has the scheme {parts.scheme}, which browsers execute"),
        ("@" in parts.netloc, "has user information before the host"),
        (_climbs(parts), "has a path with .. or an encoded slash"),
        (port == 0, "has port 0"),
    ):
        if bad:
            return why
    if parts.scheme in {"http", "https"}:
        return _web_fault(parts, kind, is_production)
    if kind != "mobile":
        return "must be https"
    return None if _REVERSE_DOMAIN.fullmatch(parts.scheme) else "has a private scheme that is no reversed domain name"


def _web_fault(parts: SplitResult, kind: str, is_production: bool) -> str | None:
    host = parts.hostname
    if not host:
        return "has no host"
    if host in _LOOPBACK:
        return (
            "is https on a loopback address; use http"
            if parts.scheme == "https"
            else _loopback_fault(kind, is_production)
        )
    if host == "localhost":
        return "names localhost; use http://127.0.0.1 (RFC 8252 8.3)" if is_production else None
    if parts.scheme == "http":
        return "must be https"
    try:
        ip_address(host)
    except ValueError:
        return None if "." in host else "has a host without a domain"
    return "has an IP address for a host"


def _loopback_fault(kind: str, is_production: bool) -> str | None:
    return (
        "is a loopback address, which only a mobile or desktop app may use"
        if is_production and kind != "mobile"
        else None
    )


def matches(registered: tuple[str, ...], asked: str, *, kind: str) -> bool:
    """Tell whether ``asked`` is registered, character by character; an app's loopback port is free (RFC 8252 7.3)."""
    if asked in registered:
        return True
    portless = _without_port(asked) if kind == "mobile" else None
    return portless is not None and any(_without_port(uri) == portless for uri in registered)


def _without_port(uri: str) -> str | None:
    """Return a loopback URI with its port cut out; ``None`` for any other URI."""
    found = re.fullmatch(r"http://(127\.0\.0\.1|\[::1\])(?::\d{1,5})?((?:/[^\s#\\]*)?)", uri)
    return f"http://{found[1]}{found[2]}" if found else None


def _climbs(parts: SplitResult) -> bool:
    path = parts.path.lower()
    return any(part in {"..", "."} for part in path.split("/")) or "%2f" in path or "%2e" in path or "%5c" in path
