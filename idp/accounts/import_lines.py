"""How a file of people is read: CSV or JSON lines, cut into chunks of whole lines at places where one can go on."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from idp.accounts.models import PROFILE_CLAIMS
from idp.strict_json import parse_json

Kind = Literal["csv", "jsonl"]

COLUMNS: Final = frozenset(
    """nir previous_nir password_hash email email_verified mobile mobile_verified locale status""".split()  # noqa: SIM905
)
_LONGEST_LINE: Final = 64 * 1024
_SAMPLE: Final = 1 << 20
# Bytes that travel to a process, and into the database, together: some thousand lines.
CHUNK: Final = 512 * 1024


class FileFault(Exception):
    """The file as a whole cannot be read as people."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its number (from 1, as editors count), and its values or what is wrong."""

    number: int
    values: dict[str, Any] | None
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """A file of people, known by its size and its two ends."""

    path: Path
    kind: Kind
    size: int
    fingerprint: str
    # Of a CSV file: what its first line says, and how long that line is.
    names: tuple[str, ...] = ()
    delimiter: str = ""
    head: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Whole lines as they stand in the file, the number of the last line before them, and where they end."""

    data: bytes
    before: int
    end: int

    @property
    def last(self) -> int:
        """The number of the last line in it."""
        return self.before + self.data.count(b"\n") + (not self.data.endswith(b"\n"))


def open_source(path: Path) -> Source:
    """Look at a file and at its first line, or raise `FileFault`."""
    kind: Kind = "jsonl" if path.suffix in {".jsonl", ".ndjson"} else "csv"
    size = path.stat().st_size
    with path.open("rb") as file:
        ends = hashlib.sha256(f"{kind} {size} ".encode() + file.read(_SAMPLE))
        file.seek(max(0, size - _SAMPLE))
        ends.update(file.read(_SAMPLE))
        if kind == "jsonl":
            return Source(path, kind, size, ends.hexdigest())
        file.seek(0)
        head = file.readline(_LONGEST_LINE)
    first = _text(head).removeprefix("\ufeff")
    # Spreadsheets of French offices part columns by semicolons.
    delimiter = max(",;\t", key=first.count)
    names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    _check_header(names)
    return Source(path, kind, size, ends.hexdigest(), tuple(names), delimiter, len(head))


def read_chunks(source: Source, *, begin: int = 0, number: int = 0) -> Iterator[Chunk]:
    """Yield the lines from offset ``begin`` on, the line before which is ``number``, many together and unread.

    To read them is the work of other processes. The same offset gives the same chunks.
    """
    if begin < source.head:
        begin, number = source.head, 1
    with source.path.open("rb") as file:
        file.seek(begin)
        while data := file.read(CHUNK):
            data += file.readline(_LONGEST_LINE)
            # A quoted cell of CSV may hold the end of a line: an even number of quotes says that none is open. A file
            # whose quotes do not match is cut anyway; a line that is cut so is refused, as everything that is no CSV.
            longest = len(data) + _LONGEST_LINE
            while source.kind == "csv" and data.count(b'"') % 2 and len(data) < longest:
                more = file.readline(_LONGEST_LINE)
                if not more:
                    break
                data += more
            chunk = Chunk(data, number, begin + len(data))
            yield chunk
            begin, number = chunk.end, chunk.last


def lines_of(source: Source, chunk: Chunk) -> Iterator[Line]:
    """Read the lines of a chunk."""
    feed = _Feed(chunk)
    return _read_json(feed) if source.kind == "jsonl" else _read_csv(feed, source)


def _read_json(feed: "_Feed") -> Iterator[Line]:
    for text in feed:
        if not text.strip():
            continue
        try:
            # The longest line in characters is never more than in bytes.
            values = parse_json(text, longest=_LONGEST_LINE, deepest=4)
        except ValueError:
            yield Line(feed.number, None, "not-json")
            continue
        if not isinstance(values, dict):
            yield Line(feed.number, None, "not-an-object")
        elif unknown := sorted(values.keys() - COLUMNS - PROFILE_CLAIMS):
            yield Line(feed.number, None, f"unknown-column {unknown[0][:40]}")
        else:
            yield Line(feed.number, values)


def _read_csv(feed: "_Feed", source: Source) -> Iterator[Line]:
    names = source.names
    rows = csv.reader(feed, delimiter=source.delimiter, strict=True)
    while True:
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield Line(feed.number, None, "not-csv")
            continue
        if not cells:
            continue
        if len(cells) != len(names):
            yield Line(feed.number, None, f"{len(cells)} columns, not {len(names)}")
            continue
        yield Line(feed.number, {name: cell for name, cell in zip(names, cells, strict=True) if cell != ""})


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
    """The text lines of a chunk, which knows the number of the one it gave last."""

    def __init__(self, chunk: Chunk) -> None:
        self._file, self.number, self._is_whole = io.BytesIO(chunk.data), chunk.before, True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self._file.readline(_LONGEST_LINE)
        if not raw:
            raise StopIteration
        # The rest of a line that is too long has its number.
        self.number += self._is_whole
        self._is_whole = raw.endswith(b"\n")
        return _text(raw)


def _text(raw: bytes) -> str:
    # What is not UTF-8 becomes a character that no value may hold: the line is refused, the others are read.
    return raw.decode("utf-8", "replace")


def dump(values: dict[str, Any]) -> str:
    """Return one JSON line, as `read_lines` reads it."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
