"""Sliding windows allow exactly what they say, in any race."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from flask import Flask

from idp.ratelimit import Window, peek, spend
from tests.conftest import Clock

HOUR = Window(5, timedelta(hours=1))
DAY = Window(10, timedelta(days=1))


def test_the_sixth_in_an_hour_waits_until_the_first_is_an_hour_old(context: Flask, clock: Clock) -> None:
    first = clock()
    spent = [spend("send", "a", windows=(HOUR, DAY), now=clock.step(minutes=1)) for _ in range(5)]

    sixth = spend("send", "a", windows=(HOUR, DAY), now=clock())

    assert [one.allowed for one in spent] == [True] * 5
    assert [one.left for one in spent] == [4, 3, 2, 1, 0]
    assert not sixth.allowed
    assert sixth.retry_at == first + timedelta(minutes=61)


def test_the_eleventh_in_a_day_waits_however_it_is_spread(context: Flask, clock: Clock) -> None:
    spent = [spend("send", "a", windows=(HOUR, DAY), now=clock.step(hours=1)).allowed for _ in range(11)]

    assert spent == [True] * 10 + [False]


def test_peeking_spends_nothing(context: Flask, clock: Clock) -> None:
    for _ in range(20):
        assert peek("send", "a", windows=(HOUR,), now=clock()).left == 5


def test_fifty_at_once_get_five(context: Flask, clock: Clock) -> None:
    def one(_n: int) -> bool:
        with context.app_context():
            return spend("send", "a", windows=(HOUR,), now=clock()).allowed

    with ThreadPoolExecutor(50) as pool:
        allowed = list(pool.map(one, range(50)))

    assert allowed.count(True) == 5
