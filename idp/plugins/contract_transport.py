"""The contract of `idp.messages.transport.Sender`: inherit, say what the fixtures are, run pytest.

A sender is made in one thread and used in one event loop; each test is such a life, from making to closing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from time import perf_counter
from typing import get_args

import pytest

from idp.messages.models import Message
from idp.messages.transport import Answer, AnswerClass, Letter, Outcome, Receipt, Sender

Live = Callable[[Sender], Awaitable[None]]


class SenderContract:
    """What every transport does."""

    # Somebody who receives on this channel.
    to = "+33612345647"
    text = "Mon Compte : votre code est 482915"
    subject, html = "", ""
    # How long one message may keep everything else of its worker waiting, in seconds.
    blocks_for = 0.2

    @pytest.fixture
    def make(self) -> Callable[[], Sender]:
        """Return what makes the sender as the entry point makes it."""
        raise NotImplementedError

    @pytest.fixture
    def arrived(self) -> Callable[[], list[str]]:
        """Return what gives the texts that have arrived."""
        raise NotImplementedError

    @pytest.fixture
    def make_broken(self) -> Callable[[], Sender]:
        """Return what makes a sender whose network does not work."""
        raise NotImplementedError

    def letter(self, number: int = 0, *, attempt: int = 1) -> Letter:
        """Return a message on its way."""
        message = Message(self.subject, f"{self.text} ({number})" if number else self.text, self.html)
        return Letter(self.to, message, f"ref-{number}", datetime(2026, 3, 2, 13, 20, tzinfo=UTC), attempt)

    def live(self, make: Callable[[], Sender], act: Live) -> None:
        """Make a sender, do something with it in an event loop, close it."""
        sender = make()

        async def run() -> None:
            try:
                async with asyncio.timeout(30):
                    await act(sender)
            finally:
                await sender.close()

        asyncio.run(run())

    def test_a_message_arrives_once(self, make: Callable[[], Sender], arrived: Callable[[], list[str]]) -> None:
        answers: list[Answer] = []

        async def act(sender: Sender) -> None:
            answers.append(await sender.send(self.letter()))

        self.live(make, act)

        assert [(one.outcome, one.answer_class) for one in answers] == [("accepted", "accepted")]
        assert len(arrived()) == 1
        assert "482915" in arrived()[0], "the text arrives as it was written"

    def test_an_answer_is_made_of_our_words(self, make: Callable[[], Sender]) -> None:
        answers: list[Answer] = []

        async def act(sender: Sender) -> None:
            answers.append(await sender.send(self.letter()))

        self.live(make, act)

        (answer,) = answers
        assert answer.outcome in get_args(Outcome)
        assert answer.answer_class in get_args(AnswerClass)
        assert answer.relay, "`relay` names the network in figures and receipts"
        for private in (self.to, self.to.lstrip("+"), "482915"):
            assert private not in answer.relay + answer.relay_ref, "an answer holds neither address nor text"

    def test_it_carries_as_many_at_once_as_it_has_lanes(
        self, make: Callable[[], Sender], arrived: Callable[[], list[str]]
    ) -> None:
        sent: list[Answer] = []

        async def act(sender: Sender) -> None:
            assert 1 <= sender.lanes <= 100
            for begin in range(1, 2 * sender.lanes + 1, sender.lanes):
                letters = [self.letter(number) for number in range(begin, begin + sender.lanes)]
                sent.extend(await asyncio.gather(*(sender.send(letter) for letter in letters)))

        self.live(make, act)

        assert {one.outcome for one in sent} == {"accepted"}
        numbers = sorted(text.rpartition("(")[2].rstrip(")\r\n ") for text in arrived())
        assert numbers == sorted(str(number) for number in range(1, len(sent) + 1)), "each of them, once"

    def test_it_holds_nobody_up(self, make: Callable[[], Sender]) -> None:
        """Every channel of a worker shares its loop: whatever waits, waits with `await`."""
        # The best of three: a busy machine holds a loop up once, a sender that blocks does it each time.
        longest = min(self._longest_wait(make) for _ in range(3))

        assert longest < self.blocks_for, f"the loop stood still for {longest:.2f} s"

    def _longest_wait(self, make: Callable[[], Sender]) -> float:
        longest = 0.0

        async def act(sender: Sender) -> None:
            nonlocal longest
            sending = asyncio.create_task(sender.send(self.letter()))
            while not sending.done():
                began = perf_counter()
                await asyncio.sleep(0)
                longest = max(longest, perf_counter() - began)
            await sending

        self.live(make, act)
        return longest

    def test_what_the_network_does_wrong_is_an_answer_not_an_exception(self, make_broken: Callable[[], Sender]) -> None:
        answers: list[Answer] = []

        async def act(sender: Sender) -> None:
            answers.append(await sender.send(self.letter()))
            answers.append(await sender.send(self.letter(attempt=2)))

        self.live(make_broken, act)

        assert all(one.outcome in {"later", "refused"} for one in answers), answers

    def test_it_can_be_told_to_listen_to_tidy_and_to_close_at_any_time(self, make: Callable[[], Sender]) -> None:
        async def hear(receipt: Receipt) -> None:
            assert receipt.relay
            assert receipt.relay_ref

        async def act(sender: Sender) -> None:
            await sender.close_idle()
            await sender.send(self.letter())
            await sender.close_idle()
            await sender.close()

        def make_listening() -> Sender:
            # Before there is a loop, as the worker does it.
            sender = make()
            sender.listen(hear)
            return sender

        self.live(make_listening, act)

    def test_it_tells_nobody(
        self, make: Callable[[], Sender], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        """At the most talkative; a server that the test itself runs in this process is silenced by its author."""

        async def act(sender: Sender) -> None:
            await sender.send(self.letter())

        with caplog.at_level("DEBUG"):
            self.live(make, act)

        told = "".join(capfd.readouterr()) + caplog.text
        assert "482915" not in told, "a code is in a log"
        assert self.to not in told, "an address is in a log"
