"""Why an act of an administrator is not done: one class a kind, the same for console, REST and command line."""


class Refused(Exception):
    """Nothing was done; ``status`` is HTTP's, ``kind`` names the reason, ``faults`` lists field by field."""

    kind = "refused"
    status = 400

    def __init__(self, detail: str, faults: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.faults = faults


class Forbidden(Refused):
    """The person may not do this."""

    kind = "forbidden"
    status = 403


class OwnChange(Forbidden):
    """Nobody approves their own change."""

    kind = "own-change"


class ProofDue(Forbidden):
    """The person may, once they have shown their passkey again."""

    kind = "proof-due"


class NotFound(Refused):
    """There is no such thing, or none that this person may see."""

    kind = "not-found"
    status = 404


class Invalid(Refused):
    """What was given cannot stand; every fault is in ``faults``."""

    kind = "invalid"
    status = 422


class Stale(Refused):
    """Somebody changed it meanwhile; look at it again."""

    kind = "stale"
    status = 412


class Conflict(Refused):
    """The state of things does not allow this act."""

    kind = "conflict"
    status = 409


class TooOften(Refused):
    """It was done too often: by this person, or to this thing."""

    kind = "too-often"
    status = 429


def field_faults(faults: list[str]) -> tuple[tuple[str, str], ...]:
    """Return ``field: reason`` sentences as pairs."""
    return tuple((name.strip(), reason.strip()) for name, _, reason in (one.partition(":") for one in faults))
