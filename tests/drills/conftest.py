"""Drills: real processes, real servers, one fault each. `make drills` runs them, the default suite the cheap ones."""

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from idp import clock as idp_clock
from tests.drills.figures import Figures, write_report
from tests.drills.site import Site

_CASES = re.compile(r"\bRC-\d\d\b")
_done: list[Figures] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the drills out unless they are asked for: each takes up to a minute."""
    left_out = [item for item in items if item.get_closest_marker("drill") and os.environ.get("DRILLS") != "1"]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def pytest_sessionfinish() -> None:
    write_report(_done)


@pytest.fixture(scope="session")
def whole_site() -> Iterator[Site]:
    # Not pytest's own folder: PostgreSQL runs as somebody else, who cannot enter it.
    with tempfile.TemporaryDirectory(prefix="sesame-drill-") as folder:
        Path(folder).chmod(0o711)
        with Site(Path(folder)).running() as site:
            yield site


@pytest.fixture
def site(whole_site: Site) -> Iterator[Site]:
    """Return the site with everything in order, and see that the drill leaves it so."""
    # Processes live by the system's time, and so does this one.
    idp_clock.set_source(None)
    whole_site.wait_until_ready()
    yield whole_site
    whole_site.heal()
    whole_site.wait_until_ready(60)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    """Keep the figures of one drill; its docstring is what is promised."""
    first, _, promise = (request.function.__doc__ or "").partition("\n")
    cases = ", ".join(dict.fromkeys(_CASES.findall(first + promise)))
    assert cases, "a drill names its case in its docstring"
    title = re.sub(r"\s*\([^()]*RC-[^()]*\)", "", first).strip().rstrip(".")
    if (callspec := getattr(request.node, "callspec", None)) is not None:
        title = f"{title}: {callspec.id}"
    mine = Figures(request.node.name, title, cases, " ".join(promise.split()))
    yield mine
    if not hasattr(request.node, "has_failed"):
        _done.append(mine)
    print(f"\n{mine.as_text()}")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    if call.when == "call" and outcome.get_result().failed:  # type: ignore[attr-defined]
        item.has_failed = True  # type: ignore[attr-defined]
