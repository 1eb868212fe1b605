"""What drills measured, printed, and with ``DRILLS_REPORT=1`` written into docs/reliability.md by the run itself."""

import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

REPORT = Path(__file__).parents[2] / "docs" / "reliability.md"


@dataclass
class Figures:
    """One drill: what is promised, which cases of the catalogue it is, what was seen."""

    name: str
    title: str
    cases: str
    promise: str
    rows: list[tuple[str, str]] = field(default_factory=list)

    def add(self, what: str, value: object) -> None:
        """Keep one figure; seconds are given as floats."""
        self.rows.append((what, f"{value:.2f} s" if isinstance(value, float) else str(value)))

    def as_text(self) -> str:
        """Return what a terminal is shown."""
        return "\n".join([f"{self.title} ({self.cases})", *(f"  {what}: {value}" for what, value in self.rows)])

    def as_section(self) -> str:
        """Return the drill's part of the page, between marks by which the next run finds it."""
        rows = "\n".join(f"| {what} | {value} |" for what, value in self.rows)
        return (
            f"<!-- drill: {self.name} -->\n### {self.title}\n*{self.cases}* {self.promise}\n\n"
            f"| measured | |\n|---|---:|\n{rows}\n<!-- end: {self.name} -->"
        )


def write_report(drills: list[Figures], page: Path = REPORT) -> None:
    """Put what was measured where the page has it from an earlier run, or at its end."""
    if os.environ.get("DRILLS_REPORT") != "1":
        return
    text = page.read_text(encoding="utf-8")
    for drill in drills:
        mine = re.compile(rf"<!-- drill: {re.escape(drill.name)} -->.*?<!-- end: {re.escape(drill.name)} -->", re.S)
        section = drill.as_section()
        if mine.search(text):
            text = mine.sub(lambda _found, section=section: section, text)
        else:
            text = f"{text.rstrip()}\n\n{section}\n"
    text = re.sub(r"(?<=Last run: )[^.]*", f"{datetime.now(UTC):%d %B %Y}", text)
    page.write_text(text, encoding="utf-8")
