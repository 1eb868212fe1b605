"""What the REST interface answers, as models: the OpenAPI document is read off them, and so are the answers."""

from datetime import date, datetime
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from idp.admin.changes import STATES
from idp.admin.schema import ClientDocument

T = TypeVar("T")


class Answer(BaseModel):
    """A body that we write."""

    model_config = ConfigDict(extra="forbid")


class Fault(Answer):
    """One thing that is wrong."""

    field: str
    message: str


class Problem(Answer):
    """Why nothing was done (RFC 9457)."""

    type: str = Field(description="a name for the kind of problem")
    title: str
    status: int
    detail: str = ""
    reference: str = Field(description="what the support desk and the log call this request")
    errors: list[Fault] = []


class Page(Answer, Generic[T]):
    """Some of a list; `next` goes on where it ends."""

    items: list[T]
    next: str | None = Field(description="the value of `after` for what follows; null at the end")


class ClientAnswer(Answer):
    """A client: its document, its state, and the version to send back in `If-Match`."""

    client_id: str
    state: Literal["active", "suspended", "archived"]
    version: int
    created_at: datetime
    updated_at: datetime
    document: ClientDocument


class ClientLine(Answer):
    """A client in a list."""

    client_id: str
    name: str
    kind: str
    team: str
    state: Literal["active", "suspended", "archived"]
    security_profile: str
    redirect_uris: list[str]
    updated_at: datetime
    secret_expires_at: datetime | None = Field(description="when the last of its secrets ends")
    secret_standing: Literal["good", "soon", "ended"] = Field(description="`soon`: that is within 30 days")


class Difference(Answer):
    """One field of a change."""

    field: str
    before: Any
    after: Any


class Change(Answer):
    """A change: waiting for a second person, or what became of it."""

    id: str
    act: str
    target: str
    state: Literal[STATES]  # type: ignore[valid-type]
    reason: str
    emergency: bool
    created_by: str
    created_at: datetime
    surface: str
    decided_by: str | None
    decided_at: datetime | None
    reviewed_by: str | None
    base_version: int
    diff: list[Difference]


class Done(Answer):
    """What became of an act; `shown_once` holds a secret that nobody can look up later."""

    change: Change | None = Field(description="null when there was nothing to change")
    shown_once: dict[str, str] = {}


class Secret(Answer):
    """A secret of a client, never its value."""

    id: int
    label: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = Field(description="to the day; null when it never was")
    standing: Literal["good", "soon", "ended"] = Field(description="`soon`: it ends within 30 days")


class Secrets(Answer):
    """The secrets of a client."""

    items: list[Secret]


class Line(Answer):
    """A redirect URI, judged: `faults` keep it out, `notes` are worth knowing."""

    uri: str
    usable: bool
    faults: list[str]
    notes: list[str]


class Lines(Answer):
    """Redirect URIs, each judged by itself."""

    items: list[Line]


class FoundKeys(Answer):
    """What is at the address of a client's keys."""

    usable: bool
    kids: list[str] = Field(description="the ids of usable keys")
    fault: str | None = Field(description="`unreachable`, `status`, `unusable` or `none`; null when all is well")


class Day(Answer):
    """One day of a client, on the provider's clock."""

    day: date
    granted: int
    refused: int


class Activity(Answer):
    """Two weeks of a client; the last day is under way."""

    days: list[Day]
    grants: dict[str, int] = Field(description="token answers, by grant")
    errors: dict[str, int] = Field(description="refusals, by OAuth error")


class Preview(Answer):
    """What the tokens of a test persona hold: nobody's data, the client's own rules."""

    id_token: dict[str, Any]
    userinfo: dict[str, Any]
    token: dict[str, Any]


class Administrator(Answer):
    """An administrator."""

    name: str
    roles: list[str]
    passkeys: int
    created_at: datetime
    disabled_at: datetime | None
    enrolment_until: datetime | None
    version: int


class Administrators(Answer):
    """Every administrator."""

    items: list[Administrator]


class Token(Answer):
    """A token, never its value."""

    id: str
    label: str
    owner: str
    service: bool
    scopes: list[str]
    networks: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class Tokens(Answer):
    """Tokens."""

    items: list[Token]


class NewToken(Answer):
    """A token with its value, shown this once."""

    token: Token
    value: str


class Me(Answer):
    """Who asks."""

    name: str
    token: str
    permissions: list[str]
    four_eyes: bool


class Channel(Answer):
    """A channel or factor, and whether it is switched off."""

    name: str
    off: bool
    changed_at: datetime | None
    changed_by: str | None


class Banner(Answer):
    """What every page says from a moment to another."""

    texts: dict[str, str]
    begins_at: datetime
    ends_at: datetime
    shows: bool
    changed_at: datetime
    changed_by: str


class Operations(Answer):
    """Channels and banner, as every node has them within two seconds."""

    channels: list[Channel]
    banner: Banner | None


class Series(Answer):
    """One value a slot; null where nothing was measured."""

    name: str
    values: list[float | None]


class Plot(Answer):
    """Values over time."""

    name: str
    slots: list[datetime]
    series: list[Series]


class Rate(Answer):
    """How often a way of proving went well."""

    name: str
    well: int
    tried: int


class ClientErrors(Answer):
    """The errors of one client, by OAuth code."""

    client_id: str
    name: str
    errors: dict[str, int]


class Expiring(Answer):
    """A secret that ends within a month."""

    client_id: str
    name: str
    label: str
    expires_at: datetime
    is_last: bool


class Dashboard(Answer):
    """How signing in goes."""

    span: Literal["day", "week"]
    since: datetime
    until: datetime
    sign_ins: int
    success: float | None = Field(description="completed, of those that ended; null when none did")
    pauses: int
    delivery_medians: dict[str, float | None] = Field(description="seconds from the outbox to the relay's yes")
    plots: list[Plot]
    methods: list[Rate]
    client_errors: list[ClientErrors]
    expiring: list[Expiring]


class SigningKey(Answer):
    """A signing key, never its private half."""

    kid: str
    alg: str
    state: Literal["next", "active", "retired", "revoked"]
    service: str
    private_half: str
    published_at: datetime
    active_from: datetime | None
    ended_at: datetime | None
    leaves_at: datetime | None
    reason: str | None


class WatchedClient(Answer):
    """A client that was at work lately, and whether it has fetched the next key."""

    client_id: str
    name: str
    standing: Literal["seen", "late", "unseen"]
    fetched_at: datetime | None


class KeysOfAlgorithm(Answer):
    """The keys of one algorithm, and what the next one waits for."""

    alg: str
    keys: list[SigningKey]
    waits_for: Literal["too-young", "clients-late", "ready"] | None
    usable_at: datetime | None
    clients: list[WatchedClient]


class Keys(Answer):
    """Signing keys by algorithm."""

    items: list[KeysOfAlgorithm]


class LimitLine(Answer):
    """A limit that may be changed at run time."""

    name: str
    value: int
    configured: int
    lowest: int
    highest: int
    weaker: Literal["more", "less", "neither"]
    changed_at: datetime | None
    changed_by: str | None


class Limits(Answer):
    """Every such limit."""

    items: list[LimitLine]


class Setting(Answer):
    """A setting as it is in force; nothing secret is ever shown."""

    name: str
    value: str
    bounds: str
    origin: Literal["run-time", "environment", "file", "default"]
    meaning: str


class EffectiveSettings(Answer):
    """All settings."""

    items: list[Setting]


class TextLine(Answer):
    """A text of messages that may be replaced."""

    name: str
    changed_at: datetime | None
    changed_by: str | None


class Texts(Answer):
    """Every such text."""

    items: list[TextLine]


class MessageText(TextLine):
    """A text as it is said now, and as the settings have it, by language."""

    texts: dict[str, str]
    configured: dict[str, str]
    septets: dict[str, int] = Field(description="of an SMS: its length, without what completes it")


class MessageSample(Answer):
    """One message in one language, with nobody's values."""

    channel: str
    locale: str
    subject: str
    text: str
    septets: int | None
    parts: int | None
    is_gsm7: bool | None


class MessageSamples(Answer):
    """A message in every language over every channel."""

    items: list[MessageSample]
