"""A mail transport: a Maildir, from which another program sends, or in which a test environment looks.

`[plugins.maildir]` says `folder`.
"""

import asyncio
import mailbox
import threading
from email.policy import default
from pathlib import Path

from idp.entry_points import own_settings
from idp.messages.letter import BadAddress, build_mail, check_recipient
from idp.messages.transport import Answer, Letter, Told
from idp.settings import Settings


class MaildirSender:
    """Puts each mail into `new/`, as our own relays would get it."""

    lanes = 4

    def __init__(self, settings: Settings) -> None:
        self._smtp = settings.smtp
        self._folder = Path(own_settings(settings, "maildir")["folder"])
        # `mailbox` makes the folders, and names a message by a counter, without regard for another thread.
        self._alone = threading.Lock()

    async def send(self, letter: Letter) -> Answer:
        try:
            recipient = check_recipient(letter.to)
        except BadAddress:
            return Answer("refused", "address", relay="maildir")
        mail = build_mail(
            letter,
            recipient=recipient,
            sender_name=self._smtp.sender_name,
            sender_address=self._smtp.sender_address,
        )
        try:
            key = await asyncio.to_thread(self._deliver, mail.as_bytes(policy=default))
        except OSError:
            return Answer("later", "unreachable", relay="maildir")
        return Answer("accepted", "accepted", relay="maildir", relay_ref=key)

    def listen(self, told: Told) -> None:
        """A folder says nothing later."""

    async def close_idle(self) -> None:
        """Nothing is kept open."""

    async def close(self) -> None:
        """Nothing is kept open."""

    def _deliver(self, mail: bytes) -> str:
        with self._alone:
            box = mailbox.Maildir(self._folder, create=True)
            try:
                return box.add(mail)
            finally:
                box.close()
