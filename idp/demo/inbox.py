"""What the mailbox remembers: the newest messages, in memory only, whichever way they came."""

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from idp import clock

# More than anyone reads; a loop that sends for a whole day must not fill the memory.
_KEPT: Final = 200

Channel = Literal["email", "sms"]


@dataclass(frozen=True)
class Received:
    """A message as its reader gets it."""

    id: int
    channel: Channel
    to: str
    subject: str
    text: str
    received_at: datetime
    sender: str = ""
    html: str = ""


class Inbox:
    """Every message received since the start, newest first; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: deque[Received] = deque(maxlen=_KEPT)
        self._last_id = 0

    def add(self, channel: Channel, *, to: str, text: str, subject: str = "", sender: str = "", html: str = "") -> None:
        """Put a message on top."""
        with self._lock:
            self._last_id += 1
            message = Received(self._last_id, channel, to, subject, text, clock.now(), sender, html)
            self._messages.appendleft(message)

    def list_messages(self) -> list[Received]:
        """Return what is kept, newest first."""
        with self._lock:
            return list(self._messages)

    def find_message(self, message_id: int) -> Received | None:
        return next((message for message in self.list_messages() if message.id == message_id), None)
