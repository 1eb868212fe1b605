"""The soak's own arithmetic: it says so when a message is lost, doubled or changed, and when memory grows."""

import pytest

from bench.soak_books import Line, unwanted_answers
from bench.soak_guest import Visit
from bench.soak_ledger import Arrived, Ledger, Wanted
from bench.soak_watch import slope

GOOD = {
    "lost": 0,
    "nobody asked for": 0,
    "came twice": 0,
    "copies that differ": 0,
    "people with two different codes": 0,
}


def came(name: str, digits: str = "123456", to: str = "a@example.fr", text: str = "", at: float = 11.0) -> Arrived:
    return Arrived("code", to, name, digits, text or f"Votre code : {digits}", at)


@pytest.mark.parametrize(
    ("asked", "arrived", "wrong"),
    [
        (1, [came("1")], {}),
        # The same code again, in a message of its own, as it was asked for again.
        (2, [came("1"), came("2")], {}),
        (1, [], {"lost": 1}),
        (2, [came("1")], {"lost": 1}),
        # A copy is no second message: one of two was lost, and the other came twice.
        (2, [came("1"), came("1")], {"lost": 1, "came twice": 1}),
        (1, [came("1"), came("1")], {"came twice": 1}),
        (1, [came("1"), came("2")], {"nobody asked for": 1}),
        (1, [came("1", to="b@example.fr")], {"lost": 1, "nobody asked for": 1}),
        (
            1,
            [came("1"), came("1", "654321")],
            {"came twice": 1, "copies that differ": 1, "people with two different codes": 1},
        ),
        (2, [came("1"), came("2", "654321")], {"people with two different codes": 1}),
    ],
)
def test_the_ledger_says_what_was_lost_doubled_or_changed(
    asked: int, arrived: list[Arrived], wrong: dict[str, int]
) -> None:
    ledger = Ledger()
    ledger.want(*[Wanted("code", "a@example.fr", 10.0)] * asked)

    for message in arrived:
        ledger.take(message)

    assert ledger.findings() == {**GOOD, **wrong}


def test_an_alert_is_no_code() -> None:
    ledger = Ledger()
    ledger.want(Wanted("alert", "a@example.fr", 10.0))

    ledger.take(came("1"))

    assert ledger.findings() == {**GOOD, "lost": 1, "nobody asked for": 1}
    assert [message.name for message in ledger.codes_of("a@example.fr")] == ["1"]


def test_a_delay_is_told_per_channel() -> None:
    ledger = Ledger()
    ledger.want(Wanted("code", "a@example.fr", 10.0), Wanted("code", "+33612345678", 10.0))

    ledger.take(came("1", at=10.5))
    ledger.take(came("2", to="+33612345678", at=12.0))

    assert (ledger.delays("code", "email"), ledger.delays("code", "sms")) == ([0.5], [2.0])


def test_a_slope_is_that_of_the_line_and_noise_is_its_uncertainty() -> None:
    minutes = [(60.0 * at, 1000.0 + 25.0 * at + (at % 2)) for at in range(40)]

    found = slope(minutes)

    assert found.a_minute == pytest.approx(25, abs=0.1)
    assert 0 < found.error < 0.1
    assert found.first == pytest.approx(1000.5, abs=0.5)
    assert found.last == pytest.approx(1000.5 + 25 * 39, abs=0.5)


def test_a_refusal_that_nobody_provoked_is_counted_and_the_waiting_page_is_not() -> None:
    visit = Visit("wrong code, then right", 1, "email", "an-account", 0.0)
    answers = {
        ("the code", 422): 1, ("NIR and password", 503): 3, ("token: code", 400): 1, ("userinfo", 502): 1,
        ("sign-out", 500): 1, ("the code", 303): 9,
    }  # fmt: skip

    assert list(unwanted_answers(answers, [visit]).values()) == [1, 1, 1, 0]
    assert list(unwanted_answers({}, [visit]).values()) == [0, 0, 0, 1]


def test_a_line_is_good_when_what_is_found_is_what_has_to_be() -> None:
    assert Line("x", 3, 3).is_good
    assert not Line("x", 3, 2).is_good
    assert not Line("x", 0, 1).is_good
