"""When a passkey may be offered after a sign-in with a code (ux.md §2.7): seldom, never against somebody's will."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from idp.mfa.promotion import PromotionFacts, may_promote
from idp.settings import PromotionSettings

NOW = datetime(2026, 3, 2, 13, 20, tzinfo=UTC)
FACTS = PromotionFacts("web", share=41, times=0, shown_at=None, has_declined=False, now=NOW)


@pytest.mark.parametrize(
    ("facts", "rules", "may"),
    [
        ({}, {}, True),
        ({}, {"enabled": False}, False),
        # At most every 30 days, at most 3 times.
        ({"times": 1, "shown_at": NOW - timedelta(days=30)}, {}, True),
        ({"times": 1, "shown_at": NOW - timedelta(days=30, seconds=-1)}, {}, False),
        ({"times": 2, "shown_at": NOW - timedelta(days=90)}, {}, True),
        ({"times": 3, "shown_at": NOW - timedelta(days=900)}, {}, False),
        ({"has_declined": True}, {}, False),
        # By service.
        ({}, {"services": ("web",)}, True),
        ({}, {"services": ("other",)}, False),
        ({}, {"except_services": ("web",)}, False),
        ({"service_id": "account"}, {}, False),
        # To a part of the accounts.
        ({}, {"percentage": 42}, True),
        ({}, {"percentage": 41}, False),
        ({"share": 0}, {"percentage": 0}, False),
    ],
)
def test_it_is_offered_as_the_rules_say(facts: dict[str, object], rules: dict[str, object], may: bool) -> None:
    assert may_promote(PromotionSettings(**rules), replace(FACTS, **facts)) is may  # type: ignore[arg-type]
