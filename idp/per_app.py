"""What each application of a process has of its own: two applications in one process share no memory by accident."""

from collections.abc import Callable
from typing import Generic, TypeVar

from flask import current_app

T = TypeVar("T")


class PerApp(Generic[T]):
    """A value that is made at its first use in an application, and kept with it: ``keep = PerApp(dict); keep()``."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make

    def __call__(self) -> T:
        """Return the value of the application that answers now."""
        kept = current_app.extensions["sesame"]
        if self not in kept:
            # Of two threads, one value is kept.
            kept.setdefault(self, self._make())
        value: T = kept[self]
        return value

    def forget(self) -> None:
        """Make the application begin anew."""
        current_app.extensions["sesame"].pop(self, None)
