"""What an address of the REST interface is made of: what it takes, what it is asked, what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from idp.admin.actors import Actor
from idp.admin.api.answers import Answer
from idp.admin.schema import Strict


class Query(BaseModel):
    """The parameters of an address: each known, each once."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Paged(Query):
    """Some of a list."""

    limit: int = Field(default=50, ge=1, le=200)
    after: str | None = Field(default=None, max_length=80, pattern=r"^[A-Za-z0-9._~-]+$")


@dataclass(frozen=True)
class Call:
    """One request, read."""

    actor: Actor
    path: Mapping[str, str]
    query: Any
    body: Any
    version: int | None
    now: datetime

    @property
    def how(self) -> dict[str, Any]:
        """Return the words that go with an act."""
        return {"reason": self.body.reason, "emergency": self.body.emergency, "version": self.version, "now": self.now}


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    body: Any
    status: int = 200
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """One address: the permission it needs, what it takes, and what it answers when all is well."""

    method: str
    path: str
    summary: str
    permission: str
    function: Callable[[Call], Reply]
    answers: Mapping[int, type[Answer]]
    query: type[Query] = Query
    body: type[Strict] | None = None
    # The version looked at must come in `If-Match` (RFC 9110 §13.1.1): 428 without it, 412 when it is over.
    needs_version: bool = False
    tells_version: bool = False
    # Answers beyond those that any address may give (`openapi.REFUSALS`).
    refusals: Mapping[int, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Return the operation's name."""
        words = [word.strip("<>") for word in self.path.split("/") if word]
        return "-".join((self.method.lower(), *words)) or self.method.lower()
