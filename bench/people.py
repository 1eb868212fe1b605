"""People who do not exist, as many as France has: valid NIRs, each once, the same at every run.

Their NIRs say month 13, which no birth has. Everybody has an e-mail address and an old system's hash of `PASSWORD`,
four of five a mobile, one in fifty was born in Corsica, every other line carries the key.
"""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

from idp.accounts.nir import find_key

PASSWORD = "bench-motdepasse-1"
HEADER = "nir;password_hash;email;mobile;given_name;family_name\n"
# Walks through all numbers below the modulus without meeting one twice: the step has no divisor in common with it.
_SPACE, _STEP, _OFFSET = 20_000_000_000, 12_345_678_917, 987_654_321
_GIVEN = "Jeanne Paul Aïcha Louis Chloé Mehdi Inès Hugo Zoé Léo Fatou Jules Anaïs Omar Rose Malo".split()  # noqa: SIM905
_FAMILY = "Martin Durand Lefèvre Benali Petit Moreau Diallo Garcia Roux Nguyen Faure Costa Le_Goff".split()  # noqa: SIM905
_DOMAINS = "orange.example laposte.example free.example sfr.example mail.example".split()  # noqa: SIM905


def nir_of(number: int) -> str:
    """Return the 13 characters of a person."""
    place = (number * _STEP + _OFFSET) % _SPACE
    sex, year, born = 1 + place % 2, place // 2 % 100, place // 200
    if number % 50 == 0:
        # Numbered one after the other, under digits for the sex that nobody else has here.
        return f"{sex + 2}{year:02d}13{'2A' if number % 100 else '2B'}{number // 50:06d}"
    return f"{sex}{year:02d}13{born:08d}"


def email_of(number: int) -> str:
    """Return where a person's codes go."""
    return f"p{number}.{_FAMILY[number % 13].lower().replace('è', 'e')}@{_DOMAINS[number % 5]}"


def mobile_of(number: int) -> str:
    """Return a person's mobile, or nothing."""
    return f"06{10_000_000 + number % 13_500_000:08d}" if number % 5 else ""


def line_of(number: int) -> str:
    """Return a person's line in the file."""
    nir, salt = nir_of(number), number.to_bytes(8, "big")
    hashed = base64.b64encode(hashlib.sha256(PASSWORD.encode() + salt).digest() + salt).decode()
    key = find_key(nir) if number % 2 else ""
    return (
        f"{nir}{key};{{SSHA256}}{hashed};{email_of(number)};{mobile_of(number)};"
        f"{_GIVEN[number % 16]};{_FAMILY[number % 13].replace('_', ' ')}\n"
    )


def write(path: Path, begin: int, end: int) -> None:
    """Write the people from ``begin`` to before ``end``, line by line."""
    with path.open("w", encoding="utf-8") as out:
        out.write(HEADER)
        out.writelines(_lines(begin, end))


def _lines(begin: int, end: int) -> Iterator[str]:
    return (line_of(number) for number in range(begin, end))
