"""The parts of the provider: which blueprints it serves, which store keeps its state."""

from collections.abc import Callable
from importlib import import_module

from flask import Blueprint, Flask

from idp import clock
from idp.accounts.directories import init_directory, open_directory
from idp.accounts.outside import Directory
from idp.messages import senders, sms_texts
from idp.messages.overrides import Texts, read_overrides
from idp.mfa.fido_metadata import check_metadata
from idp.mfa.methods import FACTORS, METHODS
from idp.mfa.plugged import init_factors, open_factors
from idp.mfa.second_factor import SecondFactor
from idp.redis_urls import RedisUrlFault
from idp.settings import Settings, SettingsFault
from idp.state import Store
from idp.state_redis_cluster import open_redis
from idp.state_sql import SqlStore, sqlite_url

# Everything that answers requests; importing it also makes its tables known.
PARTS = (
    "idp.health",
    "idp.help",
    "idp.signin.views",
    "idp.signin.stop",
    "idp.oidc.authorize",
    "idp.oidc.device_page",
    "idp.oidc.endpoints",
    "idp.messages.sms_hooks",
    "idp.oidc.logos",
    "idp.oidc.logout",
    "idp.developers.views",
    "idp.selfservice.home",
    "idp.admin.api.views",
    "idp.admin.console.home",
    "idp.well_known",
)
# Tables that answer no request of their own.
TABLES = (
    "idp.admin.administrators", "idp.admin.as_code", "idp.admin.changes", "idp.admin.tokens", "idp.oidc.client_apps",
    "idp.mfa.passkeys", "idp.mfa.promotion", "idp.accounts.importing", "idp.audit.checkpoints",
    "idp.operations", "idp.figures",
)  # fmt: skip


# What must hold for a node to take requests, besides its stores; functions without arguments.
READINESS = (("idp.oidc.keys", "is_usable"), ("idp.store_checks", "is_sound"))


def blueprints() -> list[Blueprint]:
    """Return the blueprint of every part."""
    for table in TABLES:
        import_module(table)
    return [import_module(part).blueprint for part in PARTS]


def readiness() -> list[Callable[[], bool]]:
    """Return what `/healthz/ready` asks."""
    return [getattr(import_module(module), name) for module, name in READINESS]


def texts(settings: Settings) -> Texts:
    """Return the operator's own texts of messages, or raise `SettingsFault` with all that is wrong in them."""
    if settings.messages.overrides is None:
        return {}
    found, faults = read_overrides(settings.messages.overrides, settings.locales)
    if faults:
        raise SettingsFault(faults)
    return found


def plug_in(app: Flask, settings: Settings) -> None:
    """Take in what the settings name of what packages offer, or raise `SettingsFault` with all that is missing."""
    asked, factors = _make_plugins(settings)
    init_directory(app, asked)
    init_factors(app, factors)


def check_plugins(settings: Settings) -> None:
    """Raise what `plug_in` would, before any process is started."""
    asked, _factors = _make_plugins(settings)
    if asked is not None:
        asked.close()


def _make_plugins(settings: Settings) -> tuple[Directory | None, dict[str, SecondFactor]]:
    faults = senders.find_faults(settings)
    asked, factors = None, dict[str, SecondFactor]()
    try:
        asked = open_directory(settings)
    except SettingsFault as fault:
        faults += fault.faults
    try:
        factors = open_factors(settings, frozenset({*METHODS, *FACTORS}))
    except SettingsFault as fault:
        faults += fault.faults
    if faults:
        raise SettingsFault(faults)
    return asked, factors


def check_sms_texts(app: Flask, settings: Settings) -> None:
    """Raise `SettingsFault` when SMS are sent and a text of theirs is not in their alphabet."""
    faults = sms_texts.find_faults(app, settings) if settings.sms.transport else []
    if faults:
        raise SettingsFault(faults)


def check_models(settings: Settings) -> None:
    """Raise `SettingsFault` when the FIDO metadata of the settings are not what the FIDO Alliance signed."""
    check_metadata(settings.passkeys.attestation, clock.now())


def open_store(settings: Settings) -> Store:
    """Return Redis where configured, else SQL: a file beside SQLite, the same server with PostgreSQL."""
    redis_url = settings.redis_url.get_secret_value()
    if redis_url:
        try:
            return open_redis(redis_url, connections=settings.redis_pool)
        except RedisUrlFault as fault:
            raise SettingsFault([f"redis_url: {fault}"]) from None
    url = settings.database_url.get_secret_value()
    return SqlStore(sqlite_url(settings.state_file) if url.startswith("sqlite") else url, pool=settings.database_pool)
