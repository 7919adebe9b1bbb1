"""The application: V2 endpoints, control side and viewer around one world."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from fastapi import FastAPI

from simulator import control, endpoints, notifier, viewer
from simulator.clock import Clock
from simulator.settings import Settings
from simulator.store import Store
from simulator.world import World


def create_app(settings: Settings) -> FastAPI:
    """One simulated WeChat Pay; its world is `app.state.world` while it runs."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = Store(settings.database)
        app.state.world = World(settings, store, Clock(store))
        task = asyncio.create_task(notifier.run(app.state.world))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            store.close()

    app = FastAPI(title="WeChat Pay V2 simulator", lifespan=lifespan)
    app.include_router(endpoints.router)
    app.include_router(control.router)
    app.include_router(viewer.router)
    return app
