"""One demonstration and one Chromium for all tests of a worker; each test has a browser profile of its own.

Run this folder by itself, as `make test` does: Playwright keeps an event loop running, which tests elsewhere need.
"""

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser
from sqlalchemy import create_engine, text

from tests.e2e.demonstration import Demonstration, running
from tests.e2e.visitor import Look, Visitor

NewVisitor = Callable[..., Visitor]
_FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.e2e)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Remember that a test failed, so that what its browsers show then is kept in `test-artefacts`."""
    report: Any = yield
    item.stash[_FAILED] = item.stash.get(_FAILED, False) or report.failed
    return report


@pytest.fixture(scope="session")
def demonstration(backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    with running(tmp_path_factory.mktemp("demo") / "var", _stores(backend)) as demonstration:
        yield demonstration


def _stores(backend: str) -> dict[str, str]:
    if backend == "embedded":
        return {}
    maintenance = os.environ["TEST_DATABASE_URL"]
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    name = f"sesame_demo_{worker}"
    engine = create_engine(maintenance, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return {
        "IDP_DATABASE_URL": maintenance.rsplit("/", 1)[0] + "/" + name,
        # Its own number: the first ones are those of the other tests.
        "IDP_REDIS_URL": f"{os.environ['TEST_REDIS_URL'].rstrip('/')}/{32 + int(worker.removeprefix('gw'))}",
    }


@pytest.fixture(scope="session")
def looked_at() -> set[Look]:
    """Return what the visitors of this worker have looked at closely: the next who meets the same page passes by."""
    return set()


@pytest.fixture
def new_visitor(
    request: pytest.FixtureRequest, chromium: Browser, demonstration: Demonstration, looked_at: set[Look]
) -> Iterator[NewVisitor]:
    """Return a maker of visitors; its arguments are those of a Playwright context."""
    visitors = []

    def make(**options: Any) -> Visitor:
        context = chromium.new_context(**{"locale": "fr-FR", "viewport": {"width": 1000, "height": 900}, **options})
        context.set_default_timeout(15_000)
        visitors.append(
            Visitor(
                context.new_page(),
                demonstration,
                test=request.node.name,
                with_javascript=options.get("java_script_enabled", True),
                looked_at=None if request.config.getoption("--all-inputs") else looked_at,
            )
        )
        return visitors[-1]

    yield make
    for number, visitor in enumerate(visitors):
        if request.node.stash.get(_FAILED, False) and not visitor.page.is_closed():
            visitor.keep_picture(f"failed-{number}")
        visitor.context.close()


@pytest.fixture
def visitor(new_visitor: NewVisitor) -> Visitor:
    return new_visitor()
