"""Which requests the provider answers when it stands in front of another application, on the same host.

It is an application of its own all the same (ADR 13): its headers, errors, session, database and languages are not the
other's, and the other's are not its own.
"""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException, NotFound
from werkzeug.wrappers import Request

from idp import logs

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# The front page is the other application's.
NOT_OURS = frozenset({"/"})

log = logs.get_logger()


def in_front_of(provider: Flask, other: Flask) -> Wsgi:
    """Return a WSGI application that asks ``provider`` where an address is one of its own, else ``other``."""
    behind, looked = other.wsgi_app, False

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        nonlocal looked
        if not looked:
            # Not before: pages may be added after the provider was mounted.
            looked = True
            for rule in find_hidden(provider, other):
                log.warning("page-hidden-by-sesame", rule=rule)
        return (provider if is_ours(provider, environ) else behind)(environ, start_response)

    return answer


def is_ours(provider: Flask, environ: dict[str, Any]) -> bool:
    """Tell whether an address is one of the provider's, whatever the method: a wrong one is a 405 of ours."""
    # An issuer has no path, so the provider answers at the root or nowhere.
    if environ.get("SCRIPT_NAME"):
        return False
    return _matches(provider, Request(environ).path)


def find_hidden(provider: Flask, other: Flask) -> list[str]:
    """Return the pages of ``other`` that nobody sees, because the provider has one at the same address."""
    fixed = [rule.rule for rule in other.url_map.iter_rules() if not rule.arguments]
    return sorted({path for path in fixed if _matches(provider, path)})


def _matches(provider: Flask, path: str) -> bool:
    if path in NOT_OURS:
        return False
    try:
        provider.url_map.bind("localhost").match(path, method="GET")
    except NotFound:
        return False
    except HTTPException:
        # Another method, or a slash to be added.
        return True
    return True
