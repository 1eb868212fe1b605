"""What a gateway is given, what it answers, and what it can be asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from idp import crypto
from idp.messages.http_client import HttpClient, Reply
from idp.messages.transport import AnswerClass
from idp.settings import Settings

End = Literal["delivered", "failed"]
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class Text:
    """One SMS; ``reference`` stays the same however often it is tried."""

    to: str
    text: str
    reference: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a gateway answered: the id it gave, or the reply that says why not, in a class if its own code says more."""

    reply: Reply
    message_id: str | None = None
    answer_class: AnswerClass | None = None
    # The operator's own code for the log; never its text, which quotes numbers.
    code: str = ""


class Gateway(Protocol):
    """One operator's interface."""

    async def send(self, text: Text) -> Outcome:
        """Try once; raises `HttpFault` when no answer was had."""
        ...


@dataclass(frozen=True, slots=True)
class Hook:
    """A call of an operator to `/hooks/sms/…`, as plain values."""

    method: str
    url: str
    secret: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str]
    json: Any


@dataclass(frozen=True, slots=True)
class Told:
    """What a call says of one message; no ``outcome`` as long as its end is open."""

    message_id: str
    outcome: End | None


@dataclass(frozen=True, slots=True)
class Kind:
    """A gateway: how it is made, how its calls are known for its own, and what they say."""

    make: Callable[[Settings, HttpClient], Gateway]
    is_theirs: Callable[[Hook, Settings], bool]
    read: Callable[[Hook, Settings], Told | None]


def holds_secret(hook: Hook, settings: Settings) -> bool:
    """Believe a call whose address holds `sms.hook_secret`: for operators that sign nothing."""
    ours = settings.sms.hook_secret.get_secret_value()
    return bool(ours) and crypto.same(ours, hook.secret)


def hook_url(name: str, settings: Settings, *, with_secret: bool = True) -> str:
    """Return where an operator may tell us of receipts; empty if the secret that would make it believed is not set."""
    secret = settings.sms.hook_secret.get_secret_value()
    if not with_secret:
        return f"{settings.issuer}/hooks/sms/{name}"
    return f"{settings.issuer}/hooks/sms/{name}/{secret}" if secret else ""


def read_path(tree: Any, path: str) -> Any:
    """Return what stands at ``a.0.b`` of a JSON value, or ``None``."""
    for step in path.split("."):
        if isinstance(tree, dict):
            tree = tree.get(step)
        elif isinstance(tree, list) and step.isdecimal() and int(step) < len(tree):
            tree = tree[int(step)]
        else:
            return None
    return tree


def name_of(value: Any) -> str | None:
    """Return a message's id as text: a string or a whole number, not empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) and value else None
