"""Walking along the chain: what does not follow, and what that says was done to it. Knows no database.

An entry comes with what the chain holds of it (`digest`, `link`) and with what the event itself says now (`actual`,
`None` when it is not there). One act is one finding: after a wrong link the walk goes on from the link that it found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from idp.audit.chain import next_link
from idp.audit.checkpoints import Checkpoint, is_signed

What = Literal["changed", "removed", "inserted", "reordered", "broken", "rewritten", "unsigned", "cut"]
# A thousand findings say no more than fifty; the verdict tells how many there were.
MOST_FINDINGS = 1000
_COMPARED = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One place of the chain, with the event that stands there."""

    position: int
    event_id: int
    digest: bytes
    link: bytes
    actual: bytes | None
    is_ours: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """What was done to the trail, and to which event."""

    what: What
    position: int | None
    event_id: int | None
    detail: str


@dataclass(frozen=True, slots=True)
class Restore:
    """A backup that was restored: what came after ``position`` before that moment is not in the trail."""

    position: int
    at: str

    def cut(self, checkpoint: Checkpoint) -> bool:
        """Tell whether a checkpoint is of what was lost: made before the restore, of places after those restored."""
        return checkpoint.position > self.position and checkpoint.at < self.at


@dataclass
class Walk:
    """A walk from ``position``, whose link is ``link``, towards signed checkpoints."""

    position: int
    link: bytes
    checkpoints: Sequence[Checkpoint]
    keys: Mapping[str, bytes]
    restores: Sequence[Restore] = ()
    seen: int = 0
    count: int = 0
    findings: list[Finding] = field(default_factory=list)
    _changed: list[Entry] = field(default_factory=list)
    _misplaced: list[tuple[Entry, bytes]] = field(default_factory=list)
    _signed: dict[int, list[Checkpoint]] = field(default_factory=dict)
    _lost: dict[Restore, int] = field(default_factory=dict)
    _last_good: int = 0
    _is_rewritten: bool = False

    def __post_init__(self) -> None:
        self._last_good = self.position
        for checkpoint in self.checkpoints:
            if not is_signed(checkpoint, dict(self.keys)):
                self.find("unsigned", checkpoint.position, None, "a checkpoint that the audit key did not sign")
            else:
                self._signed.setdefault(checkpoint.position, []).append(checkpoint)

    def find(self, what: What, position: int | None, event_id: int | None, detail: str) -> None:
        """Write down what was found."""
        self.count += 1
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(what, position, event_id, detail))

    def take(self, entry: Entry) -> None:
        """Go one place further."""
        self.seen += 1
        expected = self.position + 1
        if entry.position != expected:
            gone = f"positions {expected} to {entry.position - 1}"
            self.find("removed", expected, None, f"{gone} are not in the chain")
        elif next_link(self.link, entry.position, entry.digest) != entry.link:
            self._misplaced.append((entry, self.link))
        if entry.actual is None:
            self.find("removed", entry.position, entry.event_id, "the event is gone, its place in the chain is not")
        elif entry.actual != entry.digest:
            self._changed.append(entry)
        elif not entry.is_ours:
            self.find("inserted", entry.position, entry.event_id, "the event was not written by this provider")
        self.position, self.link = entry.position, entry.link
        self._compare(entry.position, entry.link)

    def finish(self) -> list[Finding]:
        """Say what the walk came to, by position."""
        beyond = [one for place in sorted(self._signed) if place > self.position for one in self._signed[place]]
        for checkpoint in [one for one in beyond if not self._was_cut(one)][:1]:
            signed = f"it was signed up to {checkpoint.position}"
            self.find("removed", self.position + 1, None, f"the chain ends here; {signed}")
        for restore, last in self._lost.items():
            # Said, not excused: the events are gone, whatever for.
            lost = f"positions {restore.position + 1} to {last} of before it are gone"
            self.find("cut", restore.position, None, f"a backup was restored at {restore.at}: {lost}")
        self._judge_changed()
        self._judge_misplaced()
        return sorted(self.findings, key=lambda one: (one.position or 0, one.event_id or 0))

    def _compare(self, position: int, link: bytes) -> None:
        for checkpoint in self._signed.get(position, ()):
            if checkpoint.link == link.hex():
                self._last_good = position
            elif not self._was_cut(checkpoint) and not self._is_rewritten:
                self._is_rewritten = True
                between = f"between positions {self._last_good + 1} and {position}"
                self.find("rewritten", position, None, f"{between} the chain is not what was signed")

    def _was_cut(self, checkpoint: Checkpoint) -> bool:
        """Tell whether a restore explains that a checkpoint is not on the chain, and remember how much went with it."""
        restore = next((one for one in self.restores if one.cut(checkpoint)), None)
        if restore is not None:
            self._lost[restore] = max(self._lost.get(restore, 0), checkpoint.position)
        return restore is not None

    def _judge_changed(self) -> None:
        """Tell events that changed places from events that were changed."""
        homes = {entry.digest: entry.position for entry in self._changed}
        for entry in self._changed:
            home = homes.get(entry.actual or b"")
            if home is None:
                self.find("changed", entry.position, entry.event_id, "the event is not what it was")
            else:
                self.find("reordered", entry.position, entry.event_id, f"the event of position {home} stands here")

    def _judge_misplaced(self) -> None:
        """Tell places of the chain that were exchanged from ones that were altered or left out."""
        befores = {entry.position: before for entry, before in self._misplaced[:_COMPARED]}
        moved: set[int] = set()
        for entry, _before in self._misplaced[:_COMPARED]:
            for position, before in befores.items():
                if position != entry.position and next_link(before, position, entry.digest) == entry.link:
                    self.find("reordered", entry.position, entry.event_id, f"belongs at position {position}")
                    moved |= {entry.position, position}
        for entry, _before in self._misplaced:
            # What follows a place that was exchanged cannot follow from it.
            if not moved & {entry.position, entry.position - 1}:
                self.find("broken", entry.position, entry.event_id, "does not follow from the place before it")
