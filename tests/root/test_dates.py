"""Dates are written for people in one place, as people write them."""

from datetime import UTC, datetime

import pytest
from flask import Flask

from idp import i18n
from idp.i18n import force_locale


@pytest.mark.parametrize(
    ("locale", "moment", "words"),
    [
        ("fr", datetime(2026, 4, 1, 12, tzinfo=UTC), "1er avril 2026"),
        ("fr", datetime(2026, 4, 11, 12, tzinfo=UTC), "11 avril 2026"),
        ("fr", datetime(2026, 4, 21, 12, tzinfo=UTC), "21 avril 2026"),
        # Half an hour before midnight by UTC: in Paris it is the first already.
        ("fr", datetime(2026, 3, 31, 23, 30, tzinfo=UTC), "1er avril 2026"),
        ("en", datetime(2026, 4, 1, 12, tzinfo=UTC), "April 1, 2026"),
    ],
)
def test_the_first_of_a_month_is_an_ordinal_in_french_alone(
    context: Flask, locale: str, moment: datetime, words: str
) -> None:
    with force_locale(locale):
        assert i18n.day(moment) == words
