"""JSON from strangers: of bounded size and depth, every name once, no NaN; anything else is a `ValueError`."""

import json
from typing import Any


def parse_json(text: str, *, longest: int, deepest: int) -> Any:
    """Return what ``text`` says, or raise `ValueError` with a reason that quotes nothing of it (AC-118)."""
    if len(text) > longest or _depth(text) > deepest:
        raise ValueError("too large or too deep")
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except RecursionError as fault:
        raise ValueError("too deep") from fault


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("a name twice")
    return tree


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(text: str) -> int:
    """Return how deep brackets nest at most, without parsing; brackets in strings only make it stricter."""
    deepest = depth = 0
    for char in text:
        depth += (char in "{[") - (char in "}]")
        deepest = max(deepest, depth)
    return deepest
