"""What each application of a process has of its own: two applications in one process share no memory by accident."""

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from flask import current_app

T = TypeVar("T")
# Asked some twenty times a request: without the proxy's own detours.
_current: Callable[[], Any] = current_app._get_current_object  # type: ignore[attr-defined]


def ours() -> dict[Any, Any]:
    """Return what the application that answers now keeps of the provider."""
    return cast(dict[Any, Any], _current().extensions["sesame"])


class Of:
    """Stands for one part of the provider that answers now, whichever that is: ``settings``, ``state``."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(_current().extensions["sesame"][self._name], name)


class PerApp(Generic[T]):
    """A value that is made at its first use in an application, and kept with it: ``keep = PerApp(dict); keep()``."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make

    def __call__(self) -> T:
        """Return the value of the application that answers now."""
        kept = ours()
        value = kept.get(self)
        if value is None:
            # Of two threads, one value is kept.
            value = kept.setdefault(self, self._make())
        return cast(T, value)

    def forget(self) -> None:
        """Make the application begin anew."""
        ours().pop(self, None)
