"""Random values are long enough, never the same, and harmless wherever they are written."""

import re

from idp import entropy


def test_an_identifier_is_never_taken_for_an_option() -> None:
    drawn = [entropy.identifier() for _ in range(2_000)]

    assert all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{21}", value) for value in drawn)
    assert len(set(drawn)) == len(drawn)


def test_a_reference_can_be_read_aloud() -> None:
    assert all(
        re.fullmatch(r"[3479CDFHJKMNPQRTWXY]{3}-[3479CDFHJKMNPQRTWXY]{3}", entropy.reference()) for _ in range(500)
    )
