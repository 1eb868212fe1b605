"""What an operator may decide: every setting, its type, its default and its bounds.

Values come from TOML (``IDP_CONFIG`` or ``config/sesame.toml``), overridden by ``IDP_…`` variables (``__`` for
nesting); ``…_FILE`` names a file that holds the value. Unknown keys and bad values stop the start, all reported
at once.
"""

import base64
import os
import re
import tomllib
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from idp.addresses import Network, read_networks
from idp.per_app import Of, ours

PREFIX = "IDP_"
_PROXY_SECRET = re.compile(r"[!-~]{16,}")
# Read by the command line or by the processes that Sésame starts, not part of the settings themselves.
NOT_SETTINGS = frozenset({"IDP_CONFIG"})


# This machine, and the names that nobody can own on the Internet (RFC 6761 §6.2, §6.3, §6.5).
LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
TEST_DOMAINS = frozenset({"test", "localhost", "example"})


def is_test_host(host: str) -> bool:
    """Tell whether nobody real can be led to ``host``: loopback, or under a top-level domain that does not exist."""
    return host in LOOPBACK_HOSTS or (host.rpartition(".")[2] in TEST_DOMAINS and "." in host)


class SettingsFault(Exception):
    """The configuration is unusable; ``faults`` lists every reason, one sentence each."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _seconds(value: Any) -> Any:
    return timedelta(seconds=value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _is_key(value: SecretStr) -> SecretStr:
    raw = value.get_secret_value()
    try:
        decoded = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
    except ValueError as fault:
        raise ValueError("must be base64url") from fault
    if len(decoded) < 32:
        raise ValueError("must hold at least 32 bytes of base64url (create one with: idp keys secret)")
    if len(set(decoded)) < 8:
        raise ValueError("is an example value, not a secret")
    return value


_ORIGIN = re.compile(r"https://[a-z0-9.-]+(?::\d{1,5})?|android:apk-key-hash:[A-Za-z0-9_-]{43}")
APPLE_APP = re.compile(r"[A-Z0-9]{10}\.[A-Za-z0-9.-]+")
PACKAGE = re.compile(r"[A-Za-z]\w*(?:\.[A-Za-z]\w*)+")
FINGERPRINT = re.compile(r"[0-9A-F]{2}(?::[0-9A-F]{2}){31}")

# Those of `mfa/levels.py`, or none.
Acr = Literal["", "urn:sesame:acr:2sv", "urn:sesame:acr:mfa", "phr"]
Key = Annotated[SecretStr, AfterValidator(_is_key)]


class Section(BaseModel):
    """A group of settings that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Secrets(Section):
    """Keys kept outside the database: 32 bytes each, base64url."""

    pepper: Key = Field(description="mixed into every password before it is hashed")
    index: Key = Field(description="keys the blind indexes of NIR, e-mail and mobile; can never change")
    subject: Key = Field(description="keys the pairwise `sub` values; can never change")
    code: Key = Field(description="derives the one-time codes")
    token: Key = Field(description="authenticates refresh tokens, form tokens and recognised-device cookies")
    field_keys: dict[str, Key] = Field(min_length=1, description="encrypts columns at rest, by key id")
    field_key_id: str = Field(description="the key id that encrypts now; the others only decrypt")

    @model_validator(mode="after")
    def _current_key_exists(self) -> "Secrets":
        if self.field_key_id not in self.field_keys:
            raise ValueError(f"field_key_id {self.field_key_id!r} is not among field_keys")
        if any(not 1 <= len(key_id) <= 16 or not key_id.isascii() for key_id in self.field_keys):
            raise ValueError("key ids of field_keys have 1 to 16 ASCII characters")
        return self


class SmtpSettings(Section):
    """Who mails the codes, and as whom."""

    relays: tuple[SecretStr, ...] = Field(
        default=(),
        description="after `smtp_url`, tried in turn: smtp:// (loopback only), smtp+starttls://, smtps://",
    )
    sender_name: str = "Caf – Connexion"
    sender_address: str = "ne-pas-repondre@connexion.example.fr"
    return_address: str = Field(
        default="",
        max_length=200,
        description="envelope sender, to which `+token` is added: where bounces go (`idp bounces read`); "
        "empty: `sender_address`",
    )
    dkim_selector: str = Field(
        default="",
        description="sign mails (RFC 6376) under this selector of the sender's domain; empty: do not",
    )
    dkim_key: SecretStr = Field(default=SecretStr(""), description="the RSA private key to sign with, in PEM")
    code_in_subject: bool = True
    timeout: Annotated[float, Field(gt=0, le=60)] = 10.0
    ca_file: Path | None = Field(default=None, description="certificate authority of the relays, when not the system's")
    connections: int = Field(default=8, ge=1, le=100, description="mails that one worker sends at once")

    @model_validator(mode="after")
    def _return_address_has_room(self) -> "SmtpSettings":
        local, _at, domain = self.return_address.rpartition("@")
        # RFC 5321 §4.5.3.1.1: 64 octets before the @, of which the token needs 46.
        if self.return_address and (not domain or not 1 <= len(local) <= 18 or "+" in local):
            raise ValueError("return_address has 1 to 18 characters before its @, and no +")
        return self


class OvhCloudSettings(Section):
    """An SMS account of OVHcloud."""

    url: str = "https://eu.api.ovh.com/1.0"
    service: str = Field(default="", description="the account, such as sms-ab12345-1")
    application_key: str = ""
    application_secret: SecretStr = SecretStr("")
    consumer_key: SecretStr = SecretStr("")


class OrangeSettings(Section):
    """An application of Orange's SMS API (api.orange.com)."""

    url: str = "https://api.orange.com"
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    sender_number: str = Field(default="", description="the contract's number in E.164, such as +33600000000")


class BrevoSettings(Section):
    """An account of Brevo."""

    url: str = "https://api.brevo.com/v3"
    api_key: SecretStr = SecretStr("")


class TwilioSettings(Section):
    """An account of Twilio."""

    url: str = "https://api.twilio.com"
    account_sid: str = ""
    auth_token: SecretStr = SecretStr("")
    messaging_service: str = Field(default="", description="sends instead of `sms.sender`: the MG… id of a service")


class HttpGatewaySettings(Section):
    """Any other operator's HTTP interface, described."""

    url: SecretStr = Field(default=SecretStr(""), description="where a text is handed over")
    method: Literal["POST", "GET", "PUT"] = "POST"
    encoding: Literal["json", "form", "query"] = "json"
    fields: dict[str, SecretStr] = Field(
        default={},
        description="what is sent, by name: texts with {to}, {to_digits}, {text}, {sender}, {reference}, {hook}; "
        "in JSON `a.b` nests and `a[]` is a list of one",
    )
    headers: dict[str, SecretStr] = Field(default={}, description="header fields, such as an API key")
    username: str = Field(default="", description="for HTTP Basic")
    password: SecretStr = SecretStr("")
    id_path: str = Field(default="", description="where the answer holds the message's id, as a.0.b; empty: all of it")
    ok_path: str = Field(default="", description="where the answer says that all is well, when the status does not")
    ok_values: tuple[str, ...] = Field(default=(), description="what it says there")
    receipt_id_path: str = Field(default="", description="where a receipt holds the message's id")
    receipt_status_path: str = Field(default="", description="where a receipt holds what became of it")
    receipt_delivered: tuple[str, ...] = Field(default=(), description="what it says of a message that arrived")
    receipt_failed: tuple[str, ...] = Field(default=(), description="what it says of one that will not")


# Of something that is built in, or that an installed package offers (`entry_points.py`).
PluginName = Annotated[str, Field(pattern=r"^([a-z][a-z0-9_]{0,30})?$")]

# What each transport cannot do without.
_SMS_NEEDS: dict[str, tuple[str, ...]] = {
    "smpp": ("smpp_url",),
    "http": ("http.url", "http.fields"),
    "ovhcloud": (
        "ovhcloud.service",
        "ovhcloud.application_key",
        "ovhcloud.application_secret",
        "ovhcloud.consumer_key",
    ),
    "orange": ("orange.client_id", "orange.client_secret", "orange.sender_number"),
    "brevo": ("brevo.api_key",),
    "twilio": ("twilio.account_sid", "twilio.auth_token"),
}


class SmsSettings(Section):
    """Who texts the codes; without a transport no SMS is offered."""

    transport: PluginName = Field(
        default="", description="smpp, http, ovhcloud, orange, brevo, twilio, or a plug-in's name; empty: no SMS"
    )
    second_transport: PluginName = Field(default="", description="sends what the first one cannot")
    smpp_url: SecretStr = Field(default=SecretStr(""), description="smpp://system_id:password@host:port or smpps://…")
    smpp_in_tunnel: bool = Field(default=False, description="allow smpp:// beyond this machine, inside a VPN")
    smpp_window: int = Field(default=10, ge=1, le=100, description="messages under way at once on one connection")
    smpp_per_second: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="the pace agreed with the centre, per worker; 0: as fast as it answers"
    )
    smpp_receipt_ids: Literal["same", "decimal"] = Field(
        default="same",
        description="`decimal`: the centre answers with hexadecimal ids, its receipts have decimal ones",
    )
    ca_file: Path | None = Field(default=None, description="certificate authority of operators, when not the system's")
    http_connections: int = Field(default=8, ge=1, le=100, description="SMS that one worker hands over at once by HTTP")
    hook_secret: SecretStr = Field(
        default=SecretStr(""),
        description="last part of `/hooks/sms/<transport>/<secret>`, where operators that sign nothing send receipts",
    )
    http: HttpGatewaySettings = HttpGatewaySettings()
    ovhcloud: OvhCloudSettings = OvhCloudSettings()
    orange: OrangeSettings = OrangeSettings()
    brevo: BrevoSettings = BrevoSettings()
    twilio: TwilioSettings = TwilioSettings()
    sender: str = Field(default="CAF", max_length=11)
    countries: tuple[str, ...] = ("FR", "GP", "MQ", "GF", "RE", "YT", "PM", "BL", "MF", "NC", "PF", "WF")
    timeout: Annotated[float, Field(gt=0, le=60)] = 10.0
    hourly_budget: int = Field(default=20_000, ge=1, description="SMS sent in one hour over all accounts")
    costs: dict[str, Annotated[float, Field(ge=0)]] = Field(
        default={}, description="price of one SMS by prefix, such as 33 or 262; the longest that fits counts"
    )
    daily_spend: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="what SMS may cost in one day (UTC), in the currency of `costs`; 0: no cap"
    )
    prefix_budgets: dict[str, Annotated[int, Field(ge=0)]] = Field(
        default={}, description="SMS in one day (UTC) by prefix; 0 closes a prefix"
    )

    @model_validator(mode="after")
    def _can_be_used(self) -> "SmsSettings":
        for name in (self.transport, self.second_transport):
            missing = [need for need in _SMS_NEEDS.get(name, ()) if not _has(self, need)]
            if missing:
                raise ValueError(f"transport {name} needs {', '.join(missing)}")
        if self.second_transport and self.second_transport == self.transport:
            raise ValueError("second_transport is another one than transport")
        secret = self.hook_secret.get_secret_value()
        if secret and (len(secret) < 32 or not re.fullmatch(r"[A-Za-z0-9_-]+", secret)):
            raise ValueError("hook_secret has at least 32 letters, digits, - or _")
        if any(not prefix.isdecimal() or not prefix.isascii() for prefix in {**self.costs, **self.prefix_budgets}):
            raise ValueError("the keys of costs and prefix_budgets are the first digits of numbers, such as 33")
        if self.daily_spend and not self.costs:
            raise ValueError("daily_spend needs costs")
        return self

    @property
    def transports(self) -> int:
        """How many transports are tried in turn."""
        return bool(self.transport) + bool(self.second_transport)


def _has(section: BaseModel, path: str) -> bool:
    value: Any = section
    for name in path.split("."):
        value = getattr(value, name)
    return bool(value.get_secret_value() if isinstance(value, SecretStr) else value)


class OutboxSettings(Section):
    """How the worker takes messages from the outbox."""

    embedded_worker: bool = Field(default=True, description="send from a thread of the web process")
    batch: int = Field(default=20, ge=1, le=500)
    lease: timedelta = timedelta(seconds=60)
    keep_finished: timedelta = timedelta(hours=24)


class MessageSettings(Section):
    """What messages say beside their text, and how long what they offer can be used."""

    stop_address: str = Field(
        default="",
        description="where people type a stop key, when a shorter address leads to `/stop`; empty: the issuer's own",
    )
    overrides: Path | None = Field(
        default=None, description="TOML file with texts of your own for mails and SMS, by language and text id"
    )
    stop_lifetime: timedelta = Field(default=timedelta(hours=24), description="how long the stop key of a code lives")
    stop_tries: int = Field(
        default=10, ge=1, description="stop keys typed per browser and per address in `stop_window`"
    )
    stop_window: timedelta = timedelta(minutes=15)
    new_device_delay: timedelta = Field(
        default=timedelta(minutes=30),
        description="how long after a sign-in on a new device its owner is told; what comes meanwhile is told with it",
    )


class PasswordSettings(Section):
    """Argon2id and its lane (R10)."""

    memory_kib: int = Field(default=19_456, ge=64)
    time_cost: int = Field(default=2, ge=1)
    parallelism: int = Field(default=1, ge=1)
    lanes: int = Field(
        default=0, ge=0, description="hashes at once in one process; 0: the processors, shared by the web processes"
    )
    queue: int = Field(
        default=0, ge=0, description="that wait for a lane at once; 0: so many that half of the threads stay free"
    )
    wait: timedelta = Field(default=timedelta(seconds=2), description="how long a sign-in waits for a lane")
    minimum_length: int = Field(default=12, ge=8)
    refuse_after: timedelta = Field(
        default=timedelta(0),
        le=timedelta(seconds=3),
        description="while imported hashes remain: the least time that a refusal takes (`idp accounts import` says it)",
    )


class CodeSettings(Section):
    """The one-time code (design §4)."""

    lifetime: timedelta = timedelta(seconds=900)
    resend_same_while: timedelta = timedelta(minutes=5)
    tries: int = Field(default=5, ge=1)
    distrust_after_reset: timedelta = Field(
        default=timedelta(days=7), description="how long the channel of a reset is no second factor if there is another"
    )
    account_failures: int = Field(default=10, ge=1, description="wrong codes of one account before it pauses")
    account_failures_stop: int = Field(default=100, ge=1, description="wrong codes without a sign-in before codes stop")
    first_pause: timedelta = timedelta(minutes=15)
    longest_pause: timedelta = timedelta(hours=24)
    first_resend_after: timedelta = timedelta(seconds=30)
    next_resend_after: timedelta = timedelta(seconds=60)
    sends_per_hour: int = Field(default=5, ge=1)
    sends_per_day: int = Field(default=10, ge=1)


_MODEL = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|FI(?:DO|PS)[A-Za-z0-9_]+")


class AttestationSettings(Section):
    """Which models of authenticators may be enrolled (`pip install sesame-idp[mds]`); any, unless set."""

    metadata: Path | None = Field(
        default=None,
        description="the FIDO metadata BLOB (MDS3) as downloaded; bad models are refused",
    )
    root: Path | None = Field(default=None, description="PEM file: the root certificate under which the BLOB is signed")
    require: tuple[str, ...] = Field(
        default=(),
        description="AAGUIDs, or statuses such as `FIDO_CERTIFIED_L1`, one of which new passkeys prove",
    )

    @model_validator(mode="after")
    def _is_whole(self) -> "AttestationSettings":
        if (self.metadata is None) != (self.root is None):
            raise ValueError("metadata and root go together")
        if self.require and self.metadata is None:
            raise ValueError("require needs metadata: without it every model is only claimed")
        for word in self.require:
            if not _MODEL.fullmatch(word):
                raise ValueError(f"{word!r} is neither an AAGUID in small letters nor a certification status")
        return self


class PasskeySettings(Section):
    """Passkeys (WebAuthn, R6), and what ties the operator's apps and other sites to this provider."""

    enabled: bool = Field(default=True, description="let people sign in with a passkey, and add one")
    rp_id: str = Field(
        default="",
        description="the domain that passkeys belong to: the issuer's host (then empty) or a parent of it; "
        "changing it makes every passkey useless",
    )
    origins: tuple[str, ...] = Field(
        default=(), description="origins besides the issuer: `https://…`, `android:apk-key-hash:…`"
    )
    challenge: timedelta = Field(default=timedelta(minutes=5), description="how long a challenge may be answered")
    attestation: AttestationSettings = AttestationSettings()
    per_account: int = Field(default=20, ge=1, le=64, description="passkeys that one account may have")
    apple_apps: tuple[str, ...] = Field(default=(), description="`TEAMID.bundle.id` of the operator's own apps")
    apple_paths: tuple[str, ...] = Field(default=(), description="paths here that open them, such as `/app/retour*`")
    android_apps: dict[str, tuple[str, ...]] = Field(
        default={}, description="package name and the SHA-256 fingerprints of its signing certificates; origins follow"
    )

    @model_validator(mode="after")
    def _apps_are_apps(self) -> "PasskeySettings":
        for origin in self.origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin: https://host, or android:apk-key-hash: and 43 characters")
        if any(not APPLE_APP.fullmatch(app) for app in self.apple_apps):
            raise ValueError("apple_apps are TEAMID.bundle.id")
        if any(not path.startswith("/") for path in self.apple_paths):
            raise ValueError("apple_paths begin with /")
        for package, fingerprints in self.android_apps.items():
            if not PACKAGE.fullmatch(package) or not fingerprints:
                raise ValueError(f"{package!r} is no package name with fingerprints")
            if any(not FINGERPRINT.fullmatch(fingerprint) for fingerprint in fingerprints):
                raise ValueError(f"fingerprints of {package} are 32 pairs of hexadecimal digits with colons")
        return self

    @property
    def android_origins(self) -> tuple[str, ...]:
        """What Android apps write into `clientDataJSON` for an origin: the hash of their signing certificate."""
        hashes = [bytes.fromhex(f.replace(":", "")) for prints in self.android_apps.values() for f in prints]
        return tuple(
            "android:apk-key-hash:" + base64.urlsafe_b64encode(digest).decode().rstrip("=") for digest in hashes
        )


class PromotionSettings(Section):
    """The page that offers face or fingerprint after a sign-in with a code (U13)."""

    enabled: bool = Field(default=True, description="offer it at all")
    phones_only: bool = Field(default=True, description="offer it in the browsers of phones and tablets only")
    every: timedelta = Field(default=timedelta(days=30), description="not again to the same account before")
    times: int = Field(default=3, ge=0, description="and not more often than this in all")
    percentage: int = Field(default=100, ge=0, le=100, description="of accounts, always the same ones")
    services: tuple[str, ...] = Field(
        default=(), description="client ids after whose sign-in it is offered; empty: after every one"
    )
    except_services: tuple[str, ...] = Field(
        default=("account",), description="and those after whose it is not; `account` is « Gérer mon compte »"
    )


class PolicySettings(Section):
    """What the administrator asks of every sign-in, besides what services demand."""

    methods: tuple[str, ...] = Field(default=(), description="second factors that are offered; empty: all there are")
    minimum_level: Acr = Field(default="", description="the `acr` that every sign-in must reach; empty: any")
    unknown_device_level: Acr = Field(
        default="", description="the `acr` to reach on a device that the account was never used on; empty: any"
    )


class ThrottleSettings(Section):
    """Wrong passwords (R7): pauses for an account on devices that it does not know."""

    password_tries: int = Field(default=5, ge=1)
    password_pauses: tuple[timedelta, ...] = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15))
    forget_after: timedelta = timedelta(hours=24)
    address_failures: int = Field(default=100, ge=1, description="wrong passwords of one address in `address_window`")
    address_window: timedelta = timedelta(minutes=15)
    same_password_failures: int = Field(default=50, ge=1, description="accounts on which one wrong password was tried")
    same_password_window: timedelta = timedelta(minutes=10)
    reset_requests: int = Field(
        default=100, ge=1, description="forgotten passwords asked for from one address in `address_window`"
    )
    client_failures: int = Field(default=20, ge=1, description="failed client authentications per client and address")
    client_window: timedelta = timedelta(minutes=5)
    pushed_requests: int = Field(
        default=3_000, ge=1, description="requests pushed by a public client from one address in `client_window`"
    )


class Lifetimes(Section):
    """How long things live (design §4)."""

    interaction: timedelta = timedelta(minutes=60)
    restart: timedelta = timedelta(hours=24)
    resume_password: timedelta = timedelta(minutes=15)
    authorization_code: timedelta = timedelta(seconds=60)
    pushed_request: timedelta = timedelta(seconds=90)
    access_token: timedelta = timedelta(minutes=10)
    id_token: timedelta = timedelta(minutes=10)
    refresh_idle: timedelta = timedelta(days=30)
    refresh_absolute: timedelta = timedelta(days=90)
    refresh_grace: timedelta = timedelta(seconds=30)
    session_idle: timedelta = timedelta(minutes=30)
    session_absolute: timedelta = timedelta(hours=12)
    fresh_proof: timedelta = timedelta(minutes=5)
    client_cache: timedelta = timedelta(seconds=10)
    key_cache: timedelta = timedelta(seconds=60)
    known_device: timedelta = timedelta(days=365)


class ContactSettings(Section):
    """Changing one's e-mail address or mobile in « Gérer mon compte »."""

    change_delay: timedelta = Field(
        default=timedelta(hours=24), description="how long the old one goes on when no other factor was proved"
    )
    undo_for: timedelta = Field(default=timedelta(days=7), description="how long a change can be taken back")

    @model_validator(mode="after")
    def _undo_outlives_the_delay(self) -> "ContactSettings":
        if self.undo_for <= self.change_delay:
            raise ValueError("undo_for must be longer than change_delay")
        return self


class DeviceSettings(Section):
    """Devices without a keyboard (RFC 8628), and how often their codes may be guessed at (§5.1)."""

    lifetime: timedelta = Field(default=timedelta(minutes=10), description="how long a device waits to be allowed")
    interval: timedelta = Field(default=timedelta(seconds=5), description="time between two polls of a device")
    requests: int = Field(default=60, ge=1, description="codes asked for per client and address in `requests_window`")
    requests_window: timedelta = timedelta(minutes=10)
    tries: int = Field(default=10, ge=1, description="codes typed per browser and per account in `tries_window`")
    address_tries: int = Field(default=50, ge=1, description="codes typed per address in `tries_window`")
    tries_window: timedelta = timedelta(minutes=15)
    last_letters_tries: int = Field(default=5, ge=1, description="wrong last letters before the request is refused")


class Pkcs11Settings(Section):
    """A hardware module or a token behind PKCS#11 (`pip install sesame-idp[hsm]`)."""

    module: Path | None = Field(default=None, description="the vendor's library, such as /usr/lib/…/libsofthsm2.so")
    token: str = Field(default="", description="label of the token that holds the keys")
    pin: SecretStr = Field(default=SecretStr(""), description="the user PIN of the token")


class KeySettings(Section):
    """How signing keys follow each other (P-46)."""

    publish_before_use: timedelta = Field(default=timedelta(days=7), description="how long a key waits in the JWKS")
    keep_retired: timedelta = Field(
        default=timedelta(days=30), description="how long a key that signs no more stays in the JWKS"
    )
    jwks_max_age: timedelta = Field(
        default=timedelta(hours=1), description="how long the JWKS may be cached; no key signs before that has passed"
    )
    clock_skew: timedelta = Field(default=timedelta(seconds=60), description="how far the clocks of nodes may differ")
    remember_fetches: timedelta = Field(
        default=timedelta(days=30), description="how long a client counts as one that fetches the JWKS"
    )
    rotate_every: timedelta = Field(
        default=timedelta(0), description="age at which the worker begins a rotation; 0: only `idp keys rotate` does"
    )
    service: Literal["sealed", "pkcs11"] = Field(
        default="sealed", description="where new keys are made: sealed in the database, or in a PKCS#11 token"
    )
    pkcs11: Pkcs11Settings = Pkcs11Settings()

    @model_validator(mode="after")
    def _token_is_named(self) -> "KeySettings":
        if self.service == "pkcs11" and not (self.pkcs11.module and self.pkcs11.token):
            raise ValueError("service pkcs11 needs pkcs11.module and pkcs11.token")
        return self


class DpopSettings(Section):
    """Proofs of possession (RFC 9449)."""

    require_nonce: bool = Field(default=False, description="demand a nonce of ours in every proof (RFC 9449 §8)")
    nonce_lifetime: timedelta = timedelta(minutes=5)
    proof_age: timedelta = Field(default=timedelta(seconds=60), description="how old or how early a proof may be")


class MtlsSettings(Section):
    """Client certificates (RFC 8705): a proxy ends TLS and hands the certificate on in a header."""

    header: str = Field(default="", description="the header that the proxy writes; empty: no client certificates")
    form: Literal["pem-escaped", "rfc9440"] = Field(
        default="pem-escaped", description="nginx `$ssl_client_escaped_cert`, or RFC 9440 `Client-Cert`"
    )
    proxies: tuple[str, ...] = Field(
        default=("127.0.0.1/32", "::1/128"), description="networks whose header is believed"
    )
    secret: SecretStr = Field(
        default=SecretStr(""),
        description="what the proxy writes before the certificate, and a space; needed unless the issuer is loopback",
    )
    authorities: Path | None = Field(default=None, description="PEM file: who may issue certificates (tls_client_auth)")
    issuer: str = Field(default="", description="base URL of the endpoints that ask for a certificate (RFC 8705 §5)")

    @model_validator(mode="after")
    def _proxies_are_networks(self) -> "MtlsSettings":
        try:
            _ = self.networks
        except ValueError as fault:
            raise ValueError(f"proxies: {fault}") from fault
        return self

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """The networks of `proxies`."""
        return read_networks(self.proxies)


class FetchSettings(Section):
    """What is fetched from relying parties: keys, sector documents, logos (`idp/fetch.py`)."""

    ca_file: Path | None = Field(default=None, description="certificate authority trusted besides the system's")
    allow_networks: tuple[str, ...] = Field(
        default=(), description="networks that are not public, and may be fetched from: an intranet's, say"
    )
    keys_for: timedelta = Field(default=timedelta(minutes=10), description="how long a client's fetched keys are kept")
    stale_keys_for: timedelta = Field(
        default=timedelta(hours=24), description="how long they serve while its `jwks_uri` does not answer"
    )

    @model_validator(mode="after")
    def _networks_are_networks(self) -> "FetchSettings":
        _ = self.networks
        return self

    @cached_property
    def networks(self) -> tuple[Network, ...]:
        """The networks of `allow_networks`."""
        return read_networks(self.allow_networks)


class DetailType(Section):
    """A type of authorization details (RFC 9396 §2): what the consent page says of it, and its fields."""

    texts: dict[str, str] = Field(description="what is allowed, by language; `fr` at least")
    fields: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    labels: dict[str, dict[str, str]] = Field(default={}, description="what a field is called, by field and language")

    @model_validator(mode="after")
    def _is_complete(self) -> "DetailType":
        if "fr" not in self.texts:
            raise ValueError("texts must contain fr")
        if not set(self.required) <= set(self.fields):
            raise ValueError("required names a field that is not among fields")
        return self

    def text(self, locale: str) -> str:
        """Return what is allowed, in a language or in French."""
        return self.texts.get(locale, self.texts["fr"])

    def label(self, field: str, locale: str) -> str:
        """Return what a field is called."""
        names = self.labels.get(field, {})
        return names.get(locale, names.get("fr", field))


class InAppSettings(Section):
    """Sign-ins on the screens of the operator's own app (draft: OAuth 2.0 for First-Party Applications)."""

    enabled: bool = Field(default=False, description="offer `/authorize-challenge` to clients registered with `in_app`")
    # One place to type secrets in is one that people can recognise; a passkey cannot be given to the wrong app.
    password: bool = Field(
        default=False, description="let the app ask for number, password and code, not only passkeys"
    )
    requests: int = Field(default=60, ge=1, description="requests of one `auth_session`")


class RegistrationSettings(Section):
    """Clients that register themselves, behind an initial access token (RFC 7591, RFC 7592)."""

    enabled: bool = Field(default=False, description="offer `/register`")
    # A client that follows OpenID Connect alone knows nothing of PKCE, and who registers itself cannot be told. Public
    # clients always need it.
    require_pkce: bool = Field(default=False, description="demand PKCE of confidential clients that did not ask for it")
    requests: int = Field(default=60, ge=1, description="requests of one address to `/register` in `window`")
    window: timedelta = timedelta(minutes=10)


class LogoutSettings(Section):
    """How services learn that a session ended (Back-Channel and Front-Channel Logout)."""

    lanes: int = Field(default=8, ge=1, le=100, description="services that one worker tells at once")
    timeout: timedelta = Field(default=timedelta(seconds=5), description="how long a service may take to answer")
    give_up_after: timedelta = Field(default=timedelta(hours=24), description="when a service is not told any more")
    keep_log: timedelta = Field(
        default=timedelta(days=30),
        description="how long the delivery log is kept, and a service that knew a session is told of its end",
    )
    frame_wait: timedelta = Field(
        default=timedelta(seconds=5), description="how long the signed-out page waits for the frames of services"
    )


class AuditSettings(Section):
    """The audit trail."""

    keep: timedelta = Field(
        default=timedelta(days=365),
        ge=timedelta(days=1),
        description="how long events are kept (CNIL: six months to a year)",
    )


class SupportSettings(Section):
    """How often the support desk may do what it does."""

    views_per_hour: int = Field(
        default=60, ge=1, description="people that one adviser or auditor asks for by an identifier in an hour"
    )
    acts_per_hour: int = Field(default=30, ge=1, description="acts of one adviser in an hour")
    lifts_per_day: int = Field(default=2, ge=1, description="times that the pauses of one account are lifted in a day")
    advices_per_day: int = Field(default=2, ge=1, description="messages to one account about changing a contact")


class CertificationSettings(Section):
    """What only the certification of the provider needs; off everywhere else."""

    hybrid_and_implicit: bool = Field(default=False, description="offer the response types other than `code`")
    remote_request_uri: bool = Field(default=False, description="fetch registered `request_uri` values (OIDC §6.2)")


class DeveloperSettings(Section):
    """What `/docs` tells those who build services; a loopback issuer is always a test environment."""

    open: bool = Field(default=False, description="fill a client's own id and redirect URI into the examples of /docs")
    explain: bool = Field(default=False, description="offer /docs/explain, which says why a request is refused")


class ConformanceSettings(Section):
    """The account with which the official conformance suite signs in; any issuer but a test host's refuses it."""

    account: str = Field(
        default="",
        repr=False,
        pattern=r"^([1-8][0-9]{4}([0-9]{2}|2[AB])[0-9]{6})?$",
        description="NIR (13 characters) of the one account whose code is fixed; test hosts only",
    )
    fixed_code: str = Field(
        default="", repr=False, pattern=r"^([0-9]{6})?$", description="the code of that account; test hosts only"
    )

    @model_validator(mode="after")
    def _both_or_neither(self) -> "ConformanceSettings":
        if bool(self.account) != bool(self.fixed_code):
            raise ValueError("account and fixed_code go together")
        return self


# A server: inside TLS, or on this machine.
_LDAP_URL = re.compile(r"(ldaps|ldap\+starttls|ldap)://(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?")
_LDAP_ATTRIBUTE = re.compile(r"[A-Za-z][A-Za-z0-9-]*")


class LdapSettings(Section):
    """A directory of people that answers by LDAP (`directory = "ldap"`, extra `ldap`)."""

    urls: tuple[str, ...] = Field(
        default=(),
        description="ldaps://host or ldap+starttls://host, tried in turn; ldap:// only on this machine",
    )
    ca_file: Path | None = Field(default=None, description="certificate authority, when not the system's")
    bind_dn: str = Field(default="", description="the service account that looks people up")
    bind_password: SecretStr = SecretStr("")
    base: str = Field(default="", description="below which entry people are looked for")
    filter: str = Field(
        default="(objectClass=person)", description="who counts: an entry that does not match may not sign in"
    )
    nir_attribute: str = Field(default="", description="the attribute that holds the NIR")
    nir_form: Literal["13", "15", "keyed"] = Field(
        default="13",
        description="how it is written there: 13 characters, 15 with the check digits, or HMAC-SHA-256 in hexadecimal",
    )
    nir_key: SecretStr = Field(default=SecretStr(""), description="the key of `keyed`: 32 bytes or more, base64url")
    decoy_dn: str = Field(
        default="",
        description="an entry with a password that nobody knows: what is tried for an unknown NIR, so that it takes "
        "as long; empty: a name below `base` that does not exist",
    )
    attributes: dict[str, str] = Field(
        default={"email": "mail", "mobile": "mobile", "name": "cn", "given_name": "givenName", "family_name": "sn"},
        description="what is read from an entry: `email`, `mobile`, `locale`, `password_changed`, or a claim of the "
        "profile, each with its attribute",
    )
    connections: int = Field(default=8, ge=1, le=100, description="people whose password one process checks at once")
    connect_timeout: int = Field(default=3, ge=1, le=30, description="seconds until the next server is tried")
    timeout: int = Field(default=5, ge=1, le=30, description="seconds that one answer may take")
    idle: timedelta = Field(default=timedelta(minutes=5), description="after which a connection is not used again")

    @model_validator(mode="after")
    def _is_safe(self) -> "LdapSettings":
        for url in self.urls:
            found = _LDAP_URL.fullmatch(url)
            if not found:
                raise ValueError(f"{url!r} is not ldaps://host, ldap+starttls://host or ldap://localhost")
            if found[1] == "ldap" and found[2].strip("[]") not in LOOPBACK_HOSTS:
                raise ValueError("ldap:// would send passwords in the clear: ldaps:// or ldap+starttls://")
        names = (*self.attributes.values(), *([self.nir_attribute] if self.nir_attribute else []))
        if any(not _LDAP_ATTRIBUTE.fullmatch(name) for name in names):
            raise ValueError("nir_attribute and attributes name attributes: letters, digits and hyphens")
        if self.nir_form == "keyed":
            _is_key(self.nir_key)
        return self


class AdminSettings(Section):
    """The console `/admin` and its REST interface: from where they answer, and how much one person may do alone."""

    networks: tuple[str, ...] = Field(
        default=("127.0.0.0/8", "::1/128"),
        description="where `/admin` answers; everybody else is told that it is not there (404)",
    )
    four_eyes: bool | None = Field(
        default=None, description="whether a second person approves what is risky; unset: unless the issuer is loopback"
    )
    session_idle: timedelta = Field(
        default=timedelta(minutes=15), description="without an act for so long, the passkey is asked for again"
    )
    enrolment: timedelta = Field(
        default=timedelta(days=7), description="how long the password of a new administrator enrols a first passkey"
    )
    enrolment_tries: int = Field(default=5, ge=1, description="passwords tried per name and address in 15 min")
    emergency_to: tuple[str, ...] = Field(
        default=(),
        description="e-mail addresses told of each break-glass, besides whoever gives roles or approves",
    )
    longest_token: timedelta = Field(
        default=timedelta(days=90), description="how long a token of the REST interface lives at most"
    )
    secret_overlap: timedelta = Field(
        default=timedelta(days=7), description="how long an old client secret goes on beside a new one"
    )

    @model_validator(mode="after")
    def _bounds(self) -> "AdminSettings":
        _ = self.reachable_from
        if not timedelta(minutes=1) <= self.session_idle <= timedelta(minutes=30):
            raise ValueError("session_idle is 1 to 30 minutes")
        if self.longest_token > timedelta(days=90):
            raise ValueError("longest_token is at most 90 days")
        if any(not re.fullmatch(r"[^\s@<>,;]{1,64}@[A-Za-z0-9.-]{3,190}", one) for one in self.emergency_to):
            raise ValueError("emergency_to are e-mail addresses alone, without names")
        return self

    @cached_property
    def reachable_from(self) -> tuple[Network, ...]:
        """The networks of `networks`."""
        return read_networks(self.networks)


class TracingSettings(Section):
    """Traces for OpenTelemetry; needs the extra `otel`."""

    endpoint: str = Field(
        default="",
        description="where spans go (OTLP/HTTP), such as http://127.0.0.1:4318/v1/traces; empty: nowhere",
    )
    headers: dict[str, SecretStr] = Field(default={}, description="header fields for the collector, such as a key")
    share: float = Field(default=0.05, ge=0, le=1, description="of the requests that nobody traced before")
    believe_callers: bool = Field(
        default=False, description="go on with traces of callers (`traceparent`); only where the proxy sets it anew"
    )

    @model_validator(mode="after")
    def _endpoint_is_usable(self) -> "TracingSettings":
        if self.endpoint and not self.endpoint.startswith(("https://", "http://")):
            raise ValueError("endpoint is the URL of an OTLP receiver")
        return self


class FleetSettings(Section):
    """How many processes run in all, so that the connections of all can be compared with what the stores allow."""

    web_nodes: int = Field(default=1, ge=0, description="machines that run `idp serve`; 0: compare nothing")
    web_processes: int = Field(default=0, ge=0, description="of each web node; 0: what `idp serve --workers` says")
    web_threads: int = Field(default=0, ge=0, description="of each web process; 0: what `idp serve --threads` says")
    worker_processes: int = Field(default=1, ge=0, description="`idp worker` processes on all machines")
    surge_nodes: int = Field(default=1, ge=0, description="web nodes that run twice while a new version is rolled out")
    other_connections: int = Field(
        default=10, ge=0, description="to PostgreSQL, for backups, monitoring and `idp` commands"
    )


class Settings(Section):
    """All settings of one provider."""

    issuer: str = Field(description="the exact issuer string; https, or http on a loopback host (R19)")
    database_url: SecretStr = SecretStr("sqlite:///var/sesame.db")
    database_pool: int = Field(default=5, ge=1, le=100, description="connections per process")
    database_timeout: timedelta = Field(
        default=timedelta(seconds=5),
        ge=timedelta(seconds=1),
        le=timedelta(seconds=60),
        description="how long a page waits for one statement of PostgreSQL; workers wait three times as long",
    )
    redis_url: SecretStr = Field(
        default=SecretStr(""),
        description="redis://, rediss://, unix://, redis+sentinel:// or redis+cluster:// (`docs/howto/redis.md`); "
        "empty: short-lived state is kept in SQL",
    )
    redis_pool: int = Field(default=32, ge=1, le=1000, description="connections to Redis (to each node) per process")
    fleet: FleetSettings = FleetSettings()
    tracing: TracingSettings = TracingSettings()
    state_file: Path = Field(default=Path("var/state.db"), description="where SQL state is kept beside SQLite")
    smtp_url: SecretStr = SecretStr("smtp://localhost:25")
    smtp: SmtpSettings = SmtpSettings()
    mail_transport: PluginName = Field(default="smtp", description="who sends mails: smtp, or a plug-in's name")
    sms: SmsSettings = SmsSettings()
    messages: MessageSettings = MessageSettings()
    outbox: OutboxSettings = OutboxSettings()
    passwords: PasswordSettings = PasswordSettings()
    code: CodeSettings = CodeSettings()
    passkey_signin: bool = Field(default=True, description="a passkey may be the whole sign-in, without the password")
    passkeys: PasskeySettings = PasskeySettings()
    change_password_url: str = Field(
        default="/account/password", description="where `/.well-known/change-password` leads: a path here, or https://…"
    )
    promotion: PromotionSettings = PromotionSettings()
    policy: PolicySettings = PolicySettings()
    second_factors: tuple[PluginName, ...] = Field(
        default=(), description="second factors of plug-ins that are offered, besides the built-in ones"
    )
    directory: PluginName = Field(
        default="",
        description="who knows people and their passwords: `ldap`, or a plug-in's name; empty: the accounts here",
    )
    directory_check_every: timedelta = Field(
        default=timedelta(hours=1), description="how often the directory is asked whether an account's person left"
    )
    ldap: LdapSettings = LdapSettings()
    plugins: dict[str, dict[str, Any]] = Field(
        default={}, repr=False, description="what each plug-in wants to know, by its name; its own page says what"
    )
    throttle: ThrottleSettings = ThrottleSettings()
    lifetimes: Lifetimes = Lifetimes()
    contacts: ContactSettings = ContactSettings()
    device: DeviceSettings = DeviceSettings()
    keys: KeySettings = KeySettings()
    dpop: DpopSettings = DpopSettings()
    mtls: MtlsSettings = MtlsSettings()
    fetch: FetchSettings = FetchSettings()
    in_app: InAppSettings = InAppSettings()
    registration: RegistrationSettings = RegistrationSettings()
    logout: LogoutSettings = LogoutSettings()
    audit: AuditSettings = AuditSettings()
    support: SupportSettings = SupportSettings()
    certification: CertificationSettings = CertificationSettings()
    conformance: ConformanceSettings = ConformanceSettings()
    developers: DeveloperSettings = DeveloperSettings()
    admin: AdminSettings = AdminSettings()
    authorization_details: dict[str, DetailType] = Field(
        default={}, description="types of rich authorization requests (RFC 9396) that clients may register"
    )
    secrets: Secrets
    rsa_key_bits: int = Field(default=3072, ge=2048, le=4096, multiple_of=1024)
    locales: tuple[str, ...] = ("fr", "en")
    time_zone: str = "Europe/Paris"
    site_name: str = "Mon Compte"
    site_address: str = Field(default="caf.fr", description="the address that people are told to type themselves")
    remember_device: bool = Field(
        default=False, description="reserved: a recognised device never skips the second step (R7)"
    )
    trusted_hops: int = Field(default=0, ge=0, le=5, description="reverse proxies whose X-Forwarded-* are believed")
    allowed_hosts: tuple[str, ...] = Field(default=(), description="Host values answered; the issuer's own always is")
    metrics_port: int = Field(
        default=0, ge=0, le=65_535, description="one answer for all processes of the node; 0: no metrics listener"
    )
    metrics_address: str = Field(default="127.0.0.1", description="where the metrics listen; never a public address")
    metrics_folder: Path = Field(
        default=Path("var/metrics"), description="where the processes of one node count together; a local disk"
    )
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @model_validator(mode="after")
    def _issuer_is_usable(self) -> "Settings":
        parts = urlsplit(self.issuer)
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise ValueError("issuer must be an https URL")
        if parts.query or parts.fragment or self.issuer.endswith("/") or "?" in self.issuer or "#" in self.issuer:
            raise ValueError("issuer has no query, no fragment and no slash at its end")
        if parts.path:
            raise ValueError("issuer has no path: cookies and well-known files belong to a whole host")
        if parts.scheme == "http" and not self.is_loopback:
            raise ValueError("issuer must be https; plain http is only for a loopback host")
        if (
            self.mtls.header
            and not self.is_loopback
            and not _PROXY_SECRET.fullmatch(self.mtls.secret.get_secret_value())
        ):
            raise ValueError("mtls.header needs mtls.secret: 16 or more printable ASCII characters without a space")
        if self.code.resend_same_while >= self.code.lifetime:
            raise ValueError("code.resend_same_while must be shorter than code.lifetime")
        # Sending gets four fifths of the lease; a message must not be taken by a second worker while a relay hesitates.
        slowest = self.smtp.timeout * len(self.relay_urls) + self.sms.timeout * max(1, self.sms.transports)
        if self.outbox.lease.total_seconds() * 0.8 < slowest:
            raise ValueError(f"outbox.lease must be at least {slowest / 0.8:.0f} s for these relays and timeouts")
        if self.keys.publish_before_use < self.soonest_use:
            raise ValueError(
                "keys.publish_before_use must be at least keys.jwks_max_age + lifetimes.key_cache + keys.clock_skew: "
                f"{self.soonest_use.total_seconds():.0f} s"
            )
        longest = max(self.lifetimes.id_token, self.lifetimes.access_token) + self.soonest_use
        if self.keys.keep_retired < longest:
            raise ValueError(
                f"keys.keep_retired must be at least {longest.total_seconds():.0f} s: the longest token and every cache"
            )
        if self.logout.keep_log < self.lifetimes.session_absolute:
            raise ValueError("logout.keep_log must be at least lifetimes.session_absolute: living sessions are in it")
        if self.outbox.lease < 2 * self.logout.timeout:
            raise ValueError("outbox.lease must be at least twice logout.timeout")
        if "fr" not in self.locales:
            raise ValueError("locales must contain fr")
        if self.directory == "ldap":
            missing = [name for name in ("urls", "base", "nir_attribute") if not getattr(self.ldap, name)]
            if missing:
                raise ValueError(f"directory ldap needs {', '.join(f'ldap.{name}' for name in missing)}")
        if not self.change_password_url.startswith(("/", "https://")) or self.change_password_url.startswith("//"):
            raise ValueError("change_password_url is a path here or an https URL")
        # WebAuthn §5.1.2: an RP ID is the page's host or a parent domain of it.
        is_parent = "." in self.rp_id and self.issuer_host.endswith(f".{self.rp_id}")
        if self.rp_id != self.issuer_host and not is_parent:
            raise ValueError("passkeys.rp_id must be the issuer's host or a parent domain of it")
        return self

    @model_validator(mode="after")
    def _nothing_real_has_a_fixed_code(self) -> "Settings":
        """Refuse a code that everybody knows wherever a person could be reached under the provider's name."""
        if not self.conformance.account:
            return self
        mtls_host = (urlsplit(self.mtls.issuer).hostname or "",) if self.mtls.issuer else ()
        answered = (urlsplit(f"//{host}").hostname or "" for host in self.allowed_hosts)
        real = [host for host in (self.issuer_host, *mtls_host, *answered) if not is_test_host(host)]
        if real:
            raise ValueError(
                f"conformance.fixed_code is for test hosts ({', '.join(sorted(LOOPBACK_HOSTS))}, "
                f"*.{', *.'.join(sorted(TEST_DOMAINS))}; RFC 6761), not for {', '.join(real) or 'a nameless host'}"
            )
        return self

    @property
    def rp_id(self) -> str:
        """The domain that passkeys belong to (WebAuthn §5.1.2)."""
        return self.passkeys.rp_id or self.issuer_host

    @property
    def passkey_origins(self) -> list[str]:
        """Every origin from which a passkey may be used; compared exactly."""
        return [self.issuer, *self.passkeys.origins, *self.passkeys.android_origins]

    @property
    def issuer_host(self) -> str:
        """The issuer's host name, without a port."""
        return urlsplit(self.issuer).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """Whether the issuer is this machine only (demonstration, tests)."""
        return self.issuer_host in LOOPBACK_HOSTS

    @property
    def four_eyes(self) -> bool:
        """Whether risky changes of administrators wait for a second person."""
        return not self.is_loopback if self.admin.four_eyes is None else self.admin.four_eyes

    @property
    def has_tls(self) -> bool:
        """Whether browsers reach us over https: cookies get `__Host-` and `Secure` from this, never by a switch."""
        return self.issuer.startswith("https://")

    @cached_property
    def hosts(self) -> frozenset[str]:
        """Every value of `Host` that is answered."""
        return frozenset((urlsplit(self.issuer).netloc, *self.allowed_hosts))

    @property
    def soonest_use(self) -> timedelta:
        """How long after its publication every cache has a key: relying parties' and our own nodes'."""
        return self.keys.jwks_max_age + self.lifetimes.key_cache + self.keys.clock_skew

    @property
    def relay_urls(self) -> tuple[str, ...]:
        """Every mail relay in the order in which they are tried."""
        return (self.smtp_url.get_secret_value(), *(relay.get_secret_value() for relay in self.smtp.relays))


def load_settings(environ: Mapping[str, str] | None = None, config: Path | None = None) -> Settings:
    """Read the configuration once, or raise `SettingsFault` with everything that is wrong in it."""
    environ = os.environ if environ is None else environ
    faults: list[str] = []
    path = config or Path(environ.get("IDP_CONFIG", "config/sesame.toml"))
    tree = _read_toml(path, config is not None or "IDP_CONFIG" in environ, faults)
    for name, value in environ.items():
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            _overlay(tree, name, value, faults)
    try:
        settings = Settings.model_validate(_with_durations(Settings, tree))
    except ValidationError as fault:
        # Never `input`: it may be a secret.
        errors = fault.errors(include_input=False)
        faults += [f"{'.'.join(map(str, error['loc'])) or 'settings'}: {error['msg']}" for error in errors]
        raise SettingsFault(faults) from None
    if faults:
        raise SettingsFault(faults)
    return settings


def _read_toml(path: Path, demanded: bool, faults: list[str]) -> dict[str, Any]:
    if not path.exists():
        if demanded:
            faults.append(f"{path}: no such configuration file")
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as fault:
        faults.append(f"{path}: {fault}")
        return {}


def _overlay(tree: dict[str, Any], name: str, value: str, faults: list[str]) -> None:
    """Put one ``IDP_A__B`` variable at ``a.b``, reading ``IDP_A__B_FILE`` from the file that it names."""
    path = name.removeprefix(PREFIX).lower().split("__")
    if path[-1].endswith("_file") and path != ["state_file"] and path[-1] != "ca_file":
        path[-1] = path[-1].removesuffix("_file")
        try:
            value = Path(value).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as fault:
            faults.append(f"{name}: {fault}")
            return
    if not _is_known(Settings, path):
        faults.append(f"{name}: no such setting")
        return
    node = tree
    for part in path[:-1]:
        node = node.setdefault(part, {})
        if not isinstance(node, dict):
            faults.append(f"{name}: {part} is not a section")
            return
    node[path[-1]] = value


def _is_known(section: type[BaseModel], path: list[str]) -> bool:
    field = section.model_fields.get(path[0])
    if field is None:
        return False
    kind = field.annotation
    if len(path) == 1:
        return True
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return _is_known(kind, path[1:])
    # The settings of plug-ins are one level deeper: IDP_PLUGINS__NAME__KEY.
    depth = 3 if path[0] == "plugins" else 2
    return len(path) == depth and getattr(kind, "__origin__", None) is dict


def _with_durations(section: type[BaseModel], tree: Mapping[str, Any]) -> dict[str, Any]:
    """Turn text from variables into what a field wants: numbers are seconds, commas part lists."""
    out: dict[str, Any] = {}
    for name, value in tree.items():
        field = section.model_fields.get(name)
        kind = field.annotation if field else None
        if isinstance(kind, type) and issubclass(kind, BaseModel) and isinstance(value, dict):
            out[name] = _with_durations(kind, value)
            continue
        text = str(kind)
        if isinstance(value, str) and "tuple" in text:
            value = [part.strip() for part in value.split(",") if part.strip()]
        if "timedelta" in text:
            value = [_duration(v) for v in value] if isinstance(value, list) else _duration(value)
        out[name] = value
    return out


def _duration(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return timedelta(seconds=float(value))
        except ValueError:
            return value
    return _seconds(value)


def current_settings() -> Settings:
    """Return the settings of the provider that answers now, as an object of their own."""
    found: Settings = ours()["settings"]
    return found


settings = cast(Settings, Of("settings"))
