"""What a transport is given, what it answers, and what every transport can do."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from idp.messages.models import Message

Outcome = Literal["accepted", "later", "refused"]
# How the other side answered, in words that mean the same for mail and SMS.
AnswerClass = Literal[
    "accepted", "later", "refused", "sender", "address", "unreachable", "timeout", "tls", "auth", "mailbox"
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


class Sender(Protocol):
    """Hands letters to one kind of network; used from one event loop."""

    # How many letters it carries at once.
    lanes: int

    async def send(self, letter: Letter) -> Answer:
        """Try once. What the network does wrong is an answer, not an exception."""
        ...

    async def close_idle(self) -> None:
        """Close connections that were not used for a while."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...
