"""What a transport is given, what it answers, and what every transport can do."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from idp.messages.models import Message

Outcome = Literal["accepted", "later", "refused"]
# How the other side answered, in words that mean the same for mail and SMS.
AnswerClass = Literal[
    "accepted",
    "later",
    "refused",
    "sender",
    "address",
    "mailbox",
    "unreachable",
    "timeout",
    "tls",
    "auth",
    "credit",
    "budget",
    "switched-off",
]


@dataclass(frozen=True, slots=True)
class Letter:
    """One message on its way; ``reference`` stays the same however often it is tried."""

    to: str
    message: Message
    reference: str
    written_at: datetime
    attempt: int
    # Names the account and the address to whoever sends the mail back to us.
    return_token: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one attempt. Never the other side's own words: they quote addresses."""

    outcome: Outcome
    answer_class: AnswerClass
    relay: str = ""
    relay_ref: str = ""
    # When the other side asks to come back, if it says so (RFC 9110 §10.2.3).
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a network says later of a message that it accepted, under the name that it gave to it then."""

    relay: str
    relay_ref: str
    outcome: Literal["delivered", "failed"]


# Writes a receipt down; raises when it cannot, so that the network is asked to say it again.
Told = Callable[[Receipt], Awaitable[None]]


class Sender(Protocol):
    """Hands letters to one kind of network; used from one event loop."""

    # How many letters it carries at once.
    lanes: int

    async def send(self, letter: Letter) -> Answer:
        """Try once. What the network does wrong is an answer, not an exception."""
        ...

    def listen(self, told: Told) -> None:
        """Hand over what the network says later of messages; a network that says nothing ignores this."""
        ...

    async def close_idle(self) -> None:
        """Close connections that were not used for a while."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
