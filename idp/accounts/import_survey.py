"""What a file of people would do, found out before anything is done: lines refused, duplicates, NIRs that changed."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import select

from idp.accounts.import_lines import Line
from idp.accounts.import_rows import Person, RowFault, read_person
from idp.accounts.models import Account, index_nir
from idp.db import db

# How a Corsican NIR becomes a number of its own: digits never reach these places.
_CORSICA = {"A": "3", "B": "4"}
# How many changed NIRs are looked up at once.
_TOGETHER = 500


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a line is not taken; what it holds is in the file, and nowhere else (security.md F-09)."""

    number: int
    column: str
    reason: str


@dataclass(slots=True)
class Survey:
    """What was found in a whole file."""

    lines: int = 0
    refused: int = 0
    duplicates: int = 0
    changed: int = 0
    already_changed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    schemes: Counter[str] = field(default_factory=Counter)


def judge(line: Line) -> Person | Refusal:
    """Return the person of a line, or why there is none."""
    if line.values is None:
        return Refusal(line.number, "-", line.fault or "unreadable")
    try:
        return read_person(line.values)
    except RowFault as fault:
        return Refusal(line.number, fault.column, fault.reason)


def survey(
    judged: Iterable[tuple[Line, Person | Refusal]],
    *,
    refuse: Callable[[Refusal], None],
    scheme_of: Callable[[str], str],
) -> Survey:
    """Look at every line; ``refuse`` is told of each that will not be taken.

    Remembers one number a line, about 100 bytes: 1.3 GB for 13.5 million.
    """
    found, seen = Survey(), set[int]()
    changing: list[tuple[int, Person]] = []

    def turn_down(refusal: Refusal) -> None:
        found.refused += 1
        found.reasons[f"{refusal.column}: {refusal.reason}"] += 1
        refuse(refusal)

    for line, person in judged:
        found.lines += 1
        if isinstance(person, Refusal):
            turn_down(person)
            continue
        claimed = {_number(person.nir)} | ({_number(person.previous_nir)} if person.previous_nir else set())
        if claimed & seen:
            found.duplicates += 1
            turn_down(Refusal(line.number, "nir", "on an earlier line of this file"))
            continue
        seen |= claimed
        if person.password_hash:
            found.schemes[scheme_of(person.password_hash)] += 1
        if person.previous_nir:
            changing.append((line.number, person))
            if len(changing) >= _TOGETHER:
                _survey_changes(found, changing, turn_down)
                changing = []
    _survey_changes(found, changing, turn_down)
    return found


def has_two_accounts(previous: bool, present: bool) -> bool:
    """Tell whether one person would be two accounts: which of them is right, only a human can say."""
    return previous and present


def _survey_changes(found: Survey, lines: list[tuple[int, Person]], refuse: Callable[[Refusal], None]) -> None:
    there = set(_present(nir for _, person in lines for nir in (person.nir, person.previous_nir) if nir))
    for number, person in lines:
        previous, present = index_nir(person.previous_nir or "") in there, index_nir(person.nir) in there
        if has_two_accounts(previous, present):
            refuse(Refusal(number, "previous_nir", "both numbers have an account"))
        elif previous:
            found.changed += 1
        elif present:
            found.already_changed += 1


def _present(nirs: Iterable[str]) -> Iterator[str]:
    indexes = [index_nir(nir) for nir in nirs]
    if indexes:
        yield from db.session.scalars(select(Account.nir_index).where(Account.nir_index.in_(indexes)))
        db.session.rollback()


def _number(nir: str) -> int:
    # The prefix keeps 2A and 2B apart from every département in digits.
    letter = next((c for c in nir if c in _CORSICA), None)
    return int(nir) if letter is None else int(_CORSICA[letter] + nir.replace(letter, "0", 1).rjust(14, "9"))
