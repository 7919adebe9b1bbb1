"""`uvicorn api.app:app`: notifications from WeChat Pay, REST for shops and staff."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from temporalio.client import Client

import settings
import telemetry.temporal
from api import (
    after_sales,
    audit,
    codec,
    coupons,
    fields,
    guard,
    health,
    ledger,
    merchants,
    metrics,
    notify,
    openapi,
    orders,
    problems,
    reconciliations,
    refunds,
    statements,
    webhooks,
)
from api.console import mount
from api.context import Context
from api.metrics import Gauges
from api.requests import Observed
from db.engine import Database
from settings import Settings, SettingsError
from telemetry import logs, traces
from workflows.connection import connect


def create_app(configured: Settings, client: Client | None = None) -> FastAPI:
    """The application; it starts without Temporal and goes on when Temporal is there.

    `client` is for a caller who is connected to Temporal already.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database = Database(configured.database_url)
        temporal = client or await _connect(configured)
        app.state.context = Context(configured, database, temporal, configured.wechat)
        try:
            yield
        finally:
            await console.close()
            database.close()

    console = mount.Console()
    # /docs with its scripts from here: content networks are slow or closed to many of our users.
    made = FastAPIOffline(
        title="wechat-order-flow",
        version="0.1.0",
        lifespan=lifespan,
        redoc_url=None,
        static_url=guard.DOCS_SCRIPTS,
    )
    made.state.gauges = Gauges()
    made.add_middleware(Observed)
    made.add_middleware(guard.Guarded)
    made.add_middleware(notify.Unhurried)
    problems.install(made)
    audit.install(made)
    openapi.install(made)
    for part in (notify, codec, health, metrics):
        made.include_router(part.router)
    for part in (
        orders,
        after_sales,
        refunds,
        coupons,
        merchants,
        statements,
        ledger,
        reconciliations,
        webhooks,
    ):
        made.include_router(part.router, dependencies=[Depends(fields.known_parameters)])
    if configured.console:
        made.mount(mount.PATH, console, name="console")
    return made


async def _connect(configured: Settings) -> Client:
    plugins = traces.plugins(configured.otel_exporter_otlp_endpoint, "api")
    runtime = telemetry.temporal.runtime()
    return await connect(
        configured.temporal_address,
        lazy=True,
        runtime=runtime,
        plugins=plugins,
        keys=configured.payload_keys,
    )


def _from_environment() -> FastAPI:
    try:
        configured = settings.load()
        logs.configure(configured.log_format, configured.log_level, configured.secrets)
        return create_app(configured)
    except SettingsError as error:
        print(f"api: {error}", file=sys.stderr)
        sys.exit(2)


def __getattr__(name: str) -> FastAPI:
    # Made when a server asks for it, so that importing this module needs no settings.
    if name == "app":
        return _from_environment()
    raise AttributeError(name)
