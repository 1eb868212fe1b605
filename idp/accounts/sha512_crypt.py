"""SHA-512 crypt (`$6$`), as Ulrich Drepper wrote it down: no library that is still kept has it.

https://www.akkadia.org/drepper/SHA-crypt.txt; the steps carry its numbers.
"""

import hashlib
from typing import Final

_ALPHABET: Final = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Step 22e: the order in which three bytes become four letters.
_ORDER: Final = tuple((i % 3 * 21 + i, (i + 1) % 3 * 21 + i, (i + 2) % 3 * 21 + i) for i in range(21))


def sha512_crypt(typed: bytes, setting: str) -> str:
    """Return the hash of ``typed`` under the salt and rounds that ``setting``, a hash, begins with."""
    parts = setting.split("$")[2:]
    prefix, rounds = "$6$", 5000
    if parts[0].startswith("rounds="):
        rounds = min(max(int(parts[0][7:]), 1000), 999_999_999)
        prefix, parts = f"$6$rounds={rounds}$", parts[1:]
    salt = parts[0].encode()[:16]
    return f"{prefix}{salt.decode()}${_letters(_digest(typed, salt, rounds))}"


def _digest(typed: bytes, salt: bytes, rounds: int) -> bytes:
    size = len(typed)
    other = hashlib.sha512(typed + salt + typed).digest()  # 4-8
    first = hashlib.sha512(typed + salt + _stretch(other, size))  # 1-3, 9, 10
    bits = size
    while bits:  # 11
        first.update(other if bits & 1 else typed)
        bits >>= 1
    result = first.digest()
    by_typed = _stretch(hashlib.sha512(typed * size).digest(), size)  # 13-16
    by_salt = _stretch(hashlib.sha512(salt * (16 + result[0])).digest(), len(salt))  # 17-20
    for number in range(rounds):  # 21
        odd = number & 1
        turn = hashlib.sha512(by_typed if odd else result)
        if number % 3:
            turn.update(by_salt)
        if number % 7:
            turn.update(by_typed)
        turn.update(result if odd else by_typed)
        result = turn.digest()
    return result


def _stretch(block: bytes, size: int) -> bytes:
    return (block * (size // len(block) + 1))[:size]


def _letters(raw: bytes) -> str:
    out = ""
    for high, middle, low in _ORDER:
        out += _four(raw[high] << 16 | raw[middle] << 8 | raw[low], 4)
    return out + _four(raw[63], 2)


def _four(number: int, count: int) -> str:
    return "".join(_ALPHABET[number >> 6 * place & 63] for place in range(count))
