"""What callers see while Temporal or the database is away."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from api.app import create_app
from db import migrate
from db.engine import Database
from settings import Settings
from tests.api.test_notify import payment
from tests.shop import free_port, order_body, settings_for

SHOP = {"Authorization": "Bearer shop", "Idempotency-Key": "k"}


@asynccontextmanager
async def served(configured: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """The application alone, connected to whatever its settings name."""
    app = create_app(configured)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client,
    ):
        yield client


@pytest.fixture
async def without_temporal(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    database = Database(f"sqlite:///{tmp_path / 'shop.db'}")
    migrate.upgrade(database)
    nobody = settings_for(database, free_port(), "http://127.0.0.1:9", {})
    async with served(nobody.model_copy(update={"temporal_port": free_port()})) as client:
        yield client
    database.close()


@pytest.fixture
async def without_database(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    database = Database(f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none")
    nobody = settings_for(database, free_port(), "http://127.0.0.1:9", {})
    async with served(nobody.model_copy(update={"temporal_port": free_port()})) as client:
        yield client
    database.close()


async def test_without_temporal_commands_wait_and_reading_works(
    without_temporal: httpx.AsyncClient,
) -> None:
    placed = await without_temporal.post("/v1/orders", json=order_body("order-1"), headers=SHOP)
    assert (placed.status_code, placed.json()["code"]) == (503, "temporal_unavailable")
    assert int(placed.headers["Retry-After"]) > 0
    assert (await without_temporal.get("/v1/orders", headers=SHOP)).json()["items"] == []


async def test_without_temporal_wechat_is_asked_to_send_again(
    without_temporal: httpx.AsyncClient,
) -> None:
    reply = await without_temporal.post("/apis/pay_notify", content=payment("order-1"))
    assert reply.status_code == 200
    assert b"FAIL" in reply.content


async def test_readiness_names_what_is_away(
    without_temporal: httpx.AsyncClient, without_database: httpx.AsyncClient
) -> None:
    ready = await without_temporal.get("/readyz")
    assert (ready.status_code, ready.json()["database"]) == (503, "ok")
    assert ready.json()["temporal"] == "away"
    assert (await without_database.get("/readyz")).json()["database"] == "away"
    assert (await without_temporal.get("/healthz")).status_code == 200


async def test_without_the_database_everything_waits(without_database: httpx.AsyncClient) -> None:
    placed = await without_database.post("/v1/orders", json=order_body("order-1"), headers=SHOP)
    read = await without_database.get("/v1/orders", headers=SHOP)
    for reply in (placed, read):
        assert (reply.status_code, reply.json()["code"]) == (503, "database_unavailable")
        assert int(reply.headers["Retry-After"]) > 0
