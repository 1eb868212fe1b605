"""Version N+1, made of this one: what it keeps for a while has a field more, and two of its tables a column more."""

import shutil
from pathlib import Path

from tests.drills.site import ROOT

TABLES = ("outbox", "session_records")
# What N+1 writes into its column; N writes nothing, and the column's default is "today".
OURS = "tomorrow"
_COLUMN = f'\n    of_tomorrow: Mapped[str | None] = mapped_column(String(20), default="{OURS}")'
# File, a line of it, what follows that line in N+1.
_ENCODE = """
        text = self.encode_today(value)
        is_object = text.startswith("{") and text != "{}"
        return text[:-1] + ',"of_tomorrow":{"a":[1]}}' if is_object else text

    def encode_today(self, value: T) -> str:"""
_CHANGES = (
    ("messages/models.py", "    relay_ref: Mapped[str | None] = mapped_column(String(80))", _COLUMN),
    ("session.py", "    ended_at: Mapped[datetime | None] = mapped_column(Moment, default=None)", _COLUMN),
    ("state.py", "    def encode(self, value: T) -> str:", _ENCODE),
)


def version_of_tomorrow(folder: Path) -> Path:
    """Return where N+1 stands: a folder from which `python -m idp.commands` is run."""
    root = folder / "tomorrow"
    shutil.copytree(ROOT / "idp", root / "idp", ignore=shutil.ignore_patterns("__pycache__"))
    for name, line, more in _CHANGES:
        path = root / "idp" / name
        text = path.read_text(encoding="utf-8")
        assert text.count(line) == 1, f"{name} has changed: {line}"
        path.write_text(text.replace(line, line + more), encoding="utf-8")
    return root
