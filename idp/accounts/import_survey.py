"""What a file of people would do, found out before anything is done: lines refused, duplicates, NIRs that changed."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import select

from idp.accounts.import_lines import Line
from idp.accounts.import_rows import Person, RowFault, read_person
from idp.accounts.legacy_hashes import name_of
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


class Claim(NamedTuple):
    """What a good line claims: its NIR, also as a number, the family of its hash, the NIR that it replaces."""

    line: int
    nir: str
    number: int
    scheme: str | None
    previous_nir: str | None


def claim_of(number: int, person: Person) -> Claim:
    """Return what the line ``number`` claims."""
    scheme = name_of(person.password_hash) if person.password_hash else None
    return Claim(number, person.nir, _number(person.nir), scheme, person.previous_nir)


def judge(line: Line) -> Person | Refusal:
    """Return the person of a line, or why there is none."""
    if line.values is None:
        return Refusal(line.number, "-", line.fault or "unreadable")
    try:
        return read_person(line.values)
    except RowFault as fault:
        return Refusal(line.number, fault.column, fault.reason)


def survey(judged: Iterable[Claim | Refusal], *, refuse: Callable[[Refusal], None]) -> Survey:
    """Look at every line; ``refuse`` is told of each that will not be taken.

    Remembers one number a line, about 100 bytes: 1.3 GB for 13.5 million.
    """
    found, seen = Survey(), set[int]()
    changing: list[Claim] = []

    def turn_down(refusal: Refusal) -> None:
        found.refused += 1
        found.reasons[f"{refusal.column}: {refusal.reason}"] += 1
        refuse(refusal)

    for claim in judged:
        found.lines += 1
        if isinstance(claim, Refusal):
            turn_down(claim)
            continue
        previous = _number(claim.previous_nir) if claim.previous_nir else None
        if claim.number in seen or previous in seen:
            found.duplicates += 1
            turn_down(Refusal(claim.line, "nir", "on an earlier line of this file"))
            continue
        seen.add(claim.number)
        if claim.scheme:
            found.schemes[claim.scheme] += 1
        if previous is not None:
            seen.add(previous)
            changing.append(claim)
            if len(changing) >= _TOGETHER:
                _survey_changes(found, changing, turn_down)
                changing = []
    _survey_changes(found, changing, turn_down)
    return found


def has_two_accounts(previous: bool, present: bool) -> bool:
    """Tell whether one person would be two accounts: which of them is right, only a human can say."""
    return previous and present


def _survey_changes(found: Survey, claims: list[Claim], refuse: Callable[[Refusal], None]) -> None:
    there = set(_present(nir for claim in claims for nir in (claim.nir, claim.previous_nir) if nir))
    for claim in claims:
        previous, present = index_nir(claim.previous_nir or "") in there, index_nir(claim.nir) in there
        if has_two_accounts(previous, present):
            refuse(Refusal(claim.line, "previous_nir", "both numbers have an account"))
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
