"""The reference says what the code does: pages are written from it, and compared here."""

from pathlib import Path

import pytest

from tools import reference

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_reference_is_what_the_code_says(name: str) -> None:
    committed = (DOCS / "reference" / name).read_text(encoding="utf-8")

    assert committed == reference.PAGES[name](), f"docs/reference/{name} is stale: run `make reference`"


def test_every_relative_link_leads_somewhere() -> None:
    import re

    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md", DOCS.parent / "CHANGELOG.md", DOCS.parent / "SECURITY.md"]
    broken = [
        f"{page.relative_to(DOCS.parent)} -> {link}"
        for page in pages
        for link in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]

    assert not broken


def test_no_page_names_a_machine_or_a_workplace() -> None:
    for page in [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]:
        text = page.read_text(encoding="utf-8")
        assert "/work/" not in text, page
        assert "/root/" not in text, page
