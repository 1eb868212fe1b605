"""The soak's ledger: which messages were asked for, which arrived, and where the two differ; it knows no provider.

A sending is known by its name: a mail's Message-ID, an SMS's whole text (every one has a stop key of its own).
"""

import threading
from collections import Counter, defaultdict
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Wanted:
    """A message that somebody has to get: ``kind`` is `code` or `alert`; ``at`` in seconds since the epoch."""

    kind: str
    to: str
    at: float


@dataclass(frozen=True, slots=True)
class Arrived:
    """One copy of a message, as it came out of the network; ``digits`` are those of a code."""

    kind: str
    to: str
    name: str
    digits: str
    text: str
    at: float


@dataclass
class Ledger:
    """Both sides of the account; any thread may write."""

    wanted: list[Wanted] = field(default_factory=list)
    arrived: list[Arrived] = field(default_factory=list)
    _by_recipient: dict[str, list[Arrived]] = field(default_factory=lambda: defaultdict(list))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def want(self, *wanted: Wanted) -> None:
        """Note what has to come."""
        with self._lock:
            self.wanted += wanted

    def take(self, message: Arrived) -> None:
        """Note what came."""
        with self._lock:
            self.arrived.append(message)
            self._by_recipient[message.to].append(message)

    def codes_of(self, to: str) -> list[Arrived]:
        """Return the codes that came to one recipient, the oldest first."""
        with self._lock:
            return [message for message in self._by_recipient.get(to, ()) if message.kind == "code"]

    def findings(self) -> dict[str, int]:
        """Count what went wrong; all zero is what is promised."""
        with self._lock:
            wanted, arrived = tuple(self.wanted), tuple(self.arrived)
        copies: dict[str, list[Arrived]] = defaultdict(list)
        for message in arrived:
            copies[message.name].append(message)
        came = Counter((found[0].kind, found[0].to) for found in copies.values())
        due = Counter((one.kind, one.to) for one in wanted)
        digits: dict[str, set[str]] = defaultdict(set)
        for message in arrived:
            if message.kind == "code":
                digits[message.to].add(message.digits)
        return {
            "lost": (due - came).total(),
            "nobody asked for": (came - due).total(),
            "came twice": sum(len(found) - 1 for found in copies.values()),
            "copies that differ": sum(len({(one.to, one.text) for one in found}) > 1 for found in copies.values()),
            # Everybody signs in once, and a code that is asked for again in time is the same one (R4).
            "people with two different codes": sum(len(found) > 1 for found in digits.values()),
        }

    def delays(self, kind: str, channel: str) -> list[float]:
        """Return the seconds from asking to arriving, per message of a channel."""
        is_sms = channel == "sms"
        came: dict[str, list[float]] = defaultdict(list)
        for message in self.arrived:
            if message.kind == kind and message.to.startswith("+") is is_sms:
                came[message.to].append(message.at)
        due: dict[str, list[float]] = defaultdict(list)
        for one in self.wanted:
            if one.kind == kind and one.to in came:
                due[one.to].append(one.at)
        return [
            max(0.0, arrival - asked)
            for to, arrivals in came.items()
            for asked, arrival in zip(sorted(due.get(to, ())), sorted(arrivals), strict=False)
        ]
