"""Every error that the code can answer is documented, and nothing that cannot happen."""

import ast
from collections.abc import Iterator
from pathlib import Path

from idp.developers.errors import ERRORS, PAGES
from tests.conftest import Browser

IDP = Path(__file__).parents[2] / "idp"
# Calls whose `code` is the word of a page, not an OAuth error.
PAGE_CALLS = {"PageError", "bad_link", "page"}
NAMES = {"code", "error", "error_after_walk"}
# Told by APIs that ask for a better sign-in (RFC 9470), not by the provider itself.
OF_APIS = {"insufficient_user_authentication"}
# Told by endpoints that are under way; an entry is struck from here when its code comes.
COMING = {
    "unsupported_token_type",
}


def _constants(tree: ast.Module) -> dict[str, str]:
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _codes(path: Path, known: dict[str, str]) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    known = {**known, **_constants(tree)}

    def text(node: ast.expr) -> Iterator[str]:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.Name) and node.id in known:
            yield known[node.id]
        elif isinstance(node, ast.IfExp):
            yield from text(node.body)
            yield from text(node.orelse)

    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name not in PAGE_CALLS:
                for keyword in node.keywords:
                    if keyword.arg in NAMES:
                        yield from text(keyword.value)
            if name == "Need":
                for place in (1, 4):
                    yield from (found for part in node.args[place : place + 1] for found in text(part))
        elif isinstance(node, ast.ClassDef):
            for part in node.body:
                if isinstance(part, ast.Assign | ast.AnnAssign) and part.value is not None:
                    targets = part.targets if isinstance(part, ast.Assign) else [part.target]
                    if any(isinstance(target, ast.Name) and target.id in NAMES for target in targets):
                        yield from text(part.value)


def answered() -> set[str]:
    """Return every OAuth error code in the source."""
    paths = sorted((IDP / "oidc").rglob("*.py"))
    shared: dict[str, str] = {}
    for path in paths:
        shared |= _constants(ast.parse(path.read_text(encoding="utf-8")))
    found = {code for path in paths for code in _codes(path, shared)}
    return {code for code in found if code}


def test_the_walk_through_the_source_finds_each_way_of_saying_an_error() -> None:
    assert {
        "invalid_request",  # a class attribute
        "unsupported_response_type",  # an argument of an exception
        "unmet_authentication_requirements",  # a constant by its name
        "consent_required",  # a row of the table of needs
        "login_required",  # the default of a field
    } <= answered()


def test_every_error_that_can_be_answered_is_documented() -> None:
    assert answered() - set(ERRORS) == set()


def test_every_error_of_the_machine_endpoints_is_documented() -> None:
    """`idp/web.py` answers for the endpoints when a store is down."""
    assert {"temporarily_unavailable", "server_error", "invalid_request"} <= set(ERRORS)


def test_nothing_is_documented_that_cannot_happen() -> None:
    elsewhere = OF_APIS | COMING | {"temporarily_unavailable", "server_error"}

    assert set(ERRORS) - answered() - elsewhere == set()


def test_every_page_for_a_bad_link_is_documented() -> None:
    tree = ast.parse((IDP / "oidc" / "checks.py").read_text(encoding="utf-8"))

    shown = {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"bad_link", "PageError"}
        and isinstance(node.args[0], ast.Constant)
    } - {"bad_link"}

    assert shown - set(PAGES) == set()


def test_the_page_says_cause_and_cure_of_each(http: Browser) -> None:
    page = http.get("/docs/errors").text

    for code, entry in ERRORS.items():
        assert f'id="{code}"' in page
        assert all((entry.where, entry.cause, entry.cure, entry.clause))
    assert all(f'id="page-{code}"' in page for code in PAGES)
