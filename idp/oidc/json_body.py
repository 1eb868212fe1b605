"""What JSON a stranger may send: one object, flat enough, each name once, text that every store can keep (AC-207)."""

import json
from typing import Any

_DEEPEST = 8
_LONGEST_NUMBER = 32


class BadJson(ValueError):
    """The body is not the JSON that it should be; the message may be told."""


def read_object(raw: bytes) -> dict[str, Any]:
    """Return the object that ``raw`` is, or raise `BadJson`."""
    try:
        found = json.loads(
            raw.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_int=_number(int),
            parse_float=_number(float),
        )
    except BadJson:
        raise
    except (ValueError, RecursionError) as fault:
        raise BadJson("The body is not JSON.") from fault
    if not isinstance(found, dict):
        raise BadJson("The body is not a JSON object.")
    _check(found, _DEEPEST)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # RFC 8259 §4: what two of one name mean differs from parser to parser.
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("The body has a name twice.")
    return found


def _no_constant(name: str) -> None:
    raise BadJson(f"{name} is not JSON.")


def _number(kind: type[int] | type[float]) -> Any:
    def read(text: str) -> int | float:
        if len(text) > _LONGEST_NUMBER:
            raise BadJson("The body has a number that is too long.")
        return kind(text)

    return read


def _check(value: Any, depth: int) -> None:
    if isinstance(value, str) and ("\0" in value or not _is_unicode(value)):
        # PostgreSQL keeps neither in JSON.
        raise BadJson("The body has text with NUL or half a character.")
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        raise BadJson("The body has a number that is too large.")
    inner = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
    if inner and depth == 0:
        raise BadJson("The body is nested too deeply.")
    for one in inner:
        _check(one, depth - 1)


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
