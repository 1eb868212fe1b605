"""Which relay serves which domain: one that lately fails for a domain is tried after the others there.

Some mailbox providers hold a relay's network in bad odour for an hour while every other domain takes its mail; then
another relay does better, for this domain alone. Each worker learns it from its own last sendings.
"""

from collections import OrderedDict, deque

_WINDOW = 1800.0
_REMEMBERED = 20
_ENOUGH = 4
_DOMAINS = 2000
# Named in metrics; every other domain is `other`, for labels take few values and a private domain names its owner.
WELL_KNOWN = frozenset(
    """orange.fr wanadoo.fr gmail.com laposte.net hotmail.com hotmail.fr outlook.com outlook.fr live.fr yahoo.com
    yahoo.fr free.fr sfr.fr neuf.fr bbox.fr icloud.com""".split()  # noqa: SIM905 - words read better as text
)


def domain_of(address: str) -> str:
    """Return the domain of an address, in lower case."""
    return address.rpartition("@")[2].lower()


def label_of(domain: str) -> str:
    """Return the name under which metrics know a domain."""
    return domain if domain in WELL_KNOWN else "other"


class DomainHealth:
    """The last sendings of one worker, by domain and relay."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, str], deque[tuple[float, bool]]] = OrderedDict()

    def note(self, domain: str, relay: str, *, is_good: bool, at: float) -> None:
        """Remember how one sending went."""
        seen = self._seen.setdefault((domain, relay), deque(maxlen=_REMEMBERED))
        seen.append((at, is_good))
        self._seen.move_to_end((domain, relay))
        while len(self._seen) > _DOMAINS:
            self._seen.popitem(last=False)

    def is_failing(self, domain: str, relay: str, at: float) -> bool:
        """Tell whether most of what this relay lately did for the domain went wrong."""
        recent = [is_good for moment, is_good in self._seen.get((domain, relay), ()) if at - moment < _WINDOW]
        return len(recent) >= _ENOUGH and sum(recent) * 2 < len(recent)
