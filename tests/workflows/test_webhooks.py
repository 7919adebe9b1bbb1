"""Events to the shop's webhook: signed, in order, again until they are taken."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from pydantic import ValidationError
from standardwebhooks.webhooks import Webhook
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

import activities.webhooks
from activities.webhooks import Webhooks
from db import migrate, views, webhooks
from db.engine import Database
from db.records import append_events
from db.tables import Event
from domain.timeline import SYSTEM, Subject
from domain.webhooks import RETRIES
from settings import Settings
from simulator import defaults
from tests.shop import free_port
from tools import provision
from workflows import schedules
from workflows.queues import ORDERS
from workflows.webhooks import WebhookWorkflow

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
LOOKS = 6000


@dataclass
class Shopkeeper:
    """The shop's own server: keeps what it gets, and refuses as often as it is told to."""

    got: list[dict[str, Any]] = field(default_factory=list)
    refuses: dict[str, int] = field(default_factory=dict)

    async def take(self, request: Request) -> Response:
        """One delivery; a wrong signature is an error."""
        told = Webhook(SECRET).verify(await request.body(), dict(request.headers))
        number = told["data"]["out_trade_no"]
        if self.refuses.get(number, 0) > 0:
            self.refuses[number] -= 1
            return Response(status_code=500)
        self.got.append(told | {"webhook_id": request.headers["webhook-id"]})
        return Response(status_code=204)

    def heard(self, number: str) -> list[str]:
        """What happened to one order, as it was told."""
        return [one["data"]["event"] for one in self.got if one["data"]["out_trade_no"] == number]


@dataclass
class Deliveries:
    """A shop that is told of what happens."""

    database: Database
    shopkeeper: Shopkeeper
    batches: int = 0

    def happen(self, number: str, *events: str) -> None:
        """Something happens to one order, in one transaction."""
        self.batches += 1
        with self.database.write() as session:
            rows = [_event(number, name, self.batches, at) for at, name in enumerate(events)]
            append_events(session, rows)

    async def until(self, number: str, *states: str) -> list[dict[str, Any]]:
        """Wait until the deliveries of one order's events stand like this; the log of them."""
        log = self._log(number)
        for _ in range(LOOKS):
            if [one["state"] for one in log] == list(states):
                break
            await asyncio.sleep(0.02)
            log = self._log(number)
        assert [one["state"] for one in log] == list(states)
        return log

    def _log(self, number: str) -> list[dict[str, Any]]:
        with self.database.read() as session:
            mine = {
                one["id"] for one in views.events(session, 0, 1000) if one["out_trade_no"] == number
            }
            return [one for one in webhooks.deliveries(session, 0, 1000) if one["event_id"] in mine]


@pytest.fixture(scope="module")
async def deliveries(database: Database) -> AsyncIterator[Deliveries]:
    """Everything at work on the dev server, in short turns; one event is older than that."""
    migrate.upgrade(database)
    shopkeeper, port = Shopkeeper(), free_port()
    made = Deliveries(database, shopkeeper)
    made.happen("before", "PAID")
    outbox = Webhooks(database, f"http://127.0.0.1:{port}/hook", SECRET)
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as executor:
        patch.setattr(activities.webhooks, "FOLLOWS_FOR_S", 0.5)
        patch.setattr(activities.webhooks, "LOOKS_EVERY_S", 0.02)
        patch.setattr("domain.webhooks.RETRIES", (timedelta(milliseconds=10),) * 3)
        async with (
            _serving(shopkeeper, port),
            await WorkflowEnvironment.start_local(
                data_converter=pydantic_data_converter,
                dev_server_existing_path=str(provision.paths().temporal),
            ) as environment,
            Worker(
                environment.client,
                task_queue=ORDERS,
                workflows=[WebhookWorkflow],
                activities=[outbox.newest_event, outbox.follow_events],
                activity_executor=executor,
            ),
        ):
            await schedules.deliver_events(environment.client)
            await schedules.deliver_events(environment.client)
            await asyncio.sleep(0.5)
            yield made


@contextlib.asynccontextmanager
async def _serving(shopkeeper: Shopkeeper, port: int) -> AsyncIterator[None]:
    app = FastAPI()
    app.add_api_route("/hook", shopkeeper.take, methods=["POST"], response_model=None)
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning"))
    serving = asyncio.create_task(server._serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield
    server.should_exit = True
    await serving


def _event(number: str, name: str, batch: int, position: int) -> Event:
    return Event(
        stream="test",
        number=batch,
        position=position,
        at=datetime.now(UTC),
        merchant_id="m1",
        out_trade_no=number,
        subject=Subject.ORDER,
        subject_no=number,
        actor=str(SYSTEM),
        event=name,
        source="",
        target="",
        detail={},
    )


async def test_each_event_comes_once_signed_and_in_order(deliveries: Deliveries) -> None:
    deliveries.happen("order1", "PLACED", "PAID")
    deliveries.happen("order1", "SHIPPED")
    log = await deliveries.until("order1", *["DELIVERED"] * 3)
    assert deliveries.shopkeeper.heard("order1") == ["PLACED", "PAID", "SHIPPED"]
    assert [(one["attempts"], one["status"]) for one in log] == [(1, 204)] * 3


async def test_a_message_is_the_event_as_the_feed_shows_it(deliveries: Deliveries) -> None:
    deliveries.happen("order2", "PAID")
    (log,) = await deliveries.until("order2", "DELIVERED")
    with deliveries.database.read() as session:
        (event,) = views.events(session, log["event_id"] - 1, 1)
    (told,) = (one for one in deliveries.shopkeeper.got if one["webhook_id"] == log["webhook_id"])
    assert told == {
        "type": "order.paid",
        "timestamp": event["at"],
        "data": event,
        "webhook_id": f"evt_{event['id']}",
    }


async def test_what_the_shop_refuses_comes_again(deliveries: Deliveries) -> None:
    deliveries.shopkeeper.refuses["order3"] = 2
    deliveries.happen("order3", "PAID")
    (log,) = await deliveries.until("order3", "DELIVERED")
    assert (log["attempts"], log["problem"]) == (3, "")
    assert deliveries.shopkeeper.heard("order3") == ["PAID"]


async def test_after_the_last_try_it_is_given_up_and_the_log_says_why(
    deliveries: Deliveries,
) -> None:
    deliveries.shopkeeper.refuses["order4"] = 99
    deliveries.happen("order4", "PAID")
    (log,) = await deliveries.until("order4", "GIVEN_UP")
    assert (log["attempts"], log["status"], log["problem"]) == (4, 500, "HTTP 500")


async def test_turn_after_turn_nothing_is_missed(deliveries: Deliveries) -> None:
    for serial in range(12):
        deliveries.happen("order5", f"STEP{serial}")
        await asyncio.sleep(0.1)
    await deliveries.until("order5", *["DELIVERED"] * 12)
    assert deliveries.shopkeeper.heard("order5") == [f"STEP{serial}" for serial in range(12)]


async def test_what_happened_before_the_webhook_was_set_is_not_told(
    deliveries: Deliveries,
) -> None:
    assert await deliveries.until("before") == []


def test_tries_go_on_for_three_days() -> None:
    assert timedelta(days=2, hours=20) < sum(RETRIES, timedelta()) < timedelta(days=3, hours=4)


@pytest.mark.parametrize(
    ("url", "secret", "problem"),
    [
        ("https://shop.example/hook", "", "WEBHOOK_SECRET is needed"),
        ("https://shop.example/hook", "whsec_c2hvcnQ=", "at least 24 bytes"),
        ("https://shop.example/hook", "whsec_no base64!", "not base64"),
        ("shop.example/hook", SECRET, "not an http or https address"),
    ],
)
def test_a_wrong_webhook_setting_is_named(url: str, secret: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Settings(
            _env_file=None,
            WECHAT_APPID=defaults.APPID,
            WECHAT_MCH_ID=defaults.MCH_ID,
            WECHAT_API_KEY=defaults.API_KEY,
            WEBHOOK_URL=url,
            WEBHOOK_SECRET=secret,
        )
