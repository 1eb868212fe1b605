"""JSON from strangers, as I-JSON (RFC 7493) wants it, of bounded size and depth; anything else is a `ValueError`.

Every name once, no NaN, numbers that a float can hold, text that is Unicode and has no NUL: so that no comparison and
no store stumbles over a value later.
"""

import json
import math
from typing import Any

_LARGEST = 2**53


def parse_json(text: str, *, longest: int, deepest: int) -> Any:
    """Return what ``text`` says, or raise `ValueError` with a reason that quotes nothing of it (AC-118)."""
    if len(text) > longest or _depth(text) > deepest:
        raise ValueError("too large or too deep")
    try:
        tree = json.loads(
            text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_int=_int, parse_float=_float
        )
    except RecursionError as fault:
        raise ValueError("too deep") from fault
    if "\\u" in text:
        _check_text(json.dumps(tree, ensure_ascii=False))
    return tree


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a name twice")
    return tree


def _int(digits: str) -> int:
    """RFC 7493 §2.2: beyond ±2^53 two readers of one number may disagree."""
    number = int(digits) if len(digits) <= 17 else _LARGEST + 1
    if abs(number) > _LARGEST:
        raise ValueError("a number too large")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number too large")
    return number


def _check_text(text: str) -> None:
    """RFC 7493 §2.1: no lone surrogates; and no NUL, which databases refuse. Only an escape can smuggle one in."""
    if "\\u0000" in text:
        raise ValueError("NUL")
    # Raises UnicodeEncodeError, which is a ValueError.
    text.encode()


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(text: str) -> int:
    """Return how deep brackets nest at most, without parsing; brackets in strings only make it stricter."""
    deepest = depth = 0
    for char in text:
        depth += (char in "{[") - (char in "}]")
        deepest = max(deepest, depth)
    return deepest
