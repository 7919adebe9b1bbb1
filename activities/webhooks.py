"""Events to the shop's webhook, signed; the shop may get one twice, and never misses one."""

import asyncio
import json
import time
from collections import defaultdict
from contextlib import suppress
from datetime import UTC, datetime

import httpx
from standardwebhooks.webhooks import Webhook
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from db import webhooks
from db.engine import Database
from db.views import View
from db.webhooks import Outcome
from domain.webhooks import message, message_id

FOLLOWS_FOR_S = 3600
LOOKS_EVERY_S = 1.0
ANSWER_WITHIN_S = 15
AT_ONCE = 8


class Webhooks:
    """The delivery of events to one address; without an address nothing is delivered."""

    def __init__(self, database: Database, url: str, secret: str) -> None:
        self._database, self._url, self._secret = database, url, secret

    @activity.defn(no_thread_cancel_exception=True)
    def newest_event(self) -> int:
        """The last event of all; 0 before the first."""
        with self._database.read() as session:
            return webhooks.newest(session)

    @activity.defn
    async def follow_events(self, after: int) -> int | None:
        """Deliver what happens after event `after`, for about an hour; answers the last event.

        None when there is nowhere to deliver to. It may be repeated: each event is taken in once.
        """
        if not self._url:
            return None
        until = time.monotonic() + FOLLOWS_FOR_S
        turns = asyncio.Semaphore(AT_ONCE)
        async with httpx.AsyncClient(timeout=ANSWER_WITHIN_S) as client:
            while time.monotonic() < until:
                after = await asyncio.to_thread(self._take_in, after)
                events = await asyncio.to_thread(self._due)
                await self._deliver(client, turns, events)
                activity.heartbeat()
                if not events:
                    await _rest()
        return after

    async def _deliver(
        self, client: httpx.AsyncClient, turns: asyncio.Semaphore, events: list[View]
    ) -> None:
        """Orders side by side; what happened to one order in its order."""
        by_order: dict[str, list[View]] = defaultdict(list)
        for event in events:
            by_order[event["out_trade_no"]].append(event)

        async def deliver(of_order: list[View]) -> None:
            async with turns:
                for event in of_order:
                    outcome = await self._send(client, event)
                    await asyncio.to_thread(self._note, outcome)
                    activity.heartbeat()

        await asyncio.gather(*map(deliver, by_order.values()))

    async def _send(self, client: httpx.AsyncClient, event: View) -> Outcome:
        body = json.dumps(message(event), ensure_ascii=False)
        headers = self._signed(message_id(event["id"]), body)
        try:
            async with client.stream(
                "POST", self._url, content=body.encode(), headers=headers
            ) as reply:
                problem = "" if reply.is_success else f"HTTP {reply.status_code}"
                return Outcome(event["id"], reply.status_code, problem)
        except httpx.HTTPError as error:
            return Outcome(event["id"], None, f"{type(error).__name__} {error}")

    def _signed(self, number: str, body: str) -> dict[str, str]:
        now = _now()
        return {
            "content-type": "application/json",
            "webhook-id": number,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self._secret).sign(number, now, body),
        }

    def _take_in(self, after: int) -> int:
        if self.newest_event() <= after:
            return after
        with self._database.write() as session:
            return webhooks.enqueue(session, after, _now())

    def _due(self) -> list[View]:
        with self._database.read() as session:
            return webhooks.due(session, _now())

    def _note(self, outcome: Outcome) -> None:
        with self._database.write() as session:
            webhooks.note(session, outcome, _now())


async def _rest() -> None:
    """A moment; raises when this worker is to stop, so that another goes on at once."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LOOKS_EVERY_S):
            await activity.wait_for_worker_shutdown()
            raise ApplicationError("the worker stops", category=ApplicationErrorCategory.BENIGN)


def _now() -> datetime:
    return datetime.now(UTC)
