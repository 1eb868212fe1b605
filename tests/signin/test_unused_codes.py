"""AC-41: somebody who has the password asks for codes again and again; the owner is told once, by every channel."""

from collections.abc import Callable

from flask import Flask

from tests.conftest import Clock
from tests.signin.conftest import Visitor
from tests.signin.test_stop import texts


def warned(app: Flask) -> int:
    return sum(purpose == "alert-codes-unused" for purpose, _ in texts(app))


def test_three_codes_that_nobody_typed_are_told_of_once(
    app: Flask, new_visitor: Callable[[], Visitor], clock: Clock
) -> None:
    for expected in (0, 0, 0, 2, 2):
        new_visitor().start().identify().ask_for_code()
        assert warned(app) == expected
        clock.step(minutes=20)


def test_a_code_that_was_typed_begins_the_count_anew(
    app: Flask, new_visitor: Callable[[], Visitor], clock: Clock
) -> None:
    for typed in (False, False, True, False, False, False):
        visitor = new_visitor().start().identify().ask_for_code()
        if typed:
            visitor.type_code()
        clock.step(minutes=20)

    assert warned(app) == 0
