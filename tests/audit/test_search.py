"""Events are found by reference, person, client, administrator, name and time."""

from flask import Flask

from idp import audit
from idp.audit.search import Wanted, describe, search
from tests.conftest import Clock


def test_events_are_found_by_what_they_are_about(context: Flask, clock: Clock) -> None:
    audit.record("sign-in", account_id="a", client_id="one")
    audit.record("sign-in", account_id="b", client_id="two")
    noon = clock.step(hours=1)
    audit.record("support-viewed", account_id="a", administrator="marie")
    audit.flush()

    def found(**wanted: object) -> list[str]:
        return [event.event for event in search(Wanted(**wanted))]  # type: ignore[arg-type]

    assert found() == ["support-viewed", "sign-in", "sign-in"]
    assert found(account_id="a") == ["support-viewed", "sign-in"]
    assert found(client_id="two") == ["sign-in"]
    assert found(administrator="marie") == ["support-viewed"]
    assert found(event="sign-in", account_id="b") == ["sign-in"]
    assert found(until=noon) == ["sign-in", "sign-in"]
    assert found(since=noon) == ["support-viewed"]
    assert found(reference="7KQ-4MX") == []


def test_pages_follow_each_other(context: Flask) -> None:
    for number in range(5):
        audit.record("sign-in", number=number)
    audit.flush()

    first = search(Wanted(), limit=2)
    second = search(Wanted(), limit=2, before=first[-1].id)

    assert [event.facts["number"] for event in (*first, *second)] == [4, 3, 2, 1]
    assert describe(first[0])["facts"] == {"number": 4}


def test_what_was_searched_for_is_named_without_its_value() -> None:
    assert Wanted(reference="7KQ-4MX", account_id="a").fields == "reference account_id"
