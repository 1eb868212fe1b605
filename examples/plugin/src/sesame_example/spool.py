"""An SMS transport: a file for each message in the folder that `smstools` sends from over a GSM modem.

`[plugins.spool]` says `folder`.
"""

import asyncio
import hashlib
import os
from pathlib import Path

from idp.entry_points import own_settings
from idp.messages.transport import Answer, Letter, Told
from idp.settings import Settings


class SpoolSender:
    """Writes and renames, so that the modem's program never reads half a message."""

    lanes = 4

    def __init__(self, settings: Settings) -> None:
        self._folder = Path(own_settings(settings, "spool")["folder"])

    async def send(self, letter: Letter) -> Answer:
        # The same letter tried again is the same file: nobody is sent two.
        name = hashlib.sha256(letter.reference.encode()).hexdigest()[:32]
        try:
            # In a thread: a disk that hesitates must not hold up the other channels.
            await asyncio.to_thread(self._write, name, letter)
        except OSError:
            return Answer("later", "unreachable", relay="spool")
        return Answer("accepted", "accepted", relay="spool", relay_ref=name)

    def listen(self, told: Told) -> None:
        """A modem says nothing later."""

    async def close_idle(self) -> None:
        """Nothing is kept open."""

    async def close(self) -> None:
        """Nothing is kept open."""

    def _write(self, name: str, letter: Letter) -> None:
        unfinished = self._folder / f".{name}"
        with unfinished.open("w", encoding="utf-8") as file:
            os.chmod(unfinished, 0o600)
            file.write(f"To: {letter.to.lstrip('+')}\nAlphabet: UTF-8\n\n{letter.message.text}")
        unfinished.rename(self._folder / name)
