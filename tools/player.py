"""Plays every part over HTTP, as people and systems do: buyer, shop, merchant, platform, finance,
WeChat Pay's side of the simulator."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

APPROVE: Final = {"decision": "approve"}
PARCEL: Final = {"carrier": "SF", "tracking_no": "SF1234567890"}
PATIENCE_S: Final = 20.0
LOOK_EVERY_S: Final = 0.03


class NotAsExpected(Exception):
    """The system answered something else than the story says."""


@dataclass
class Player:
    """Drives one running system; `who` is a name that `tokens` knows."""

    api: httpx.AsyncClient
    wechat: httpx.AsyncClient
    tokens: dict[str, str]
    serial: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    patience_s: float = PATIENCE_S
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    async def post(
        self, who: str, path: str, body: object = None, key: str | None = None
    ) -> httpx.Response:
        """One command of one person, under a fresh key unless one is given."""
        key = f"{self.run}-{next(self.serial)}" if key is None else key
        headers = {"Authorization": f"Bearer {self.tokens[who]}", "Idempotency-Key": key}
        return await self.api.post(path, json=body, headers=headers)

    async def get(self, who: str, path: str) -> Any:
        """What somebody reads; it must be there."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        return _good(await self.api.get(path, headers=headers))

    async def does(self, who: str, path: str, body: object = None) -> Any:
        """One command that must succeed; the fresh state."""
        return _good(await self.post(who, path, body))

    async def refuses(self, who: str, path: str, body: object = None) -> str:
        """One command that must be refused; the code."""
        reply = await self.post(who, path, body)
        if not 400 <= reply.status_code < 500:
            raise NotAsExpected(f"{path} was not refused: {reply.status_code} {reply.text}")
        code: str = reply.json()["code"]
        return code

    async def order(self, number: str, **more: Any) -> str:
        """Place an order: two cups and freight, 2 × 150 + 80 fen, unless said otherwise."""
        lines = [{"sku": "cup", "title": "茶杯", "quantity": 2, "unit_price": 150}]
        body = {"out_trade_no": number, "merchant_id": "m1", "openid": "o-buyer", "freight": 80}
        await self.does("shop", "/v1/orders", body | {"description": "茶具", "lines": lines} | more)
        return number

    async def paid(self, number: str, **more: Any) -> str:
        """Place an order and pay it."""
        await self.order(number, **more)
        await self.pay(number)
        await self.order_is(number, "AWAITING_SHIPMENT")
        return number

    async def shipped(self, number: str, **more: Any) -> str:
        """Place, pay and ship an order."""
        await self.paid(number, **more)
        await self.does("shop", f"/v1/orders/{number}/ship", PARCEL)
        return number

    async def received(self, number: str, **more: Any) -> str:
        """Place, pay, ship and receive an order."""
        await self.shipped(number, **more)
        await self.does("shop", f"/v1/orders/{number}/receive")
        return number

    async def order_of(self, number: str) -> Any:
        """The order as it stands."""
        return await self.get("auditor", f"/v1/orders/{number}")

    async def order_is(self, number: str, state: str) -> Any:
        """Wait until the order is in this state."""
        return await self.until(lambda: self.order_of(number), state)

    async def apply(self, number: str, reason_code: str = "NO_REASON", **more: Any) -> str:
        """The buyer applies for what the order's state allows; the case's number."""
        unshipped = (await self.order_of(number))["state"] == "AWAITING_SHIPMENT"
        kind = "REFUND_ONLY" if unshipped else "RETURN_REFUND"
        body = {"type": kind, "reason_code": reason_code, "reason": "不想要了"} | more
        case_no: str = (await self.does("shop", f"/v1/orders/{number}/after-sales", body))[
            "case_no"
        ]
        return case_no

    async def case_of(self, case_no: str) -> Any:
        """The case as it stands."""
        return await self.get("auditor", f"/v1/after-sales/{case_no}")

    async def case_is(self, case_no: str, state: str) -> Any:
        """Wait until the case is in this state."""
        return await self.until(lambda: self.case_of(case_no), state)

    async def on_case(self, who: str, case_no: str, action: str, body: object = None) -> Any:
        """One command on a case."""
        return await self.does(who, f"/v1/after-sales/{case_no}/{action}", body)

    async def approve(self, case_no: str, *desks: str) -> None:
        """Merchant and platform approve, or only the desks named."""
        for desk in desks or ("merchant", "platform"):
            await self.on_case(desk, case_no, f"{desk}-review", APPROVE)

    async def refund_of(self, number: str) -> Any:
        """The refund as it stands."""
        return await self.get("auditor", f"/v1/refunds/{number}")

    async def refund_is(self, number: str, state: str) -> Any:
        """Wait until the refund is in this state."""
        return await self.until(lambda: self.refund_of(number), state)

    async def pay(self, number: str, **more: Any) -> Any:
        """The buyer pays."""
        return await self.control("pay", out_trade_no=number, **more)

    async def control(self, path: str, **body: Any) -> Any:
        """One call to the simulator's control side that must succeed."""
        reply = await self.wechat.post(f"/_control/{path}", json=body)
        return _good(reply) if reply.content else {}

    async def truth(self) -> Any:
        """Where the money really is."""
        return _good(await self.wechat.get("/_control/ledger"))

    async def until(self, look: Callable[[], Awaitable[Any]], state: str) -> Any:
        """Look until it is in this state; raises NotAsExpected when it never is."""
        deadline = time.monotonic() + self.patience_s
        seen = await look()
        while seen["state"] != state:
            if time.monotonic() > deadline:
                raise NotAsExpected(f"expected {state}, but it stays {seen['state']}")
            await asyncio.sleep(LOOK_EVERY_S)
            seen = await look()
        return seen


def _good(reply: httpx.Response) -> Any:
    if not reply.is_success:
        path = reply.request.url.path
        raise NotAsExpected(f"{reply.request.method} {path}: {reply.status_code} {reply.text}")
    return reply.json()
