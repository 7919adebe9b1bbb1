"""Every desk at which somebody must act in time: merchant, platform, buyer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx

from tests.shop import PARCEL, Shop, told

REJECT = {"decision": "reject", "reason": "不符合退款条件"}
REFUSE = {"decision": "refused", "reason": "退回的不是原商品"}


@dataclass(frozen=True)
class Desk:
    """Who must act until when: how to get there, what to do there, and what comes of it."""

    prepared: Callable[[Shop], Awaitable[str]]
    action: tuple[str, str, object]
    acted: str
    by_clock: str
    clock_event: str
    policy: str
    length: timedelta
    is_case: bool = True

    async def look(self, shop: Shop, number: str) -> Any:
        """The thing that stands at this desk."""
        return await (shop.case_of(number) if self.is_case else shop.order_of(number))

    async def act(self, shop: Shop, number: str) -> httpx.Response:
        """Do what is to be done here."""
        who, path, body = self.action
        kind = "after-sales" if self.is_case else "orders"
        return await shop.post(who, f"/v1/{kind}/{number}/{path}", body)

    async def happened(self, shop: Shop, number: str, event: str) -> Any:
        """Wait until this stands on the timeline."""
        return await shop.until(
            lambda: self.look(shop, number), True, lambda view: event in told(view)
        )

    @property
    def actor(self) -> str:
        """Whom a timeline names for the action."""
        names = {"merchant": "Mei", "platform": "Ping", "shop": "Shan"}
        return f"{self.action[0]}:{names[self.action[0]]}"


async def applied(shop: Shop) -> str:
    return await shop.apply(await shop.paid())


async def approved(shop: Shop) -> str:
    case_no = await applied(shop)
    await shop.approve(case_no, "merchant")
    await shop.slow_refund(f"{case_no}-1", timedelta(hours=1))
    return case_no


async def returning(shop: Shop) -> str:
    return await shop.apply(await shop.shipped(), reason_code="QUALITY")


async def sent_back(shop: Shop) -> str:
    case_no = await returning(shop)
    await shop.send_back(case_no)
    return case_no


async def unpaid(shop: Shop) -> str:
    return await shop.order()


async def shipped(shop: Shop) -> str:
    return await shop.shipped()


DESKS = {
    "merchant, 48 h": Desk(
        applied,
        ("merchant", "merchant-review", REJECT),
        acted="REJECTED",
        by_clock="PENDING_PLATFORM",
        clock_event="MERCHANT_SILENT",
        policy="merchant_review",
        length=timedelta(hours=48),
    ),
    "platform, 24 h": Desk(
        approved,
        ("platform", "platform-review", REJECT),
        acted="REJECTED",
        by_clock="REFUNDING",
        clock_event="PLATFORM_AUTO_PROCESSED",
        policy="platform_process",
        length=timedelta(hours=24),
    ),
    "buyer's return, 7 d": Desk(
        returning,
        ("shop", "return-shipment", PARCEL),
        acted="AWAITING_RECEIPT",
        by_clock="CLOSED",
        clock_event="RETURN_OVERDUE",
        policy="buyer_return",
        length=timedelta(days=7),
    ),
    "merchant's receipt, 10 d": Desk(
        sent_back,
        ("merchant", "receipt", REFUSE),
        acted="REJECTED",
        by_clock="PENDING_PLATFORM",
        clock_event="RECEIPT_SILENT",
        policy="merchant_receipt",
        length=timedelta(days=10),
    ),
    "unpaid, 30 min": Desk(
        unpaid,
        ("shop", "close", None),
        acted="CLOSED",
        by_clock="CLOSED",
        clock_event="CLOSED_UNPAID",
        policy="unpaid_close",
        length=timedelta(minutes=30),
        is_case=False,
    ),
    "auto receive, 10 d": Desk(
        shipped,
        ("shop", "receive", None),
        acted="RECEIVED",
        by_clock="RECEIVED",
        clock_event="RECEIVED",
        policy="auto_receive",
        length=timedelta(days=10),
        is_case=False,
    ),
}
