"""The parts of the provider: which blueprints it serves, which models the database holds, which store keeps state."""

from flask import Blueprint

from idp.settings import Settings
from idp.state import Store
from idp.state_redis import RedisStore
from idp.state_sql import SqlStore, sqlite_url


def open_store(settings: Settings) -> Store:
    """Return Redis where configured, else SQL: a file beside SQLite, the same server with PostgreSQL."""
    redis_url = settings.redis_url.get_secret_value()
    if redis_url:
        return RedisStore(redis_url)
    url = settings.database_url.get_secret_value()
    return SqlStore(sqlite_url(settings.state_file) if url.startswith("sqlite") else url, pool=settings.database_pool)


def blueprints() -> list[Blueprint]:
    """Import every part that answers requests, and with it every table."""
    from idp import audit, health, help, session  # noqa: F401, PLC0415
    from idp.oidc import authorize, endpoints, logout  # noqa: PLC0415
    from idp.signin import views  # noqa: PLC0415

    return [health.blueprint, help.blueprint, authorize.blueprint, endpoints.blueprint, logout.blueprint, views.blueprint]
