"""A buyer, a shop and its staff, who play the same story at every contestant's API."""

import asyncio
import itertools
import json
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from bench.wire import Reply, Wire

LOOKS_AFTER_S: Final = (0.05, 0.1, 0.2, 0.4)
"""Ever more seldom: whoever is slow is not slowed down by being looked at."""
PATIENCE_S: Final = 60.0
JSON: Final = {"content-type": "application/json"}
TOKENS: Final = {
    role: f"sandbox-{role}" for role in ("shop", "merchant", "platform", "finance", "admin")
}
PARCEL: Final = {"carrier": "SF", "tracking_no": "SF1234567890"}
APPROVE: Final = {"decision": "approve"}


class NotAsTold(Exception):
    """A contestant answered something else than the story says."""


def order_of(number: str, merchant_id: str = "m1") -> dict[str, Any]:
    """An order of two cups and freight: 2 × 150 + 80 fen."""
    return {
        "out_trade_no": number,
        "merchant_id": merchant_id,
        "openid": "o-buyer",
        "description": "茶具",
        "lines": [{"sku": "cup", "title": "茶杯", "quantity": 2, "unit_price": 150}],
        "freight": 80,
    }


@dataclass
class Story:
    """Plays at one contestant's addresses, with the simulator for WeChat Pay."""

    api: Wire
    simulator: Wire
    run: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    serial: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def numbers(self, count: int) -> list[str]:
        """Fresh order numbers."""
        return [f"{self.run}{next(self.serial):08d}" for _ in range(count)]

    async def place(self, number: str, merchant_id: str = "m1") -> None:
        """The shop places an order."""
        await self.does("shop", "/v1/orders", order_of(number, merchant_id))

    async def pay(self, number: str) -> None:
        """The buyer pays at WeChat Pay, which notifies the shop."""
        body = json.dumps({"out_trade_no": number}).encode()
        _good("pay", await self.simulator.post("/_control/pay", body, JSON))

    async def paid(self, number: str, merchant_id: str = "m1") -> None:
        """Placed, paid, and known to be."""
        await self.place(number, merchant_id)
        await self.pay(number)
        await self.becomes(f"/v1/orders/{number}", "AWAITING_SHIPMENT")

    async def received(self, number: str) -> None:
        """Placed, paid, shipped, received."""
        await self.paid(number)
        await self.does("shop", f"/v1/orders/{number}/ship", PARCEL)
        await self.does("shop", f"/v1/orders/{number}/receive")

    async def refunded(self, number: str) -> None:
        """Placed, paid, applied for, approved twice, and the money is back."""
        await self.paid(number)
        case_no = await self.approved(number)
        await self.becomes(f"/v1/after-sales/{case_no}", "COMPLETED")

    async def applied(self, number: str) -> str:
        """The buyer of an unshipped order applies, and the merchant approves; the case's number."""
        body = {"type": "REFUND_ONLY", "reason_code": "NO_REASON", "reason": "不想要了"}
        case = await self.does("shop", f"/v1/orders/{number}/after-sales", body)
        case_no: str = case["case_no"]
        await self.does("admin", f"/v1/after-sales/{case_no}/merchant-review", APPROVE)
        return case_no

    async def approved(self, number: str) -> str:
        """Applied for, and both desks approve; the case's number."""
        case_no = await self.applied(number)
        await self.processed(case_no)
        return case_no

    async def processed(self, case_no: str) -> None:
        """The platform approves."""
        await self.does("platform", f"/v1/after-sales/{case_no}/platform-review", APPROVE)

    async def becomes(self, path: str, state: str) -> None:
        """Look until it is in this state."""
        deadline, pauses = time.monotonic() + PATIENCE_S, iter(LOOKS_AFTER_S)
        while (seen := (await self.seen(path)).get("state")) != state:
            if time.monotonic() > deadline:
                raise NotAsTold(f"{path}: {seen}, not {state}")
            await asyncio.sleep(next(pauses, LOOKS_AFTER_S[-1]))

    async def seen(self, path: str) -> Any:
        """What the shop reads."""
        headers = {"authorization": f"Bearer {TOKENS['shop']}"}
        return _good(path, await self.api.get(path, headers)).json()

    async def does(self, who: str, path: str, body: object = None) -> Any:
        """One command that must succeed; the fresh state."""
        headers = {
            "authorization": f"Bearer {TOKENS[who]}",
            "idempotency-key": f"{self.run}-{next(self.serial)}",
            **JSON,
        }
        content = json.dumps(body).encode() if body is not None else b""
        return _good(path, await self.api.post(path, content, headers)).json()


def _good(what: str, reply: Reply) -> Reply:
    if not 200 <= reply.status < 300:
        raise NotAsTold(f"{what}: {reply.status} {reply.content[:300]!r}")
    return reply
