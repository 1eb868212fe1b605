"""The spool and the Maildir keep the contract of transports."""

import mailbox
from collections.abc import Callable
from pathlib import Path

import pytest
from sesame_example.maildir import MaildirSender
from sesame_example.spool import SpoolSender

from idp.messages.transport import Sender
from idp.plugins.contract_transport import SenderContract
from idp.settings import Settings


class TestSpool(SenderContract):
    @pytest.fixture
    def make(self, settings: Callable[..., Settings], tmp_path: Path) -> Callable[[], Sender]:
        return lambda: SpoolSender(settings(spool={"folder": str(tmp_path)}))

    @pytest.fixture
    def make_broken(self, settings: Callable[..., Settings], tmp_path: Path) -> Callable[[], Sender]:
        return lambda: SpoolSender(settings(spool={"folder": str(tmp_path / "nowhere")}))

    @pytest.fixture
    def arrived(self, tmp_path: Path) -> Callable[[], list[str]]:
        return lambda: [path.read_text() for path in tmp_path.iterdir()]

    def test_only_the_program_that_sends_can_read_it(self, make: Callable[[], Sender], tmp_path: Path) -> None:
        async def act(sender: Sender) -> None:
            await sender.send(self.letter())

        self.live(make, act)

        (path,) = tmp_path.iterdir()
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text().startswith("To: 33612345647\n")


class TestMaildir(SenderContract):
    to, subject, html = "alice@example.fr", "Votre code", "<p>482915</p>"

    @pytest.fixture
    def make(self, settings: Callable[..., Settings], tmp_path: Path) -> Callable[[], Sender]:
        return lambda: MaildirSender(settings(maildir={"folder": str(tmp_path / "box")}))

    @pytest.fixture
    def make_broken(self, settings: Callable[..., Settings], tmp_path: Path) -> Callable[[], Sender]:
        (tmp_path / "a-file").write_text("")
        return lambda: MaildirSender(settings(maildir={"folder": str(tmp_path / "a-file" / "box")}))

    @pytest.fixture
    def arrived(self, tmp_path: Path) -> Callable[[], list[str]]:
        def read() -> list[str]:
            box = mailbox.Maildir(tmp_path / "box")
            texts = [mail.get_payload(0).get_payload(decode=True).decode() for mail in box]  # type: ignore[union-attr]
            box.close()
            return texts

        return read
