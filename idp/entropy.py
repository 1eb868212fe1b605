"""The only place that draws random values, all from the operating system's generator."""

import secrets

# No vowels that spell words, no characters that sound or look alike when read over the telephone.
SPOKEN = "3479CDFHJKMNPQRTWXY"


def random_bytes(length: int) -> bytes:
    """Return ``length`` random bytes."""
    return secrets.token_bytes(length)


def token() -> str:
    """Return a bearer secret of 256 bits as 43 characters of base64url."""
    return secrets.token_urlsafe(32)


def identifier() -> str:
    """Return an identifier of 128 bits as 22 characters of base64url that begins with a letter or a digit.

    One that began with a hyphen would be an option to every command line.
    """
    drawn = secrets.token_urlsafe(16)
    while not drawn[0].isalnum():
        drawn = secrets.token_urlsafe(16)
    return drawn


def letters(alphabet: str, count: int) -> str:
    """Return ``count`` characters, each drawn evenly from ``alphabet``."""
    return "".join(secrets.choice(alphabet) for _ in range(count))


def reference() -> str:
    """Return a reference that a visitor can read aloud to support, such as ``7KQ-4MX``."""
    drawn = letters(SPOKEN, 6)
    return f"{drawn[:3]}-{drawn[3:]}"


def jittered(seconds: int) -> int:
    """Return between half and one and a half times ``seconds``: who is sent away together must not come back so."""
    low = max(1, seconds // 2)
    return low + secrets.randbelow(seconds + 1)
