"""What each application of a process has of its own: two applications in one process share no memory by accident."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from flask.globals import _cv_app

T = TypeVar("T")
# The context of the application that answers now. Asked some twenty times a request: what `current_app` and `g` find,
# without the proxies' own detours; raises `LookupError` where they raise `RuntimeError`.
context: Callable[[], Any] = _cv_app.get


def ours() -> dict[Any, Any]:
    """Return what the application that answers now keeps of the provider."""
    kept: dict[Any, Any] = context().app.extensions["sesame"]
    return kept


class Of:
    """Stands for one part of the provider that answers now, whichever that is: ``settings``, ``state``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(context().app.extensions["sesame"][self._name], name)


class PerApp(Generic[T]):
    """A value that is made at its first use in an application, and kept with it: ``keep = PerApp(dict); keep()``."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make

    def __call__(self) -> T:
        """Return the value of the application that answers now."""
        kept = context().app.extensions["sesame"]
        value: T | None = kept.get(self)
        # Of two threads, one value is kept.
        return kept.setdefault(self, self._make()) if value is None else value

    def forget(self) -> None:
        """Make the application begin anew."""
        ours().pop(self, None)
