"""How a file of people is read: CSV or JSON lines, one line at a time, each with the place where the next begins."""

import csv
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from idp.accounts.models import PROFILE_CLAIMS
from idp.strict_json import parse_json

Kind = Literal["csv", "jsonl"]

COLUMNS: Final = frozenset(
    """nir previous_nir password_hash email email_verified mobile mobile_verified locale status""".split()  # noqa: SIM905
)
_LONGEST_LINE: Final = 64 * 1024
_SAMPLE: Final = 1 << 20


class FileFault(Exception):
    """The file as a whole cannot be read as people."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number (from 1, as editors count), the offset after it, and its values or what is wrong."""

    number: int
    end: int
    values: dict[str, Any] | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A file of people, known by its size and its two ends."""

    path: Path
    kind: Kind
    size: int
    fingerprint: str


def open_source(path: Path) -> Source:
    """Look at a file, or raise `FileFault`."""
    kind: Kind = "jsonl" if path.suffix in {".jsonl", ".ndjson"} else "csv"
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = hashlib.sha256(f"{kind} {size} ".encode() + file.read(_SAMPLE))
        file.seek(max(0, size - _SAMPLE))
        ends.update(file.read(_SAMPLE))
    return Source(path, kind, size, ends.hexdigest())


def read_lines(source: Source, *, begin: int = 0, number: int = 0) -> Iterator[Line]:
    """Yield the lines from offset ``begin`` on, the line before which is ``number``."""
    with source.path.open("rb") as file:
        if source.kind == "jsonl":
            yield from _read_json(file, begin, number)
        else:
            yield from _read_csv(file, begin, number)


def _read_json(file: BinaryIO, begin: int, number: int) -> Iterator[Line]:
    feed = _Feed(file, begin, number)
    for text in feed:
        if not text.strip():
            continue
        try:
            # The longest line in characters is never more than in bytes.
            values = parse_json(text, longest=_LONGEST_LINE, deepest=4)
        except ValueError:
            yield Line(feed.number, feed.end, None, "not-json")
            continue
        if not isinstance(values, dict):
            yield Line(feed.number, feed.end, None, "not-an-object")
        elif unknown := sorted(values.keys() - COLUMNS - PROFILE_CLAIMS):
            yield Line(feed.number, feed.end, None, f"unknown-column {unknown[0][:40]}")
        else:
            yield Line(feed.number, feed.end, values)


def _read_csv(file: BinaryIO, begin: int, number: int) -> Iterator[Line]:
    head = _Feed(file, 0, 0)
    first = next(head, "").removeprefix("\ufeff")
    # Spreadsheets of French offices part columns by semicolons.
    delimiter = max(",;\t", key=first.count)
    names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    _check_header(names)
    feed = head if begin == 0 else _Feed(file, begin, number)
    rows = csv.reader(feed, delimiter=delimiter, strict=True)
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield Line(feed.number, feed.end, None, "not-csv")
            continue
        if not cells:
            continue
        if len(cells) != len(names):
            yield Line(feed.number, feed.end, None, f"{len(cells)} columns, not {len(names)}")
            continue
        yield Line(feed.number, feed.end, {name: cell for name, cell in zip(names, cells, strict=True) if cell != ""})


def _check_header(names: list[str]) -> None:
    if "nir" not in names:
        raise FileFault("the first line names the columns, and `nir` is one of them")
    if len(set(names)) != len(names):
        raise FileFault("the first line names a column twice")
    if "password" in names:
        raise FileFault("clear passwords are not taken: give hashes (`password_hash`), or none")
    if unknown := sorted(set(names) - COLUMNS - PROFILE_CLAIMS):
        raise FileFault(f"unknown columns: {', '.join(unknown)}")


class _Feed:
    """The text lines of a file, which knows how far it has been read."""

    def __init__(self, file: BinaryIO, begin: int, number: int) -> None:
        file.seek(begin)
        self._file, self.end, self.number = file, begin, number

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(_LONGEST_LINE)
        if not raw:
            raise StopIteration
        self.end += len(raw)
        self.number += 1
        # What is not UTF-8 becomes a character that no value may hold: the line is refused, the others are read.
        return raw.decode("utf-8", "replace")


def dump(values: dict[str, Any]) -> str:
    """Return one JSON line, as `read_lines` reads it."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
